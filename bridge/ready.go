package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
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

// completeWithin is how long a replica serves clients without knowing that it has all that is in
// the log.
const completeWithin = 10 * time.Second

// Ready returns why clients should not be sent to this bridge at the moment; empty when they may
// be. Where the log is its own, that is all that keeps it from its work. A replica serves clients
// as long as it can follow the log: what hinders whoever reads from the broker, Troubles tells.
func (b *Bridge) Ready() []Reason {
	if b.shared == nil {
		return b.reading()
	}
	if err := b.log.Err(); err != nil {
		return []Reason{{PartJournal, err.Error()}}
	}
	s := b.shared.Standing()
	silence := time.Since(s.Complete)
	if silence < completeWithin {
		return nil
	}
	text := fmt.Sprintf("journal: whether this replica has all of it has not been known for %v", silence.Truncate(time.Second))
	if s.Away != nil {
		text += ": " + s.Away.Error()
	}
	return []Reason{{PartJournal, text}}
}

// Troubles returns what hinders the reading from the broker where that is no reason to send clients
// to another replica, which has no more to give them.
func (b *Bridge) Troubles() []Reason {
	if b.shared == nil || b.log.Err() != nil {
		return nil
	}
	s := b.shared.Standing()
	var reasons []Reason
	if s.Conflict != nil {
		reasons = append(reasons, Reason{PartJournal, strings.ReplaceAll(s.Conflict.Error(), "\n", "; ")})
	}
	switch {
	case s.Leads:
		reasons = append(reasons, b.reading()...)
	case s.Leader == "":
		reasons = append(reasons, Reason{PartMQTT, "mqtt: no replica is known to read from the broker"})
	}
	return reasons
}

// reading returns why events are not read, or not all of them.
func (b *Bridge) reading() []Reason {
	in := b.turn()
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
	warnings := b.unlike()
	in := b.turn()
	if in == nil {
		return warnings
	}
	s, asked := in.client.State(), b.config.MQTT.SessionExpiry
	if s.Receiving.Connected && s.SessionExpiry < asked {
		warnings = append(warnings, Reason{PartMQTT, fmt.Sprintf("mqtt: the broker keeps the session of an absent bridge for %v, not for %v as asked: "+
			"what happens later than that is lost", s.SessionExpiry, asked)})
	}
	return warnings
}

// unlike returns a reason where replicas have another configuration than this one.
func (b *Bridge) unlike() []Reason {
	if b.shared == nil {
		return nil
	}
	s := b.shared.Standing()
	own := slices.IndexFunc(s.Replicas, func(r journal.Replica) bool { return r.ID == s.ID })
	var others []string
	for _, r := range s.Replicas {
		if own >= 0 && r.Config != s.Replicas[own].Config {
			others = append(others, r.ID)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return []Reason{{PartJournal, "replicas with another configuration than this one: " + strings.Join(others, ", ")}}
}

func errorText(err error, otherwise string) string {
	if err == nil {
		return otherwise
	}
	return err.Error()
}
