package jetstream

import (
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

var _ journal.Shared = (*Log)(nil)

// A contact is how a replica gets on with looking for what is new in the log. Safe for concurrent
// use.
type contact struct {
	mu       sync.Mutex
	complete time.Time // see journal.Standing
	away     error     // see journal.Standing
}

// looked notes what a look that began at that time has come to.
func (c *contact) looked(began time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away = err; err == nil {
		c.complete = began
	}
}

func (c *contact) state() (complete time.Time, away error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.complete, c.away
}

// Standing implements journal.Shared.
func (l *Log) Standing() journal.Standing {
	me := l.self()
	s := journal.Standing{ID: me.ID, Leads: me.Leads, Term: me.Term, Turns: l.turns.Load(), Replicas: l.roster.present(me)}
	s.Leader = leader(s.Replicas)
	s.Complete, s.Away = l.contact.state()
	s.Conflict = l.roster.conflicts()
	return s
}
