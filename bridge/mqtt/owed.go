package mqtt

import (
	"context"
	"sync"
)

// owed knows what is still to happen on one connection before it can be left: acknowledgements to
// be sent, and pings to be answered.
type owed struct {
	mu         sync.Mutex
	run        uint64             // events 1 to run are acknowledged
	beyond     map[uint64][4]byte // packets for acknowledged events that are not part of the run, by number
	due        []byte             // packets to be sent
	sending    []byte             // packets that were taken to be sent
	sent       bool               // some were
	unanswered int                // pings
	news       chan struct{}      // capacity 1: nothing is due any more, or a ping was answered
}

func newOwed() *owed {
	return &owed{beyond: make(map[uint64][4]byte), news: make(chan struct{}, 1)}
}

// acknowledged notes that event n is acknowledged, by that packet. Events have numbers from 1, in
// order of receipt.
func (o *owed) acknowledged(n uint64, packet [4]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n > o.run+1 {
		o.beyond[n] = packet
	}
	if n != o.run+1 {
		return
	}
	for more := true; more; packet, more = o.beyond[o.run+1] {
		o.run++
		delete(o.beyond, o.run)
		o.due = append(o.due, packet[:]...)
	}
}

// isDue reports whether packets are to be sent.
func (o *owed) isDue() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.due) > 0
}

// takeDue returns the packets to be sent, until sentDue. One goroutine at a time may take them.
func (o *owed) takeDue() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.due, o.sending = o.sending[:0], o.due
	return o.sending
}

// sentDue notes that what was taken has left.
func (o *owed) sentDue() {
	o.mu.Lock()
	o.sent = o.sent || len(o.sending) > 0
	o.sending = o.sending[:0]
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
	o.await(ctx, func() bool { return len(o.due)+len(o.sending) == 0 })
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent
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
