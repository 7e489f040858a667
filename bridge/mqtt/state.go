package mqtt

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// State is what readiness and an operator want to know.
type State struct {
	Ready     bool            // both connections are there, every filter is granted and retained messages are read
	Receiving ConnectionState // brings events
	Sending   ConnectionState // takes dead letters and the status document
	Filters   []FilterState   // in the order they were given
	Retained  error           // why retained messages are still to be read; nil: they are in the journal
	Paused    error           // the reason given to Pause; nil: not paused
	Status    error           // why the status document was not published; nil when it was

	// Unanswered are the topics, in order, whose last message the broker has left without an
	// acknowledgement for too long. Such a message is published again on a new connection.
	Unanswered []string
	// SessionExpiry is what the broker has granted of Config.SessionExpiry at the last connect.
	SessionExpiry time.Duration
}

// ConnectionState is how one of the two connections stands.
type ConnectionState struct {
	Connected bool
	Since     time.Time // of the present state; zero before the first connect
	Err       error     // why there is none; nil while connected and before the first attempt
}

// FilterState is one subscription.
type FilterState struct {
	Filter
	Granted bool
	Err     error  // why not; nil when granted or not asked for yet
	Events  uint64 // received through it; none for long may mean that the broker's ACL keeps silent
}

// Stats are counters since New, and one gauge.
type Stats struct {
	SessionExpiry  time.Duration // as State has it
	Connects       uint64        // of the receiving connection, the first one included
	ConnectErrors  uint64        // failed attempts of either connection
	AbsentSessions uint64        // reconnects that found no session present: what the broker kept is lost
	TakenOver      uint64        // connections that another client's use of the client identifier has ended, see connection.fought
	Events         uint64        // handed over
	Copies         uint64        // of these, retained messages that were read
	Readings       uint64        // of retained messages that were completed
	Dropped        uint64        // received and not handed over, since the connection ended or Stop was called; QoS 1 comes again
	Acks           uint64        // events acknowledged
	StaleAcks      uint64        // acknowledged after their connection had ended: they come again
	Published      uint64        // messages that the broker has taken
	Refused        uint64        // messages that it refused for good
}

// After returns the figures of a Client that has taken the place of another: its own, and what the
// one before had counted.
func (n Stats) After(before Stats) Stats {
	n.Connects += before.Connects
	n.ConnectErrors += before.ConnectErrors
	n.AbsentSessions += before.AbsentSessions
	n.TakenOver += before.TakenOver
	n.Events += before.Events
	n.Copies += before.Copies
	n.Readings += before.Readings
	n.Dropped += before.Dropped
	n.Acks += before.Acks
	n.StaleAcks += before.StaleAcks
	n.Published += before.Published
	n.Refused += before.Refused
	return n
}

type counters struct {
	connects, connectErrors, absentSessions, takenOver atomic.Uint64
	events, copies, readings, dropped, acks, staleAcks atomic.Uint64
	published, refused                                 atomic.Uint64
}

// State returns the present state.
func (c *Client) State() State {
	s := State{
		Receiving: c.receiving.status(),
		Sending:   c.sending.status(),
		Filters:   c.subs.states(),
	}
	s.Retained = c.retained.lacking()
	s.Ready = s.Receiving.Connected && s.Sending.Connected && c.subs.granted() && s.Retained == nil
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Paused, s.Status, s.SessionExpiry = c.paused, c.statusErr, c.granted
	s.Unanswered = slices.Sorted(maps.Keys(c.unanswered))
	return s
}

// Changes receives after State has changed; several changes may be one. It is meant
// for one receiver and never closed.
func (c *Client) Changes() <-chan struct{} {
	return c.changes
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	n := &c.counters
	c.mu.Lock()
	granted := c.granted
	c.mu.Unlock()
	return Stats{
		SessionExpiry:  granted,
		Connects:       n.connects.Load(),
		ConnectErrors:  n.connectErrors.Load(),
		AbsentSessions: n.absentSessions.Load(),
		TakenOver:      n.takenOver.Load(),
		Events:         n.events.Load(),
		Copies:         n.copies.Load(),
		Readings:       n.readings.Load(),
		Dropped:        n.dropped.Load(),
		Acks:           n.acks.Load(),
		StaleAcks:      n.staleAcks.Load(),
		Published:      n.published.Load(),
		Refused:        n.refused.Load(),
	}
}
