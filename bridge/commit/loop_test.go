package commit_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// Two bridges at one broker with a rule that matches each other's dead letters must not pass them
// back and forth: what one of them publishes is nothing that the other maps.
func TestDeadLettersOfAnotherBridgeEndHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := newHouse(t)
		other.run(t.Context())
		other.send("bad")
		other.heard("dead letter bad", "ack bad")
		letter := other.letters[0]
		close(other.events)
		<-other.ended

		h := newHouse(t)
		h.committer.UseRules(compile(t, strings.Replace(rules, "topic: t", "topic: '#'", 1)), "other")
		h.run(t.Context())
		again := func(user []mqtt.UserProperty) {
			h.packetID++
			h.events <- &mqtt.Event{Topic: letter.Topic, Payload: letter.Payload, User: user, QoS: 1, PacketID: h.packetID,
				SessionPresent: true, Connection: 1}
		}
		for range 100 {
			again(letter.User)
		}
		again(nil) // by somebody who wants it mapped
		close(h.events)
		<-h.ended
		n := h.committer.Counts()
		if len(h.letters) != 1 || n.DeadLetters.Received != 100 || n.Rules["r"] != (commit.RuleCounts{Filtered: 100, Rejected: 1}) {
			t.Errorf("%d letters; %+v", len(h.letters), n)
		}
		const line = `level=WARN msg="received a bridge's dead letter, which no rule maps" topic=base/dead-letter/r`
		if strings.Count(h.log.String(), line) != 1 {
			t.Errorf("log %q, want one line %q", &h.log, line)
		}
	})
}

// A letter that has lost its mark on the way, as between brokers that are connected by MQTT 3.1.1,
// becomes no other letter where it was made.
func TestDeadLetterThatComesBackWithoutItsMarkEndsHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.committer.UseRules(compile(t, strings.Replace(rules, "topic: t", "topic: '#'", 1)), "other")
		h.run(t.Context())
		send := func(topic, payload string, user ...mqtt.UserProperty) {
			h.packetID++
			h.events <- &mqtt.Event{Topic: topic, Payload: []byte(payload), User: user, QoS: 1, PacketID: h.packetID,
				SessionPresent: true, Connection: 1}
		}
		send("other/dead-letter/r", "bad") // not of a letter of this bridge
		h.heard("dead letter bad", "ack bad")
		send("base/dead-letter/r", "bad")
		send("other/dead-letter/r", "bad")
		h.heard("ack bad", "ack bad")
		send("a/b/c", "bad")                                              // the same event again
		send("dead-letter/r", "bad")                                      // no base topic
		send("other/dead-letter/r", "worse")                              // another event
		send("other/dead-letter/r", "bad", mqtt.UserProperty{Name: "by"}) // has properties, and no mark
		close(h.events)
		<-h.ended
		n := h.committer.Counts()
		if len(h.letters) != 5 || n.DeadLetters.Received != 2 || n.Rules["r"].Rejected != 7 {
			t.Errorf("%d letters; %+v", len(h.letters), n)
		}
	})
}
