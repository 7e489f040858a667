package examples_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
)

// The rule of the top README makes of its event what stands beside it.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{} // language -> texts
	for _, m := range regexp.MustCompile("(?s)```(yaml|json)\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	if len(blocks["yaml"]) != 1 || len(blocks["json"]) != 2 {
		t.Fatalf("%d YAML and %d JSON blocks", len(blocks["yaml"]), len(blocks["json"]))
	}
	m := compileText(t, "README.md", []byte(blocks["yaml"][0]))
	r := m.Map(mapping.Event{
		Topic:    "chat/8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11/2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22/message",
		Payload:  []byte(blocks["json"][0]),
		Received: time.Now(),
	})
	if len(r.Outputs) != 1 {
		t.Fatalf("%+v", r)
	}
	var got, want any
	if err := json.Unmarshal(r.Outputs[0].Body, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(blocks["json"][1]), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-README +bridge:\n%s", diff)
	}
}

// The whole file that the reference shows passes its own tests.
func TestReferenceFile(t *testing.T) {
	reference, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)A whole file:\n\n```yaml\n(.*?)```").FindSubmatch(reference)
	if block == nil {
		t.Fatal("there is no whole file")
	}
	results := compileText(t, "README.md", block[1]).Test()
	if len(results) == 0 {
		t.Error("the file has no tests")
	}
	for _, r := range results {
		if r.Problem != nil {
			t.Errorf("%s%s", r.Problem, r.Diff)
		}
	}
}

// The rules that remember, as the reference shows them, pass these tests.
func TestReferenceMemories(t *testing.T) {
	reference, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(memory:\n.*?)```").FindAllSubmatch(reference, -1)
	tests := []string{`
tests:
  - name: two events and a reader
    events:
      - {topic: chat/7/in, payload: {id: a}, expect: {/queue/unread-count:
         {conversation_id: 02c3f3ae-33cf-552f-a75e-ef1e8d37fdd2, unread_message_count: 1, timestamp: '2026-01-01T00:00:00.000Z'}}}
      - {topic: chat/7/in, payload: {id: a}, expect: filtered}
      - {topic: chat/7/read, payload: {}, expect: {/queue/unread-count:
         {conversation_id: 02c3f3ae-33cf-552f-a75e-ef1e8d37fdd2, unread_message_count: 0, timestamp: '2026-01-01T00:00:00.000Z'}}}
    remembers: {unread: {}}
`, `
tests:
  - name: the name comes later
    events:
      - {topic: tele/k/LWT, text: Online, expect: {/queue/channel/connected:
         {id: 55701095-5d2a-583b-9756-23e3f4f3266c, name: k, source: tasmota, source_channel_id: k}}}
      - {topic: discovery/1/config, payload: {t: k, dn: Kitchen}, expect: {/queue/channel/connected:
         {id: 55701095-5d2a-583b-9756-23e3f4f3266c, name: Kitchen, source: tasmota, source_channel_id: k}}}
  - name: the name is there
    events:
      - {topic: discovery/1/config, payload: {t: k, dn: Kitchen}, expect: remembered}
      - {topic: tele/k/LWT, text: Online, expect: {/queue/channel/connected:
         {id: 55701095-5d2a-583b-9756-23e3f4f3266c, name: Kitchen, source: tasmota, source_channel_id: k}}}
`, `
tests:
  - name: silent and connected again
    events:
      - {topic: sensors/7, payload: {name: Door}, expect: {/queue/channel/connected:
         {id: 85ed6ab7-28b1-51e6-9cf6-bc1a1f46b50c, name: Door, source: sensors, source_channel_id: "7"}}}
      - {topic: sensors/7, payload: {name: Door}, expect: remembered}
      - {after: 10m, expect: {/queue/channel/disconnected:
         {id: 85ed6ab7-28b1-51e6-9cf6-bc1a1f46b50c, name: Door, source: sensors, source_channel_id: "7"}}}
      - {topic: sensors/7, payload: {name: Door}, expect: {/queue/channel/connected:
         {id: 85ed6ab7-28b1-51e6-9cf6-bc1a1f46b50c, name: Door, source: sensors, source_channel_id: "7"}}}
`}
	if len(blocks) != len(tests) {
		t.Fatalf("%d files have a memory, %d have tests", len(blocks), len(tests))
	}
	for i, block := range blocks {
		for _, r := range compileText(t, "README.md", append(block[1], tests[i]...)).Test() {
			if r.Problem != nil {
				t.Errorf("%s%s", r.Problem, r.Diff)
			}
		}
	}
}

// The access that the reference shows allows whom it says.
func TestReferenceAccess(t *testing.T) {
	reference, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(access:\n.*?)```").FindSubmatch(reference)
	if block == nil {
		t.Fatal("there is no access")
	}
	var report source.Report
	s := mapping.ParseSource("README.md", append(block[1], "tables: {staff: {ada: agent}}\n"...), &report)
	a := mapping.CompileAccess([]mapping.Source{s}, &report)
	for _, p := range report.Problems() {
		t.Fatal(p)
	}
	roles := func(names ...any) map[string]any { return map[string]any{"roles": names} }
	for _, ask := range []struct {
		queue, user string
		claims      map[string]any
		want        bool
	}{
		{contract.QueueMessage, "bob", roles("inbox"), true},
		{contract.QueueMessage, "bob", roles("other"), false},
		{contract.QueueMessage, "admin", nil, true},
		{contract.QueueUnreadCount, "ada", nil, true},
		{contract.QueueUnreadCount, "bob", map[string]any{"level": json.Number("2")}, true},
		{contract.QueueUnreadCount, "bob", roles("inbox"), false},
	} {
		if got, reason := a.Allow(ask.queue, ask.user, ask.claims); got != ask.want {
			t.Errorf("%+v: %t %s", ask, got, reason)
		}
	}
}

// Every form of audience that the reference shows can be written in a rule.
func TestReferenceAudiences(t *testing.T) {
	reference, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	forms := regexp.MustCompile("(?m)^audience: .*$").FindAllString(string(reference), -1)
	if len(forms) != 3 {
		t.Fatalf("%d forms of audience", len(forms))
	}
	for _, form := range forms {
		m := compileText(t, "README.md", []byte(`
rules:
  - name: r
    topic: t
    queue: /queue/channel/connected
    `+form+`
    fields: {id: 2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22, name: a, source: b, source_channel_id: c}
`))
		r := m.Map(mapping.Event{Topic: "t", Payload: []byte(`{"agent":"ada","watchers":["bob"],"team":"billing"}`)})
		if len(r.Outputs) != 1 || len(r.Outputs[0].Audience) == 0 {
			t.Errorf("%s: %+v", form, r)
		}
	}
}
