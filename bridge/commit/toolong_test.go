package commit_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// What would become a longer MESSAGE than clients take is a dead letter that says so; the other
// elements of its event, and the other rules, go on. At the limit itself nothing is rejected.
func TestTooLongAMessageIsADeadLetter(t *testing.T) {
	const limit, rest = 8 << 10, 1 << 10 // rest: what the headers count as
	const rules = `
rules:
  - name: texts
    topic: t
    each: payload
    queue: /queue/channel/connected
    fields: {id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11, name: =item, source: s, source_channel_id: c}
  - name: count
    topic: t
    queue: /queue/unread-count
    fields: {conversation_id: 8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11, unread_message_count: =len(payload)}
`
	around := len(`{"id":"8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11","name":"","source":"s","source_channel_id":"c"}`)
	fits := strings.Repeat("x", limit-rest-around)
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, func(c *commit.Config) { c.Mapper = compileWith(t, rules, mapping.Options{MaxMessage: limit}) })
		h.run(t.Context())
		payload := `["a","` + fits + `x","` + fits + `"]`
		h.events <- &mqtt.Event{Topic: "t", Payload: []byte(payload), QoS: 1, PacketID: 1, SessionPresent: true, Connection: 1}
		h.heard("dead letter "+payload, "append   3", "ack "+payload)
		close(h.events)
		if err := <-h.ended; err != nil {
			t.Error(err)
		}
		want := map[string]commit.RuleCounts{"texts": {Mapped: 2, Rejected: 1}, "count": {Mapped: 1}}
		if diff := cmp.Diff(want, h.committer.Counts().Rules); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if len(h.letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(h.letters))
		}
		properties := map[string]string{}
		for _, p := range h.letters[0].User {
			properties[p.Name] = p.Value
		}
		if reason := properties["reason"]; reason != "becomes a message of 8193 bytes, server.limits.message is 8192" || properties["rule"] != "texts" {
			t.Errorf("properties %v", properties)
		}
	})
}
