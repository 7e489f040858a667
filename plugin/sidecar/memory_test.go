package main

import (
	"regexp"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// namesRules remember names and send them; settings are those of the memory.
func namesRules(settings, ops string) string {
	return ops + `
memory: {names: ` + settings + `}
rules:
  - name: names
    topic: names/{id}
    remember: {names: {key: =topic.id, value: =payload.name}}
  - name: hello
    topic: hello/{id}
    queue: /queue/channel/connected
    fields: {id: '=uuid("channel", topic.id)', name: '=memory.names[topic.id] ?? "nobody"', source: test, source_channel_id: =topic.id}
`
}

// What rules remember is seen by the command, if the configuration lets it be. A reload that changes
// the time or the bounds of a memory changes what is there; what the configuration no longer names is
// kept, also over a restart, and is there again when it is named again.
func TestMemoryOfARunningBridge(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	const shown = "ops: {show_payloads: true}"
	s := startSidecar(t, namesRules("{for: 1h}", ""), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_JOURNAL_DIR="+t.TempDir())
	s.wantMemory(`0 +0 +0 +0 +1h0m0s  names`)
	for id, name := range []string{"Ann", "Bob", "Cid"} {
		publish(t, broker.Addr, "-t", "names/"+string(rune('1'+id)), "-m", `{"name": "`+name+`"}`)
	}
	s.wantMemory(`3 +18 +0 +0 +1h0m0s  names`)
	if code, _, stderr := s.command("memory", "names", "1"); code != exitFailure || !strings.Contains(stderr, "403 Forbidden: keys and values hold parts of payloads; set ops.show_payloads: true") {
		t.Errorf("keys that may not be shown: code %d, %s", code, stderr)
	}

	replace(t, s.config, namesRules("{for: 2h, max_keys: 2}", shown))
	s.wantMemory(`2 +12 +1 +0 +2h0m0s  names`)
	if code, out, stderr := s.command("memory", "names"); code != exitOK || !regexp.MustCompile(`^ +bytes +written +ends in  key\n +6 +\d+s ago +1h59m\d+s  "2"\n +6 .*  "3"\n$`).MatchString(out) {
		t.Errorf("keys: code %d, %s%s", code, out, stderr)
	}
	if code, out, _ := s.command("memory", "names", "-n", "1"); code != exitOK || !strings.HasSuffix(out, "\"2\"\nthere are more: give the last key to --after\n") {
		t.Errorf("the first page: code %d, %s", code, out)
	}
	if code, out, _ := s.command("memory", "names", "--after", "2", "--format", "json"); code != exitOK || !strings.HasPrefix(out, `{"memory":"names","keys":[{"key":"3","bytes":6,`) {
		t.Errorf("the second page: code %d, %s", code, out)
	}
	if code, out, _ := s.command("memory", "names", "3"); code != exitOK || out != "\"Cid\"\n" {
		t.Errorf("a value: code %d, %s", code, out)
	}

	replace(t, s.config, shown+"\n"+sourceRule("other/{n}", "first"))
	const unnamed = `2 +12 +\d +0 +2h0m0s  names  \(no longer named; waits for the time of its keys\)`
	s.wantMemory(unnamed)
	s.stop()
	s.start()
	s.waitReady()
	s.wantMemory(unnamed)

	replace(t, s.config, namesRules("{for: 1h}", shown))
	s.wantMemory(`2 +12 +0 +0 +1h0m0s  names`)
	bridgetest.Eventually(t, "the topics to be granted", func() bool { return strings.Contains(s.log.String(), "msg=reloaded") })
	c := s.dial("grace", "/queue/channel/connected")
	publish(t, broker.Addr, "-t", "hello/3", "-m", "{}")
	if b := nextChannel(t, c); b.Name != "Cid" {
		t.Errorf("the memory that is named again: got %+v", b)
	}
	replace(t, s.config, namesRules("{for: 1s}", shown))
	s.wantMemory(`0 +0 +0 +2 +1s  names`)
	if code, out, _ := s.command("memory", "names"); code != exitOK || out != "memory names holds no key here\n" {
		t.Errorf("no key: code %d, %s", code, out)
	}
}

// wantMemory waits until the command prints one memory, as the pattern has it.
func (r *running) wantMemory(pattern string) {
	r.t.Helper()
	want := regexp.MustCompile(`^ +keys +bytes +evicted +expired +for  memory\n +` + pattern + `\n$`)
	var out string
	defer func() {
		if r.t.Failed() {
			r.t.Logf("the last answer:\n%s", out)
		}
	}()
	bridgetest.Eventually(r.t, "memory to print "+pattern, func() bool {
		_, out, _ = r.command("memory")
		return want.MatchString(out)
	})
}
