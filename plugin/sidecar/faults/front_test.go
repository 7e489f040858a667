package faults_test

import (
	"sync"
	"time"
)

// A front is how far clients have come together: the newest event that any of them has got. While
// it stands still nothing new reaches anybody.
type front struct {
	mu       sync.Mutex
	position uint64
	since    time.Time
	longest  time.Duration // that it stood still
}

// advance notes that a client has got the entry at the position.
func (f *front) advance(position uint64) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if position > f.position {
		f.position, f.longest, f.since = position, max(f.longest, now.Sub(f.since)), now
	}
}

// mark begins to measure.
func (f *front) mark() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.longest, f.since = 0, time.Now()
}

// stood returns the longest time for which it stood still since mark.
func (f *front) stood() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.longest
}
