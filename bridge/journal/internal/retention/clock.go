// Package retention decides what a log still keeps.
package retention

import "time"

// Settle is how long a log must have been open before it believes how long it was closed.
const Settle = 10 * time.Minute

// A Clock counts the time that a log has lived through, which is what ages are measured in. While
// the log is open that is time passed, not the wall clock's opinion of it, so setting the clock
// throws nothing away. For the time the log was closed there is only the wall clock, which may be
// wrong just after a machine has started: it is asked when the log is opened and again Settle
// later, and the shorter answer counts from then on. Not safe for concurrent use.
type Clock struct {
	wall    func() time.Time
	opened  time.Time // with its monotonic reading
	before  time.Duration
	left    time.Time     // by the wall clock
	away    time.Duration // closed before opened
	ahead   time.Duration // what away was too long before the clock settled
	settled bool
}

// A Reading is what a Clock shows at one moment.
type Reading struct {
	// Lived is how long the log has lived, as far as is known. It never goes back.
	Lived time.Duration
	// AppendedAt is the time to be noted of an entry that is appended now, so that its age is never
	// overestimated: what Lived may turn out to be.
	AppendedAt time.Duration
	// Left is the wall clock's reading that goes with Lived for the next NewClock.
	Left time.Time

	// Began is AppendedAt of the moment when the log was opened. It goes back when the clock
	// settles, by Ahead: by so much every AppendedAt before that was too late.
	Began, Ahead time.Duration
	Settled      bool
}

// NewClock returns the Clock of a log that had lived for the time given when it was left, by the
// wall clock.
func NewClock(wall func() time.Time, lived time.Duration, left time.Time) *Clock {
	c := &Clock{wall: wall, opened: time.Now(), before: lived, left: left.Round(0)}
	c.away = c.wall().Sub(c.left)
	return c
}

// Read returns what the clock shows now.
func (c *Clock) Read() Reading {
	open := time.Since(c.opened)
	if !c.settled && open >= Settle {
		c.settle(open)
	}
	r := Reading{Began: c.before + max(0, c.away), Ahead: c.ahead, Settled: c.settled}
	r.AppendedAt = r.Began + open
	if c.settled {
		r.Lived, r.Left = r.AppendedAt, c.wall()
	} else {
		r.Lived, r.Left = c.before+open, c.left.Add(open)
	}
	return r
}

func (c *Clock) settle(open time.Duration) {
	noted := max(0, c.away)
	c.away = max(0, min(c.away, c.wall().Sub(c.left)-open))
	c.ahead = noted - c.away
	c.settled = true
}
