//go:build linux

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// A tally follows the events of one run from their publishing to their arrival at every session.
// Its methods are safe for concurrent use.
type tally struct {
	start     time.Time
	sessions  int
	warm      int            // the first events, whose latency does not count
	published []atomic.Int64 // event -> nanoseconds after start
	left      []atomic.Int32 // event -> sessions that have not got it
	inFlight  chan struct{}  // holds one for each event that is published and not complete; nil: no bound
	arrivals  atomic.Int64   // of events at sessions; repeated ones too
	complete  atomic.Int64   // events that every session has
	warmed    chan struct{}  // closed when the first events are complete
	done      chan struct{}  // closed when all are
	latency   [16]histogram  // of sessions, by their number
}

// newTally returns a tally of events to sessions, of which the first warm ones, fewer than all, are
// for warming up. inFlight is how many events may be under way at one time, 0 any number.
func newTally(sessions, events, warm, inFlight int) *tally {
	t := &tally{
		start:     time.Now(),
		sessions:  sessions,
		warm:      warm,
		published: make([]atomic.Int64, events),
		left:      make([]atomic.Int32, events),
		warmed:    make(chan struct{}),
		done:      make(chan struct{}),
	}
	for n := range t.left {
		t.left[n].Store(int32(sessions))
	}
	if warm == 0 {
		close(t.warmed)
	}
	if inFlight > 0 {
		t.inFlight = make(chan struct{}, inFlight)
	}
	return t
}

func (t *tally) expects() int { return len(t.left) }

func (t *tally) heard(arrivals int) { t.arrivals.Add(int64(arrivals)) }

// departed notes that event n was due to be published at that time.
func (t *tally) departed(n int, at time.Time) { t.published[n].Store(int64(at.Sub(t.start))) }

// arrived notes the first arrival of event n at a session. It must have departed.
func (t *tally) arrived(session, n int, at time.Time) {
	if n >= t.warm {
		t.latency[session%len(t.latency)].add(at.Sub(t.start) - time.Duration(t.published[n].Load()))
	}
	if t.left[n].Add(-1) > 0 {
		return
	}
	if t.inFlight != nil {
		<-t.inFlight
	}
	switch t.complete.Add(1) {
	case int64(t.warm):
		close(t.warmed)
	case int64(len(t.left)):
		close(t.done)
	}
}

// stallTime is how long nothing may arrive before what has not come counts as lost.
const stallTime = 5 * time.Second

// stalled is why a run ends that nothing happens in any more.
type stalled struct {
	complete, all int
	what          string
}

func (s stalled) Error() string {
	return fmt.Sprintf("nothing arrived for %v; %d of %d %s are complete", stallTime, s.complete, s.all, s.what)
}

// watch ends the context when nothing arrives for stallTime. It returns when ctx is done or every
// event is complete.
func (t *tally) watch(ctx context.Context, end context.CancelCauseFunc) {
	seen, since := int64(-1), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.done:
			return
		case <-time.After(100 * time.Millisecond):
		}
		if now := t.arrivals.Load(); now != seen {
			seen, since = now, time.Now()
		} else if time.Since(since) > stallTime {
			end(stalled{int(t.complete.Load()), len(t.left), "events"})
			return
		}
	}
}

// deliveries returns how often an event arrived at a session for the first time, but for those for
// warming up.
func (t *tally) deliveries() (n int) {
	for i := t.warm; i < len(t.left); i++ {
		n += t.sessions - int(t.left[i].Load())
	}
	return n
}

// quantile returns the latency that the share q of the arrivals does not exceed.
func (t *tally) quantile(q float64) time.Duration {
	var all histogram
	all.merge(t.latency[:])
	return all.quantile(q)
}
