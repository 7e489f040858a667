package mqtt

import (
	"context"
	"time"
)

// Fit cuts user properties to room bytes.
func Fit(user []UserProperty, room int) []UserProperty { return fit(user, room) }

// Pause is the pause before attempt n.
func Pause(n int, jitter float64) time.Duration { return pause(n, jitter) }

// LogLimiter limits log lines.
type LogLimiter struct{ logLimiter }

// Due reports how often what has happened, and whether to log it at now.
func (l *LogLimiter) Due(what string, now time.Time) (int, bool) { return l.due(what, now) }

// Forget makes everything new again.
func (l *LogLimiter) Forget() { l.forget() }

// Owed counts the acknowledgements of one connection.
type Owed struct{ *owed }

// NewOwed returns the Owed of a connection with so many events.
func NewOwed(events int) Owed {
	o := Owed{newOwed()}
	for range events {
		o.number()
	}
	return o
}

// Acknowledged notes that event n may be acknowledged.
func (o Owed) Acknowledged(n uint64) { o.acknowledged(n) }

// Sent notes that an acknowledgement has been sent.
func (o Owed) Sent() { o.acknowledgementSent() }

// AwaitSent waits until all that is due has been sent.
func (o Owed) AwaitSent(ctx context.Context) bool { return o.awaitSent(ctx) }
