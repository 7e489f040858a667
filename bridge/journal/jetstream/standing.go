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
	since    time.Time // of the first look in a row that has failed
	said     bool      // that it is away
}

// awaySay is for how long the stream cannot be reached before that is in the log: servers take some
// seconds to choose who leads it.
const awaySay = 3 * time.Second

// looked notes what a look that began at that time has come to. It reports whether there is news
// for the log.
func (c *contact) looked(began time.Time, err error) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.away == nil {
		c.since = began
	}
	if c.away = err; err == nil {
		c.complete = began
		news, c.said = c.said, false
		return news
	}
	if c.said || time.Since(c.since) < awaySay {
		return false
	}
	c.said = true
	return true
}

// looked notes what a look that began at that time has come to.
func (l *Log) looked(began time.Time, err error) {
	switch news := l.contact.looked(began, err); {
	case news && err != nil:
		l.logger.Warn("the journal cannot be reached", "error", err)
	case news:
		l.logger.Info("the journal can be reached again")
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
