package bridge

import (
	"fmt"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// A Part is what a Reason is about.
type Part string

// The parts.
const (
	PartMQTT        Part = "mqtt"
	PartJournal     Part = "journal"
	PartDeadLetters Part = "dead letters"
)

// Parts returns all parts.
func Parts() []Part { return []Part{PartMQTT, PartJournal, PartDeadLetters} }

// A Reason is why the bridge cannot do its work at the moment, or not all of it.
type Reason struct {
	Part Part
	Text string // for an operator
}

// Ready returns why the bridge cannot do its work at the moment; empty when it can.
func (b *Bridge) Ready() []Reason {
	var reasons []Reason
	if err := b.committer.Stalled(); err != nil {
		reasons = append(reasons, Reason{PartJournal, err.Error()})
	}
	for _, text := range brokerTroubles(b.client.State()) {
		reasons = append(reasons, Reason{PartMQTT, text})
	}
	if n := b.committer.Counts().DeadLetters.Kept; n > 0 {
		text := fmt.Sprintf("dead letters: the broker refused %d, which are kept and offered again every minute; allow this user to write %s/#", n, b.config.BaseTopic)
		reasons = append(reasons, Reason{PartDeadLetters, text})
	}
	return reasons
}

// brokerTroubles says what the client lacks of a working session with the broker.
func brokerTroubles(s mqtt.State) (texts []string) {
	switch {
	case s.Paused != nil:
		texts = append(texts, "mqtt: receiving paused")
	case !s.Receiving.Connected:
		texts = append(texts, "mqtt: "+errorText(s.Receiving.Err, "not connected"))
	}
	if !s.Sending.Connected {
		texts = append(texts, "mqtt, sending connection: "+errorText(s.Sending.Err, "not connected"))
	}
	for _, f := range s.Filters {
		if s.Receiving.Connected && !f.Granted {
			texts = append(texts, fmt.Sprintf("mqtt: filter %q: %s", f.Topic, errorText(f.Err, "not granted yet")))
		}
	}
	if s.Status != nil {
		texts = append(texts, "mqtt: status topic: "+s.Status.Error())
	}
	return texts
}

func errorText(err error, otherwise string) string {
	if err == nil {
		return otherwise
	}
	return err.Error()
}
