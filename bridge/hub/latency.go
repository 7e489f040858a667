package hub

import (
	"sync/atomic"
	"time"
)

// latencyBounds are the upper ends of a Latency's buckets.
var latencyBounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// A Latency tells how long events took from their receipt until they were written to a client.
// Every write with live entries counts once, with the oldest of them.
type Latency struct {
	Count   uint64
	Sum     time.Duration
	Buckets map[time.Duration]uint64 // upper end -> writes that took no longer
}

// latency collects a Latency.
type latency struct {
	buckets [len(latencyBounds) + 1]atomic.Uint64
	sum     atomic.Int64
}

// observe notes n writes whose oldest entry was received at the time given; the zero time notes
// nothing.
func (l *latency) observe(received time.Time, n int) {
	if received.IsZero() || n == 0 {
		return
	}
	took := max(0, time.Since(received)) // wall clocks jump
	i := 0
	for i < len(latencyBounds) && took > latencyBounds[i] {
		i++
	}
	l.buckets[i].Add(uint64(n))
	l.sum.Add(int64(took) * int64(n))
}

// Latency returns how long events took so far.
func (h *Hub) Latency() Latency {
	all := Latency{Sum: time.Duration(h.latency.sum.Load()), Buckets: map[time.Duration]uint64{}}
	for i := range h.latency.buckets {
		all.Count += h.latency.buckets[i].Load()
		if i < len(latencyBounds) {
			all.Buckets[latencyBounds[i]] = all.Count
		}
	}
	return all
}
