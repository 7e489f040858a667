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

// Guessing a login's password from one network comes down to two tries a minute. A network has more
// tries, because many may share it. A login alone has far more: whoever guesses at it must not lock
// its owner out, who is elsewhere. None of the bursts is less than maxAsking, because so many tries
// are counted in advance.
var (
	perPair    = bucket{burst: 10, every: 30 * time.Second}
	perNetwork = bucket{burst: 50, every: time.Second}
	perLogin   = bucket{burst: 200, every: 30 * time.Second}
)

// knownFor is how long a network is known to be one that a login has come in from.
const knownFor = 30 * 24 * time.Hour

// A pair is a login at a network, as a hash.
type pair uint64

// A loginLimit counts failed logins: of a login at a network, of a network, and of a login wherever
// it is tried. The last does not count where the login has come in lately. Each table holds no more
// than maxKept; then some entries are forgotten at random, so that nobody can choose which.
type loginLimit struct {
	seed maphash.Seed

	mu       sync.Mutex
	pairs    map[pair]time.Time       // when all failures are forgotten
	networks map[netip.Addr]time.Time // by ClientNet, the same
	logins   map[uint64]time.Time     // by hash, the same
	known    map[pair]time.Time       // until when the login is known at the network
}

func newLoginLimit() *loginLimit {
	return &loginLimit{
		seed:     maphash.MakeSeed(),
		pairs:    map[pair]time.Time{},
		networks: map[netip.Addr]time.Time{},
		logins:   map[uint64]time.Time{},
		known:    map[pair]time.Time{},
	}
}

// take counts a failure in advance, so that many tries at once do not all slip through before the
// first has failed. It reports false, and counts nothing, when there were too many.
func (l *loginLimit) take(login string, from netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, network, name := l.keys(login, from)
	if !perPair.allows(l.pairs[p], now) || !perNetwork.allows(l.networks[network], now) {
		return false
	}
	if !perLogin.allows(l.logins[name], now) && !now.Before(l.known[p]) {
		return false
	}
	count(l.pairs, p, perPair.every, now)
	count(l.networks, network, perNetwork.every, now)
	count(l.logins, name, perLogin.every, now)
	return true
}

// giveBack takes back a failure that was counted in advance and was not one.
func (l *loginLimit) giveBack(login string, from netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, network, name := l.keys(login, from)
	uncount(l.pairs, p, perPair.every, now)
	uncount(l.networks, network, perNetwork.every, now)
	uncount(l.logins, name, perLogin.every, now)
}

// letIn notes that the login is known at the network.
func (l *loginLimit) letIn(login string, from netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, _, _ := l.keys(login, from)
	makeRoom(l.known, func(until time.Time) bool { return !now.Before(until) })
	l.known[p] = now.Add(knownFor)
}

func (l *loginLimit) keys(login string, from netip.Addr) (p pair, network netip.Addr, name uint64) {
	network = ClientNet(from)
	p = pair(maphash.Comparable(l.seed, struct {
		login   string
		network netip.Addr
	}{login, network}))
	return p, network, maphash.String(l.seed, login)
}

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
