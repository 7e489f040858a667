package bridge

import (
	"cmp"
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
	PartTokenKeys   Part = "token keys" // for those who know of them: a Bridge does not
)

// Parts returns all parts.
func Parts() []Part { return []Part{PartMQTT, PartJournal, PartDeadLetters, PartTokenKeys} }

// A Reason is why the bridge cannot do its work at the moment, or not all of it.
type Reason struct {
	Part Part
	Text string // for an operator
}

// Ready returns why the bridge cannot do its work at the moment; empty when it can.
func (b *Bridge) Ready() []Reason {
	in := b.intake.Load()
	if in == nil {
		return mqttReasons(nil, mqtt.State{})
	}
	var reasons []Reason
	if err := cmp.Or(b.log.Err(), in.committer.Stalled()); err != nil {
		reasons = append(reasons, Reason{PartJournal, err.Error()})
	}
	reasons = mqttReasons(reasons, in.client.State())
	if n := in.committer.Counts().DeadLetters.Kept; n > 0 {
		text := fmt.Sprintf("dead letters: the broker refused %d, which are kept and offered again every minute; "+
			"allow this user to write %s/#", n, b.config.BaseTopic)
		reasons = append(reasons, Reason{PartDeadLetters, text})
	}
	return reasons
}

// mqttReasons appends what the client lacks of working connections to the broker.
func mqttReasons(reasons []Reason, s mqtt.State) []Reason {
	add := func(text string) { reasons = append(reasons, Reason{PartMQTT, text}) }
	switch {
	case s.Paused != nil:
		add("mqtt: receiving paused")
	case !s.Receiving.Connected:
		add("mqtt: " + errorText(s.Receiving.Err, "not connected"))
	}
	if !s.Sending.Connected {
		add("mqtt, sending connection: " + errorText(s.Sending.Err, "not connected"))
	}
	for _, f := range s.Filters {
		if s.Receiving.Connected && !f.Granted {
			add(fmt.Sprintf("mqtt: filter %q: %s", f.Topic, errorText(f.Err, "not granted yet")))
		}
	}
	if s.Receiving.Connected && s.Retained != nil {
		add("mqtt: retained messages: " + s.Retained.Error())
	}
	for _, topic := range s.Unanswered {
		add(fmt.Sprintf("mqtt: the broker does not acknowledge what is published to %q; each time the connection is made anew and it is tried again", topic))
	}
	if s.Status != nil {
		add("mqtt: status topic: " + s.Status.Error())
	}
	return reasons
}

// Warnings returns what does not keep the bridge from its work now, but will cost events at the
// next trouble.
func (b *Bridge) Warnings() []Reason {
	in := b.intake.Load()
	if in == nil {
		return nil
	}
	s, asked := in.client.State(), b.config.MQTT.SessionExpiry
	if !s.Receiving.Connected || s.SessionExpiry >= asked {
		return nil
	}
	return []Reason{{PartMQTT, fmt.Sprintf("mqtt: the broker keeps the session of an absent bridge for %v, not for %v as asked: "+
		"what happens later than that is lost", s.SessionExpiry, asked)}}
}

func errorText(err error, otherwise string) string {
	if err == nil {
		return otherwise
	}
	return err.Error()
}
