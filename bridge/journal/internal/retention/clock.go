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
	settled bool
}

// NewClock returns the Clock of a log that had lived for the time given when it was left, by the
// wall clock.
func NewClock(wall func() time.Time, lived time.Duration, left time.Time) *Clock {
	c := &Clock{wall: wall, opened: time.Now(), before: lived, left: left.Round(0)}
	c.away = c.wall().Sub(c.left)
	return c
}

// Lived returns how long the log has lived, as far as is known. It never goes back.
func (c *Clock) Lived() time.Duration {
	open := c.open()
	if !c.settled {
		return c.before + open
	}
	return c.before + c.away + open
}

// AppendedAt returns the time, by this clock, to be noted of an entry that is appended now, so that
// its age is never overestimated: what Lived may turn out to be.
func (c *Clock) AppendedAt() time.Duration {
	return c.before + max(0, c.away) + c.open()
}

// Left returns the wall clock's reading that goes with Lived for the next NewClock.
func (c *Clock) Left() time.Time {
	if open := c.open(); !c.settled {
		return c.left.Add(open)
	}
	return c.wall()
}

func (c *Clock) open() time.Duration {
	open := time.Since(c.opened)
	if !c.settled && open >= Settle {
		c.away = max(0, min(c.away, c.wall().Sub(c.left)-open))
		c.settled = true
	}
	return open
}
