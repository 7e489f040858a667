package mqtt

import "time"

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
