package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

// Every count that a client sees is that of mapping the journalled events once, in order, and so is
// what is remembered at the end: whenever the bridge is killed, with full disks and reloads in
// between.
func TestCountsOfABridgeKilled(t *testing.T) {
	kills, clients, rate, size := 4, 10, 300, "64m"
	if long() {
		kills, clients, rate, size = 20, 50, 1000, "1g"
	}
	small := smallDisk(t, size)
	ballast := filepath.Join(small, "ballast")
	s := start(t, options{clients: clients, rate: rate, dir: filepath.Join(small, "journal"), rules: countingRules})
	for i := range kills {
		s.load()
		switch i % 4 {
		case 1:
			s.bridge.reload(strings.Replace(countingRules, "last: {}", fmt.Sprintf("last: {for: %dh}", 100+i), 1))
		case 3:
			fill(t, ballast)
			s.bridge.waitNotReady("journal: no room to write")
		}
		s.bridge.process.End(syscall.SIGKILL)
		s.bridge.start()
		os.Remove(ballast)
	}
	s.flow()
	v := s.finish(fmt.Sprintf("counting, bridge: %d x SIGKILL, full disks, reloads", kills))
	v.counted()
	v.exact()
}

// What a killed Mosquitto loses or sends again as if it were new, nobody behind it can tell: all
// that is journalled counts, once each.
func TestCountsOfABrokerKilled(t *testing.T) {
	kills, rate := 1, 200
	if long() {
		kills, rate = 5, 1000
	}
	s := start(t, options{rate: rate, rules: countingRules})
	s.save() // or the first kill would take the whole session
	for range kills {
		s.load()
		s.broker.Kill()
		s.bridge.waitNotReady("mqtt")
		s.broker.Restart()
		s.bridge.process.WaitReady()
	}
	from := s.restarted()
	v := s.finish(fmt.Sprintf("counting, mosquitto: %d x SIGKILL", kills))
	v.counted()
	v.complete(from)
}

// reload writes other rules and waits until they are in force.
func (b *bridge) reload(rules string) {
	b.t.Helper()
	before := len(b.process.Log.Lines("msg=reloaded"))
	if err := os.WriteFile(b.config, []byte(rules), 0o600); err != nil {
		b.t.Fatal(err)
	}
	bridgetest.Eventually(b.t, "the reload", func() bool { return len(b.process.Log.Lines("msg=reloaded")) > before })
}
