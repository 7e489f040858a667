package mqtt

import "time"

// Fit cuts user properties to room bytes.
func Fit(user []UserProperty, room int) []UserProperty { return fit(user, room) }

// Match reports whether topic matches filter.
func Match(filter, topic string) bool { return match(filter, topic) }

// Pause is the pause before attempt n.
func Pause(n int, jitter float64) time.Duration { return pause(n, jitter) }

// Herald decides when to say something again.
type Herald struct{ herald }

// Due reports whether to say what at now.
func (h *Herald) Due(what string, now time.Time) (int, bool) { return h.due(what, now) }

// Forget makes everything new again.
func (h *Herald) Forget() { h.forget() }
