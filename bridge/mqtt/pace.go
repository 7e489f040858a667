package mqtt

import (
	"sync"
	"time"
)

const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second

	firstSilence = time.Minute
	maxSilence   = time.Hour
)

// pause is how long to wait before attempt n: nothing for the first, then twice as
// long each time up to a limit. jitter, in [0, 1), takes up to half of it away, so
// that clients of one broker do not come back together.
func pause(n int, jitter float64) time.Duration {
	if n <= 0 {
		return 0
	}
	d := maxPause
	if n < 8 { // firstPause << 7 is beyond the limit
		d = min(maxPause, firstPause<<(n-1))
	}
	return d - time.Duration(jitter*float64(d/2))
}

// herald decides when to say again what happens again: at once when it is new, then
// at growing intervals. The zero value is ready; safe for concurrent use.
type herald struct {
	mu    sync.Mutex
	known map[string]*silence // by what was said
}

type silence struct {
	until time.Time
	last  time.Duration
	times int // it happened since it was first said
}

// maxKnown bounds what a herald remembers.
const maxKnown = 64

// due reports whether to say what now, and how often it has happened.
func (h *herald) due(what string, now time.Time) (times int, say bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.known[what]
	if s == nil {
		if h.known == nil || len(h.known) >= maxKnown {
			h.known = make(map[string]*silence)
		}
		h.known[what] = &silence{until: now.Add(firstSilence), last: firstSilence, times: 1}
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
func (h *herald) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known = nil
}
