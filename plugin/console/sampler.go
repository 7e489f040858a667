package console

import (
	"math"
	"sync"
	"time"

	"mqtt-stomp-bridge/mapping"
)

// Rates are those between a state and the one before.
type Rates struct {
	Time       time.Time `json:"time"`
	Events     float64   `json:"events"`     // a second
	Deliveries float64   `json:"deliveries"` // a second
	// Of the writes between the two states, how long half of them took at most, and 99 of 100, in
	// seconds; 0: there were none.
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// A sampler makes states while somebody looks. Those who ask within a short time get the same.
type sampler struct {
	bridge   Bridge
	standing func() Standing

	mu      sync.Mutex
	last    State
	history []Rates         // the oldest first
	mapper  *mapping.Mapper // that rules was made of
	rules   string
}

// How long a state is good for, how old the one before may be for rates, and how many rates are kept:
// five minutes of one a second.
const (
	sampleFor  = 900 * time.Millisecond
	maxApart   = 10 * time.Second
	maxHistory = 300
)

// state returns how the bridge stands. It must not be changed.
func (s *sampler) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.last.Time) < sampleFor {
		return s.last
	}
	next := s.sampleLocked(now)
	if apart := now.Sub(s.last.Time); apart <= maxApart {
		next.Rates = ratesOf(s.last, next)
		s.history = append(s.history, *next.Rates)
		s.history = s.history[max(0, len(s.history)-maxHistory):]
	}
	s.last = next
	return next
}

// past returns the rates of the last minutes, the oldest first.
func (s *sampler) past() []Rates {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Rates{}, s.history...)
}

func (s *sampler) sampleLocked(now time.Time) State {
	b, m := s.bridge, s.bridge.Mapper()
	if m != s.mapper {
		s.mapper, s.rules = m, identify(m)
	}
	n, lag := b.Counts(), b.Lag()
	x := State{
		Time: now, Reasons: texts(b.Ready()), Troubles: texts(b.Troubles()), Warnings: texts(b.Warnings()),
		Rules: s.rules, Events: n.Events, Unmatched: n.Unmatched,
		By: figuresOf(m.Rules(), n.Rules), Queues: queuesOf(n.Queues, lag.Entries), Memories: memoriesOf(b.Memory()),
		DeadLetters: DeadLetters{Published: n.DeadLetters.Published, Refused: n.DeadLetters.Refused, Kept: n.DeadLetters.Kept},
		Sessions:    Sessions{Open: int64(n.Server.Sessions), HeldUp: lag.HeldUp, Opened: n.Server.Opened},
		Journal:     Journal{First: n.Journal.First, Last: n.Journal.Last, Oldest: n.Journal.Oldest, Bytes: n.Journal.Bytes, Limit: n.Journal.Limit},
		Latency:     latencyOf(n.Latency), Replica: replicaOf(n.Replica),
	}
	x.Ready = len(x.Reasons) == 0
	if s.standing != nil {
		x.Config = s.standing()
	}
	return x
}

func ratesOf(before, after State) *Rates {
	seconds := after.Time.Sub(before.Time).Seconds()
	delivered := func(s State) (n int64) {
		for _, q := range s.Queues {
			n += q.Delivered
		}
		return n
	}
	perSecond := func(n int64) float64 { return math.Round(float64(max(0, n))/seconds*100) / 100 }
	return &Rates{
		Time: after.Time, Events: perSecond(after.Events - before.Events), Deliveries: perSecond(delivered(after) - delivered(before)),
		P50: quantile(before.Latency, after.Latency, 0.5), P99: quantile(before.Latency, after.Latency, 0.99),
	}
}

// quantile returns how long that share of the writes between the two took at most: somewhere within
// its bucket, as Prometheus reckons.
func quantile(before, after Latency, share float64) float64 {
	all := float64(after.Count - before.Count)
	if after.Count <= before.Count {
		return 0
	}
	rank, lower, below := share*all, 0.0, 0.0
	for i, b := range after.Buckets {
		n := float64(b.Count)
		if i < len(before.Buckets) {
			n -= float64(before.Buckets[i].Count)
		}
		if n >= rank && n > below {
			return math.Round((lower+(b.Seconds-lower)*(rank-below)/(n-below))*1e6) / 1e6
		}
		lower, below = b.Seconds, n
	}
	return lower // longer than the longest bucket
}
