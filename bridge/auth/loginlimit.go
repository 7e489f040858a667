package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// maxKept bounds what is remembered of clients, in entries of each table.
const maxKept = 10_000

// A bucket allows some failures at once, and one more each interval.
type bucket struct {
	burst int
	every time.Duration
}

// Guessing a login's password comes down to two tries a minute. An address has more, because many
// may share it. Neither burst is less than maxAsking, because so many tries are counted in advance.
var (
	perLogin   = bucket{burst: 10, every: 30 * time.Second}
	perAddress = bucket{burst: 50, every: time.Second}
)

// A loginLimit counts failed logins, by login and by network. Of both no more than maxKept are
// remembered; then some are forgotten at random, so that nobody can choose which.
type loginLimit struct {
	seed maphash.Seed

	mu       sync.Mutex
	logins   map[uint64]time.Time     // hash of the login -> when all its failures are forgotten
	networks map[netip.Addr]time.Time // ClientNet -> the same
}

func newLoginLimit() *loginLimit {
	return &loginLimit{seed: maphash.MakeSeed(), logins: map[uint64]time.Time{}, networks: map[netip.Addr]time.Time{}}
}

// take counts a failure in advance, so that many tries at once do not all slip through before the
// first has failed. It reports false, and counts nothing, when there were too many.
func (l *loginLimit) take(login string, from netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	name, n := l.hash(login), ClientNet(from)
	if !perLogin.allows(l.logins[name], now) || !perAddress.allows(l.networks[n], now) {
		return false
	}
	count(l.logins, name, perLogin.every, now)
	count(l.networks, n, perAddress.every, now)
	return true
}

// giveBack takes back a failure that was counted in advance and was not one.
func (l *loginLimit) giveBack(login string, from netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	uncount(l.logins, l.hash(login), perLogin.every, now)
	uncount(l.networks, ClientNet(from), perAddress.every, now)
}

func (l *loginLimit) hash(login string) uint64 { return maphash.String(l.seed, login) }

// ClientNet returns the network that limits by address count as one client, who may have all of it:
// of IPv6 the /64, without a zone; of IPv4 the address.
func ClientNet(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(64)
	return p.Addr()
}

// allows reports whether there is room for one more failure, when the earlier ones are forgotten at
// the time given.
func (b bucket) allows(forgotten, now time.Time) bool {
	return forgotten.Sub(now) <= time.Duration(b.burst-1)*b.every
}

func count[K comparable](table map[K]time.Time, k K, every time.Duration, now time.Time) {
	forgotten, ok := table[k]
	if !ok {
		makeRoom(table, func(forgotten time.Time) bool { return !forgotten.After(now) })
	}
	if forgotten.Before(now) {
		forgotten = now
	}
	table[k] = forgotten.Add(every)
}

func uncount[K comparable](table map[K]time.Time, k K, every time.Duration, now time.Time) {
	forgotten, ok := table[k]
	if !ok {
		return
	}
	if forgotten = forgotten.Add(-every); forgotten.After(now) {
		table[k] = forgotten
	} else {
		delete(table, k)
	}
}

// makeRoom makes room in a table that is full: it drops the entries that do not count any more, and
// then any until a tenth is free, so that it is not full again with the next one.
func makeRoom[K comparable, V any](table map[K]V, done func(V) bool) {
	if len(table) < maxKept {
		return
	}
	for k, v := range table {
		if done(v) {
			delete(table, k)
		}
	}
	for k := range table {
		if len(table) <= maxKept-maxKept/10 {
			return
		}
		delete(table, k)
	}
}
