package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/listen"
)

// stateRule maps the state of devices, retained or not, to a channel's name; how is deliver or
// skip.
func stateRule(how, source string) string {
	return fmt.Sprintf(`
rules:
  - name: state
    topic: 'dev/{id}/state'
    payload: text
    retained: %s
    queue: /queue/channel/connected
    fields: {id: '=uuid("dev", topic.id)', name: '=topic.id + " is " + payload', source: %s, source_channel_id: =topic.id}
`, how, source)
}

// states returns the snapshot's channels: names and sources, with how many messages each came in.
// It takes a message that is live for the end of the snapshot.
func states(t *testing.T, url, token string, broker *mosquittotest.Broker) map[string]int {
	t.Helper()
	c, err := listen.Dial(t.Context(), listen.Config{URL: url, Token: token, Queues: []string{"/queue/channel/connected"}, Snapshot: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	end := fmt.Sprintf("end-%d", time.Now().UnixNano())
	publish(t, broker.Addr, "-t", "dev/"+end+"/state", "-m", "seen")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	found := map[string]int{}
	for {
		m, err := c.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var b channelBody
		if err := json.Unmarshal(m.Body, &b); err != nil {
			t.Fatal(err)
		}
		switch {
		case b.SourceChannelID == end:
			return found
		case !strings.HasPrefix(b.SourceChannelID, "end-"): // of an earlier call
			found[b.Name+" "+b.Source]++
		}
	}
}

// Whatever happened before: once the bridge is ready, a snapshot holds every retained state that a
// rule with `retained: deliver` maps, and what the journal had is not sent once more.
func TestStateAfterWhatever(t *testing.T) {
	binary := bridgetest.BuildFor(t)
	for _, inMemory := range []bool{false, true} {
		t.Run(map[bool]string{false: "journal on disk", true: "journal in memory"}[inMemory], func(t *testing.T) {
			broker := mosquittotest.Start(t, mosquittotest.Options{})
			dir := t.TempDir()
			environ := []string{"BRIDGE_BROKER_URL=mqtt://" + broker.Addr}
			if !inMemory {
				environ = append(environ, "BRIDGE_JOURNAL_DIR="+dir)
			}
			s := prepareSidecar(t, stateRule("deliver", "one"), environ...)
			cmd := exec.Command(binary, "serve", "-c", s.config)
			cmd.Env = append(os.Environ(), s.environ...)
			retain := func(id, state string) { publish(t, broker.Addr, "-r", "-t", "dev/"+id+"/state", "-m", state) }
			retain("1", "on")
			p := bridgetest.Start(t, cmd, s.ops)
			p.WaitReady()
			look := func(when string, want ...string) {
				t.Helper()
				got := slices.Sorted(maps.Keys(states(t, s.url(), s.token("grace"), broker)))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: snapshot (-want +got):\n%s", when, diff)
				}
			}
			reloaded := func(text string) {
				t.Helper()
				n := len(p.Log.Lines("msg=reloaded"))
				replace(t, s.config, text)
				bridgetest.Eventually(t, "the reload", func() bool { return len(p.Log.Lines("msg=reloaded")) > n })
				p.WaitReady()
			}
			look("first start", "1 is on one")

			p.End(syscall.SIGTERM)
			retain("2", "on")
			p.Restart()
			p.WaitReady()
			look("restart", "1 is on one", "2 is on one")

			p.End(syscall.SIGKILL)
			retain("1", "off")
			p.Restart()
			p.WaitReady()
			look("kill -9", "1 is off one", "2 is on one")

			p.End(syscall.SIGTERM)
			os.RemoveAll(dir)
			p.Restart()
			p.WaitReady()
			look("journal removed", "1 is off one", "2 is on one")

			reloaded(stateRule("deliver", "mended"))
			look("rule mended", "1 is off mended", "2 is on mended")

			reloaded(stateRule("skip", "mended"))
			retain("3", "on") // comes live
			p.End(syscall.SIGTERM)
			os.RemoveAll(dir)
			p.Restart()
			p.WaitReady()
			look("retained skipped")
			reloaded(stateRule("deliver", "mended"))
			look("skip to deliver", "1 is off mended", "2 is on mended", "3 is on mended")

			reloaded(strings.Replace(stateRule("deliver", "mended"), "topic: 'dev", "topic: 'other", 1))
			p.End(syscall.SIGTERM)
			os.RemoveAll(dir)
			p.Restart()
			p.WaitReady()
			reloaded(stateRule("deliver", "mended"))
			look("topic added", "1 is off mended", "2 is on mended", "3 is on mended")

			broker.Kill() // without a store: session and retained messages are lost
			broker.Restart()
			p.WaitReady()
			retain("4", "on")
			bridgetest.Eventually(t, "the live state", func() bool {
				return states(t, s.url(), s.token("grace"), broker)["4 is on mended"] > 0
			})
			if !inMemory {
				c := (&running{t: t, config: s.config, environ: s.environ, listen: s.listen}).dial("grace", "/queue/channel/connected")
				n := len(p.Log.Lines("read retained messages"))
				replace(t, s.config, strings.Replace(stateRule("deliver", "mended"), "name: state", "name: renamed", 1))
				bridgetest.Eventually(t, "another reading", func() bool { return len(p.Log.Lines("read retained messages")) > n })
				publish(t, broker.Addr, "-t", "dev/end/state", "-m", "seen")
				if b := nextChannel(t, c); b.SourceChannelID != "end" {
					t.Errorf("sent once more: %+v", b)
				}
			}
		})
	}
}

// Mosquitto's limits at their defaults cut off what a session gets at once. The snapshot is whole
// all the same, also when the states have changed while the bridge was away and its queue at the
// broker was full.
func TestManyStates(t *testing.T) {
	const devices = 10_000
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := prepareSidecar(t, stateRule("deliver", "one"), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_JOURNAL_DIR="+t.TempDir(), "BRIDGE_LOG_LEVEL=info")
	for _, state := range []string{"on", "off"} {
		retainAll(t, broker, devices, state)
		s.start()
		s.waitReady()
		got := 0
		for name := range states(t, s.url(), s.token("grace"), broker) {
			if strings.HasSuffix(name, " is "+state+" one") {
				got++
			}
		}
		if got != devices {
			t.Errorf("%d of %d devices are %s in the snapshot", got, devices, state)
		}
		s.stop()
	}
}

// retainAll retains the state of so many devices.
func retainAll(t *testing.T, broker *mosquittotest.Broker, devices int, state string) {
	t.Helper()
	c, err := connectMQTT(t.Context(), broker.Addr, func(*paho.Publish) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect(&paho.Disconnect{})
	for i := range devices {
		m := &paho.Publish{Topic: fmt.Sprintf("dev/%d/state", i), QoS: 1, Retain: true, Payload: []byte(state)}
		if _, err := c.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// The command has a running bridge read retained messages again, and says what it cannot do.
func TestReread(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, stateRule("deliver", "one"), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	reread := func(args ...string) (int, string) {
		var out bytes.Buffer
		p := program{stdin: strings.NewReader(""), stdout: &out, stderr: &out, environ: s.environ}
		code := p.run(context.Background(), append([]string{"reread"}, args...))
		return code, out.String()
	}
	n := len(s.log.Lines("read retained messages"))
	for _, args := range [][]string{{"#", "-c", s.config}, {"-c", s.config, "dev/1/state"}} {
		if code, out := reread(args...); code != exitOK || out != "retained messages read\n" {
			t.Errorf("%q: code %d, %s", args, code, out)
		}
	}
	if got := len(s.log.Lines("read retained messages")); got != n+2 {
		t.Errorf("read %d times, want 2", got-n)
	}
	if code, out := reread("other", "-c", s.config); code != exitFailure || !strings.Contains(out, "no rule with retained: deliver") {
		t.Errorf("a filter without a rule: code %d, %s", code, out)
	}
	if code, out := reread("-c", s.config); code != exitUsage || !strings.Contains(out, "one topic filter") {
		t.Errorf("no filter: code %d, %s", code, out)
	}
}
