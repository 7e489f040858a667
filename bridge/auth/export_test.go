package auth

import "slices"

// Kept returns how many entries b remembers at most in one of its tables, and at least.
func (b *Broker) Kept() (most, least int) {
	sizes := []int{len(b.limit.pairs), len(b.limit.networks), len(b.limit.logins), len(b.limit.known), len(b.good)}
	return slices.Max(sizes), slices.Min(sizes)
}
