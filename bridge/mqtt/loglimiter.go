package mqtt

import (
	"sync"
	"time"
)

const (
	firstSilence = time.Minute
	maxSilence   = time.Hour
	maxKnown     = 64 // what a logLimiter remembers at most
)

// logLimiter limits log lines about what happens again and again: one at once when it is new, then
// one at growing intervals. The zero value is ready; safe for concurrent use.
type logLimiter struct {
	mu    sync.Mutex
	known map[string]*silence // by what was logged
}

type silence struct {
	until time.Time
	last  time.Duration
	times int // it has happened since it was first logged
}

// due counts that what has happened, and reports how often it has by now and whether to log it.
func (l *logLimiter) due(what string, now time.Time) (times int, say bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[what]
	if s == nil {
		if l.known == nil || len(l.known) >= maxKnown { // rather too many lines than too much memory
			l.known = make(map[string]*silence)
		}
		l.known[what] = &silence{until: now.Add(firstSilence), last: firstSilence, times: 1}
		return 1, true
	}
	s.times++
	if now.Before(s.until) {
		return s.times, false
	}
	s.last = min(2*s.last, maxSilence)
	s.until = now.Add(s.last)
	return s.times, true
}

// forget makes everything new again.
func (l *logLimiter) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = nil
}
