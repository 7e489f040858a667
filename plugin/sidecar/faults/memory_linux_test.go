package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/mapping/memory"
)

// countingRules are rules that say how many events of its topic came up to this one, and remember
// the last.
const countingRules = `
memory: {count: {}, last: {}}
rules:
  - name: message
    topic: app/{worker}/message
    payload: text
    let:
      n: (memory.count[mqtt.topic] ?? 0) + 1
    remember: {count: {key: =mqtt.topic, value: =n}}
    queue: /queue/message
    fields:
      conversation_id: =uuid("conversation", topic.worker)
      channel_id: =uuid("channel", topic.worker)
      message: {id: '=uuid("message", payload)', content: '="count=" + string(n) + " " + payload', delivery_state: DELIVERED, sender_type: app_user}
  - name: channel
    topic: app/{worker}/channel
    payload: text
    let:
      n: (memory.count[mqtt.topic] ?? 0) + 1
    remember: {count: {key: =mqtt.topic, value: =n}}
    queue: /queue/channel/connected
    fields: {id: '=uuid("channel", payload)', name: '="count=" + string(n) + " " + payload', source: test, source_channel_id: =mqtt.topic}
  - name: last
    topic: app/#
    payload: text
    remember: {last: {key: =mqtt.topic, value: {event: =payload}}}
`

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

// counted fails the test where the journal, which the clients were compared with, has another count
// than mapping its events once and in order gives, or remembers anything else.
func (v *verdict) counted() {
	t := v.t
	t.Helper()
	counts, last := map[string]string{}, map[string]string{} // topic -> JSON text
	wrong := 0
	for _, e := range v.entries {
		body := string(e.Body)
		topic := fmt.Sprintf("app/%d/message", worker(body))
		if e.Queue == queues[1] {
			topic = fmt.Sprintf("app/%d/channel", worker(body))
		}
		n, _ := strconv.Atoi(counts[topic])
		counts[topic] = strconv.Itoa(n + 1)
		if got := find(body, "count="); got != n+1 {
			if wrong++; wrong < 5 {
				t.Errorf("at position %d the count of %s is %d, want %d", e.Position, topic, got, n+1)
			}
		}
		_, event, _ := strings.Cut(body, "n=")
		event, _, _ = strings.Cut(event, `"`)
		text, _ := json.Marshal(map[string]string{"event": "n=" + event})
		last[topic] = string(text)
	}
	store := readMemory(t, v.dir)
	for name, want := range map[string]map[string]string{"count": counts, "last": last} {
		got := map[string]string{}
		for _, k := range store.Page(name, "", 1000) {
			got[k.Key] = k.Text
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("memory %s (-want +got):\n%s", name, diff)
		}
	}
	sum := 0
	for n := range maps.Values(counts) {
		c, _ := strconv.Atoi(n)
		sum += c
	}
	v.note = fmt.Sprintf("%d counts of %d topics, %d wrong", sum, len(counts), wrong)
}

// readMemory reads what the journal of a bridge that is not running remembers.
func readMemory(t testing.TB, dir string) *memory.Store {
	t.Helper()
	log, err := disk.Open(t.Context(), disk.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	w, err := log.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := memory.New()
	for _, prefix := range memory.Prefixes() {
		if err := w.Records(prefix, func(r journal.Record) bool { s.Load(memory.Record(r)); return true }); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
