package mqtt

import (
	"context"
	"sync"
)

// owed counts what is still to happen on one connection before it can be left: acknowledgements to
// be sent, and pings to be answered. paho sends acknowledgements when a timer of its own ticks, and
// does not say when it has; so what leaves is counted as well.
type owed struct {
	mu         sync.Mutex
	handed     uint64          // events with an acknowledgement so far
	due        uint64          // of these, the longest acknowledged run
	beyond     map[uint64]bool // acknowledged events that are not part of the run, by number
	sent       uint64          // acknowledgements
	unanswered int             // pings
	news       chan struct{}   // capacity 1: sent has grown, or a ping was answered
}

func newOwed() *owed {
	return &owed{beyond: make(map[uint64]bool), news: make(chan struct{}, 1)}
}

// number gives the next event its number, from 1, in order of receipt.
func (o *owed) number() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handed++
	return o.handed
}

// acknowledged notes that paho has been asked to acknowledge event n.
func (o *owed) acknowledged(n uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n > o.due {
		o.beyond[n] = true
	}
	for o.beyond[o.due+1] {
		o.due++
		delete(o.beyond, o.due)
	}
}

// acknowledgementSent notes that an acknowledgement has left.
func (o *owed) acknowledgementSent() {
	o.mu.Lock()
	o.sent++
	o.mu.Unlock()
	signal(o.news)
}

// pings notes that a ping leaves (1) or that the broker has answered one (-1).
func (o *owed) pings(n int) {
	o.mu.Lock()
	o.unanswered += n
	o.mu.Unlock()
	signal(o.news)
}

// awaitSent returns when all acknowledgements that are due have been sent, and reports whether
// there were any on this connection; or when ctx ends.
func (o *owed) awaitSent(ctx context.Context) bool {
	o.await(ctx, func() bool { return o.sent >= o.due })
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent > 0
}

// awaitPongs returns when all pings have been answered, or when ctx ends.
func (o *owed) awaitPongs(ctx context.Context) {
	o.await(ctx, func() bool { return o.unanswered <= 0 })
}

// await waits for a condition, which is asked with the mutex held. One goroutine at a time may
// wait.
func (o *owed) await(ctx context.Context, conditionLocked func() bool) {
	for {
		o.mu.Lock()
		holds := conditionLocked()
		o.mu.Unlock()
		if holds {
			return
		}
		select {
		case <-o.news:
		case <-ctx.Done():
			return
		}
	}
}
