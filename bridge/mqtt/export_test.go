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

// Owed is what one connection owes.
type Owed struct{ *owed }

// NewOwed returns the Owed of a connection.
func NewOwed() Owed { return Owed{newOwed()} }

// Acknowledged notes that event n, which has that packet identifier, may be acknowledged.
func (o Owed) Acknowledged(n uint64) {
	o.acknowledged(n, (&Event{QoS: 1, PacketID: uint16(n)}).acknowledgement())
}

// Take returns what is to be sent.
func (o Owed) Take() []byte { return o.takeDue() }

// Sent notes that this has been sent.
func (o Owed) Sent() { o.sentDue() }

// AwaitSent waits until all that is due has been sent.
func (o Owed) AwaitSent(ctx context.Context) bool { return o.awaitSent(ctx) }

// Readings decides when retained messages are read.
type Readings struct{ r *retained }

// NewReadings is of one topic filter.
func NewReadings(filter string) Readings { return Readings{newRetained([]string{filter})} }

// Ask gives a reason to read; owed: readiness waits for it.
func (r Readings) Ask(owed bool) { r.r.ask(owed) }

// Ready reports whether readiness waits for nothing.
func (r Readings) Ready() bool { return r.r.lacking() == nil }

// Try reads if a reading is due at now, and reports whether it was, and otherwise how long it has
// to wait. A reading that fails may begin again after the pause.
func (r Readings) Try(now time.Time, err error, pause time.Duration) (due bool, wait time.Duration) {
	filters, reason, wait := r.r.due(now)
	if reason == 0 {
		return false, wait
	}
	again := time.Time{}
	if err != nil {
		again = now.Add(pause)
	}
	r.r.finish(filters, reason, err, again)
	return true, 0
}

// DecodePublish reads a PUBLISH packet, from its flags on and without its remaining length.
func DecodePublish(flags byte, body []byte) (*Event, error) {
	e := new(Event)
	return e, decodePublish(e, flags, body)
}
