package server

import (
	"net/netip"
	"sync"
	"time"
)

// A connectRate bounds new connections per second, and keeps half of the burst for those that
// connect seldom: one who connects all the time is refused, and the others do not notice.
//
// There is one bucket of tokens for all. Each network has a small one beside it. As long as that
// holds a token, the network may take the last token of all; otherwise it is served while more than
// half are there. So one network alone still gets the whole rate.
type connectRate struct {
	rate float64 // per second, and the most tokens of all

	mu       sync.Mutex
	all      tokens
	networks map[netip.Addr]*tokens // those that are not full
}

// Of each network.
const (
	shareOfBurst = 16   // of the whole
	shareOfRate  = 64   // of the whole
	maxNetworks  = 4096 // that are remembered; beyond, a network counts as one that connects seldom
)

// tokens are those that there were at a time.
type tokens struct {
	n  float64
	at time.Time
}

// fill adds what came since.
func (t *tokens) fill(now time.Time, rate, most float64) {
	t.n = min(most, t.n+rate*max(0, now.Sub(t.at).Seconds()))
	t.at = now
}

func newConnectRate(perSecond int) *connectRate {
	rate := float64(perSecond)
	return &connectRate{rate: rate, all: tokens{n: rate, at: time.Now()}, networks: map[netip.Addr]*tokens{}}
}

// allow reports whether the network may connect now. The zero address is one that nothing is known
// of, and may take all.
func (c *connectRate) allow(network netip.Addr, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.fill(now, c.rate, c.rate)
	own := c.own(network, now)
	kept := 0.0
	if own.n < 1 {
		kept = float64(int(c.rate / 2))
	}
	if c.all.n < kept+1 {
		return false
	}
	c.all.n--
	own.n = max(0, own.n-1)
	return true
}

// own returns the network's tokens.
func (c *connectRate) own(network netip.Addr, now time.Time) *tokens {
	most := max(1, c.rate/shareOfBurst)
	if t := c.networks[network]; t != nil {
		t.fill(now, c.rate/shareOfRate, most)
		return t
	}
	t := &tokens{n: most, at: now}
	if len(c.networks) >= maxNetworks {
		c.forget(now, most)
	}
	if network.IsValid() && len(c.networks) < maxNetworks {
		c.networks[network] = t
	}
	return t
}

// forget drops the networks that have all their tokens again.
func (c *connectRate) forget(now time.Time, most float64) {
	for network, t := range c.networks {
		if t.fill(now, c.rate/shareOfRate, most); t.n == most {
			delete(c.networks, network)
		}
	}
}
