package mapping_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// A trial tells of each event what it changes, of duplicates, and of keys whose time was up. Long
// values are cut short.
func TestTrial(t *testing.T) {
	m := mapper(t, `
memory: {last: {for: 1m}}
rules:
  - name: last
    topic: t
    dedupe: {key: payload.id, window: 90s}
    remember: {last: {key: k, value: =payload.v}}
  - {name: clear, topic: clear, forget: {last: k}}
  - {name: over, forgotten: last, queue: /queue/unread-count, fields: {conversation_id: `+idA+`, unread_message_count: =len(value)}}
`)
	trial := m.NewTrial()
	trial.Remember([]memory.Change{{Memory: "last", Key: "k", Text: `"at first"`}}, received)
	var got bytes.Buffer
	at := func(seconds int, topic, payload string) {
		e := event(topic, payload)
		e.Received = received.Add(time.Duration(seconds) * time.Second)
		for _, trace := range append(trial.Forgotten(e.Received), trial.Explain(e)) {
			if trace.Event.State != nil {
				t.Error("a trace holds on to a transaction that is over")
			}
			trace.Format(&got)
		}
	}
	long := strings.Repeat("x", 130)
	at(0, "t", `{"id":1,"v":"a"}`)
	at(30, "t", `{"id":1,"v":"b"}`)
	at(31, "t", `{"id":2,"v":"`+long+`"}`)
	at(91, "clear", `{}`)
	at(92, "clear", `{}`)
	want := `t  16 bytes retained=false
  rule "last"   yes
  rule "clear"  no: the topic does not match clear
  -> remembers last["k"]: "at first" -> "a"
t  16 bytes retained=false
  rule "last"   no: a duplicate, the key of its dedupe came less than 1m30s before
  rule "clear"  no: the topic does not match clear
  -> nothing
t  145 bytes retained=false
  rule "last"   yes
  rule "clear"  no: the topic does not match clear
  -> remembers last["k"]: "a" -> "` + long[:119] + `…
memory.last["k"]  its time was up at 2026-03-04T05:07:38.890Z
  rule "over"  yes
      conversation_id          (text)                                        "` + idA + `"
      unread_message_count     =len(value)                                   130
      timestamp                (time of receipt)                             "2026-03-04T05:07:38.890Z"
  -> /queue/unread-count
     {"conversation_id":"` + idA + `","unread_message_count":130,"timestamp":"2026-03-04T05:07:38.890Z"}
clear  2 bytes retained=false
  rule "last"   no: the topic does not match t
  rule "clear"  yes
  -> forgets last["k"]
clear  2 bytes retained=false
  rule "last"   no: the topic does not match t
  rule "clear"  yes
  -> forgets last["k"]
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A rule that renews the key that it is for does not keep a trial busy for ever.
func TestTrialEnds(t *testing.T) {
	m := mapper(t, "memory: {tick: {for: 1s}}\nrules:\n  - {name: r, forgotten: tick, remember: {tick: {key: =key, value: =value + 1}}}\n")
	trial := m.NewTrial()
	trial.Remember([]memory.Change{{Memory: "tick", Key: "k", Text: "0"}}, received)
	var fired []mapping.Trace
	for _, seconds := range []int{1, 100_000} {
		fired = trial.Forgotten(received.Add(time.Duration(seconds) * time.Second))
	}
	if k, _ := trial.Store().Get("tick", "k"); len(fired) != 10_000 || k.Text != "10001" {
		t.Errorf("%d fired, the value is %s", len(fired), k.Text)
	}
}
