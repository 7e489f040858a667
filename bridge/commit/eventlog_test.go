package commit_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt"
)

const loggedRules = `
rules:
  - name: count
    topic: a/{name}
    when: payload.n != 7
    dedupe: {key: payload.id, window: 1h}
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", topic.name)', unread_message_count: =payload.n}
  - name: list
    topic: a/list
    each: payload.items
    queue: {/queue/channel/connected: item.on}
    fields: {id: '=uuid("c", item.id)', name: x, source: x, source_channel_id: x}
  - name: lists
    topic: b/lists
    each: {entry: payload.entries, msg: entry.messages}
    when: not msg.skip
    queue: /queue/channel/connected
    fields: {id: '=uuid("c", msg.id)', name: x, source: x, source_channel_id: x}
  - name: see
    topic: s/{id}
    payload: ignore
    remember: {seen: {key: =topic.id, value: secret}}
  - name: gone
    forgotten: seen
    queue: /queue/channel/disconnected
    fields: {id: '=uuid("c", key)', name: =value, source: x, source_channel_id: x}
  - name: retained
    topic: +/x
    payload: ignore
    queue: /queue/channel/connected
    fields: {id: '=uuid("c", mqtt.topic)', name: x, source: x, source_channel_id: x}
memory: {seen: {for: 10m}}
`

// At debug there is one line an event: what each rule has made of it and why, and where its entries
// are. None holds the payload.
func TestOneLineAnEventAtDebug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.level.Set(slog.LevelDebug)
		h.committer.UseRules(compile(t, loggedRules), "other")
		h.run(t.Context())
		for _, e := range []mqtt.Event{
			{Topic: "a/x", Payload: []byte(`{"n": 1, "id": 5}`)},
			{Topic: "a/x", Payload: []byte(`{"n": 1, "id": 5}`), Retained: true},
			{Topic: "a/x", Payload: []byte(`{"n": "secret", "id": 6}`), QoS: 1, PacketID: 9},
			{Topic: "a/x", Payload: []byte(`{"n": "secret", "id": 6}`), QoS: 1, PacketID: 9, Dup: true},
			{Topic: "a/list", Payload: []byte(`{"n": 7, "items": [{"on": true, "id": 1}, {"on": false}, {"on": true}, {"on": "secret"}]}`)},
			{Topic: "b/y", Payload: []byte(`secret`)},
			{Topic: "b/lists", Payload: []byte(`{"entries":[{"messages":[{"id":"secret"},{"id":[]},{"skip":true}]}]}`)},
			{Topic: "b/lists", Payload: []byte(`{"entries":[{"secret":1}]}`)},
			{Topic: "a/z", Payload: []byte(`{"n": 2, "id": 5}`)},
			{Topic: "s/y", Payload: []byte(`secret`)},
			{Topic: "a/z", Payload: []byte(`{"n": "7", "id": 5}`)},
			{Topic: "a/list", Payload: []byte(`{"n": 7, "items": [` + strings.TrimSuffix(strings.Repeat(`{"on": true, "id": 2},`, 50), ",") + `]}`)},
		} {
			e.SessionPresent, e.Connection, e.Received = true, 1, time.Now()
			h.events <- &e
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		close(h.events)
		<-h.ended
		const line = ` level=DEBUG msg="a key's time was up" memory=seen rules="gone: /queue/channel/disconnected at 56"`
		if strings.Count(h.log.String(), line) != 1 {
			t.Errorf("log %q, want %q", &h.log, line)
		}
		var got []string
		for line := range strings.Lines(h.log.String()) {
			if _, event, ok := strings.Cut(strings.TrimSpace(line), " level=DEBUG msg=event "); ok {
				got = append(got, event)
			}
		}
		want := []string{
			`topic=a/x bytes=17 qos=0 retained=false rules="count: /queue/unread-count at 1; retained: /queue/channel/connected at 2"`,
			`topic=a/x bytes=17 qos=0 retained=true rules="count: filtered, retained message, and the rule says retained: skip; ` +
				`retained: filtered, retained message, and the rule says retained: skip"`,
			`topic=a/x bytes=24 qos=1 retained=false rules="count: rejected, fields unread_message_count: not a count (rules.yaml:8); ` +
				`retained: /queue/channel/connected at 3"`,
			`topic=a/x bytes=24 qos=1 retained=false rules="count: duplicate, the broker has sent it again; ` +
				`retained: duplicate, the broker has sent it again"`,
			`topic=a/list bytes=89 qos=0 retained=false rules="count: filtered, when payload.n != 7 is false; ` +
				`list item 0: /queue/channel/connected at 4; list item 1: filtered, no queue's condition holds; ` +
				`list item 2: rejected, fields id: missing (rules.yaml:13); list item 3: rejected, queue: not a condition (rules.yaml:12)"`,
			`topic=b/y bytes=6 qos=0 retained=false rules="none matches the topic"`,
			`topic=b/lists bytes=68 qos=0 retained=false rules="lists entries[0].messages[0]: /queue/channel/connected at 5; ` +
				`lists entries[0].messages[1]: rejected, fields id: expression (rules.yaml:19); lists entries[0].messages[2]: filtered, when not msg.skip is false"`,
			`topic=b/lists bytes=26 qos=0 retained=false rules="lists: filtered, each msg (entry.messages) has no elements"`,
			`topic=a/z bytes=17 qos=0 retained=false rules="count: duplicate, by dedupe"`,
			`topic=s/y bytes=6 qos=0 retained=false rules="see: mapped, sends nothing"`,
			`topic=a/z bytes=19 qos=0 retained=false rules="count: duplicate, by dedupe; ` +
				`count: hint: payload.n is the text \"7\", 7 is a number: write payload.n != \"7\", or int(payload.n) != 7"`,
		}
		long := len(got) - 1
		if !strings.HasSuffix(got[long], `; list item 18: /queue/channel/connected at 24; and 31 more"`) {
			t.Errorf("got %s, want 20 outcomes", got[long])
		}
		got = got[:long]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if strings.Contains(h.log.String(), "secret") {
			t.Errorf("a line holds the payload:\n%s", &h.log)
		}
	})
}

// At info there is none, and nothing is noted for one.
func TestNoLineAnEventAtInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.run(t.Context())
		h.send("1", "")
		close(h.events)
		<-h.ended
		if bytes.Contains(h.log.Bytes(), []byte("msg=event")) {
			t.Errorf("log %s", &h.log)
		}
	})
}
