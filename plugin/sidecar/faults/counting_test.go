package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
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
	store := readMemory(t, v.open())
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
	if v.note != "" {
		v.note += "; "
	}
	v.note += fmt.Sprintf("%d counts of %d topics, %d wrong", sum, len(counts), wrong)
}

// readMemory reads what the log remembers, and closes it.
func readMemory(t testing.TB, log journal.Log) *memory.Store {
	t.Helper()
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
