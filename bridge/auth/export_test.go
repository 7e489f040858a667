package auth

import (
	"slices"
	"sync/atomic"
	"time"
)

// Kept returns how many entries b remembers at most in one of its tables, and at least.
func (b *Broker) Kept() (most, least int) {
	sizes := []int{len(b.limit.pairs), len(b.limit.networks), len(b.limit.logins), len(b.limit.known), len(b.good.until)}
	return slices.Max(sizes), slices.Min(sizes)
}

// Slow has every hash take that long, and returns how many were computed.
func (f *PasswordFile) Slow(d time.Duration) *atomic.Int64 {
	var n atomic.Int64
	f.is = func(h PasswordHash, password string) bool {
		n.Add(1)
		time.Sleep(d)
		return h.is(password)
	}
	return &n
}
