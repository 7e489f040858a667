//go:build linux

package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in buckets of which each is about 3 % wide. The zero value is ready
// to use; add is safe for concurrent use.
type histogram struct{ counts [buckets]atomic.Int64 }

const (
	subBits = 5 // 32 buckets for each power of two
	buckets = (64 - subBits) << subBits
)

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 1<<subBits {
		return int(v)
	}
	exponent := bits.Len64(v) - subBits - 1
	return exponent<<subBits + int(v>>exponent)
}

// lower returns the shortest duration of a bucket.
func lower(b int) time.Duration {
	if b < 1<<subBits {
		return time.Duration(b)
	}
	exponent := b>>subBits - 1
	return time.Duration((1<<subBits + b&(1<<subBits-1))) << exponent
}

func (h *histogram) add(d time.Duration) { h.counts[bucket(d)].Add(1) }

// merge adds what others have counted.
func (h *histogram) merge(others []histogram) {
	for i := range others {
		for b := range others[i].counts {
			h.counts[b].Add(others[i].counts[b].Load())
		}
	}
}

// quantile returns the duration that the share q of all does not exceed, 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	var total int64
	for b := range h.counts {
		total += h.counts[b].Load()
	}
	rank := int64(q * float64(total))
	for b := range h.counts {
		if n := h.counts[b].Load(); n > 0 {
			if rank -= n; rank < 0 {
				return (lower(b) + lower(b+1)) / 2
			}
		}
	}
	return 0
}
