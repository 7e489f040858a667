// Package retention decides what a log still keeps.
package retention

import "time"

// Settle is how long a log must have been open before it believes how long it was closed.
const Settle = 10 * time.Minute

// A Clock counts the time that a log has lived through, which is what ages are measured in. While the log is open that is
// time passed, not the wall clock's opinion of it, so setting the clock throws nothing away. For the time it was closed there
// is only the wall clock, which may be wrong just after a machine has started: it is asked once the log has been open for
// Settle. Not safe for concurrent use.
type Clock struct {
	wall    func() time.Time
	opened  time.Time // with its monotonic reading
	before  time.Duration
	closed  time.Time // zero: nothing to be asked
	settled time.Duration
}

// NewClock returns the Clock of a log that had lived for the time given when the wall clock last read at; both zero for a
// new log.
func NewClock(wall func() time.Time, lived time.Duration, at time.Time) *Clock {
	return &Clock{wall: wall, opened: time.Now(), before: lived, closed: at}
}

// Lived returns how long the log has lived. It never goes back.
func (c *Clock) Lived() time.Duration {
	open := time.Since(c.opened)
	if !c.closed.IsZero() && open >= Settle {
		c.settled = max(0, c.wall().Round(0).Sub(c.closed)-open)
		c.closed = time.Time{}
	}
	return c.before + c.settled + open
}
