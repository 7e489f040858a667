package server

import (
	"net/netip"
	"sync"
	"time"
)

// A connectRate bounds new connections per second and reserves half of the burst for networks that
// connect rarely: a busy network is refused, and the others do not notice.
//
// All networks share one bucket of tokens, and each has a small bucket of its own. While its own
// holds a token, a network may take even the last shared one; otherwise it may take one only while
// more than half of them are left. So a single network still gets the whole rate.
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
	maxNetworks  = 4096 // that are remembered; further ones count as networks that connect rarely
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

// allow reports whether the network may connect now. The zero address stands for an unknown
// network, which may take all tokens.
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
