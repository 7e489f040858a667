package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// A State is how the bridge stands. Its figures are those since the start: of two states, pages make
// rates.
type State struct {
	Time     time.Time `json:"time"`
	Ready    bool      `json:"ready"`
	Reasons  []string  `json:"reasons"` // why not
	Troubles []string  `json:"troubles"`
	Warnings []string  `json:"warnings"`

	Config      Standing       `json:"config"`
	Rules       string         `json:"rules"` // identifies the rules in force; By has their figures in the order of mapping.Mapper.Rules
	Events      int64          `json:"events"`
	Unmatched   int64          `json:"unmatched"` // no rule's topic matched
	By          []RuleFigures  `json:"by"`
	Queues      []QueueFigures `json:"queues"`
	Memories    []Memory       `json:"memories"`
	DeadLetters DeadLetters    `json:"dead_letters"`
	Sessions    Sessions       `json:"sessions"`
	Journal     Journal        `json:"journal"`
	Latency     Latency        `json:"latency"`
	Replica     *Replica       `json:"replica,omitempty"` // nil: the bridge is none
	Rates       *Rates         `json:"rates,omitempty"`   // nil: nobody has looked shortly before
}

// RuleFigures are one rule's outcomes.
type RuleFigures struct {
	Events    int64 `json:"events"` // all outcomes
	Mapped    int64 `json:"mapped"`
	Filtered  int64 `json:"filtered"`
	Rejected  int64 `json:"rejected"`
	Duplicate int64 `json:"duplicate"`
}

func (f RuleFigures) plus(g RuleFigures) RuleFigures {
	return RuleFigures{f.Events + g.Events, f.Mapped + g.Mapped, f.Filtered + g.Filtered, f.Rejected + g.Rejected, f.Duplicate + g.Duplicate}
}

// QueueFigures are one queue's.
type QueueFigures struct {
	Queue        string `json:"queue"`
	Published    int64  `json:"published"`
	Delivered    int64  `json:"delivered"`
	Conflated    int64  `json:"conflated"`
	NotAddressed int64  `json:"not_addressed"`
	LeftBehind   int64  `json:"left_behind"`
	Waiting      int64  `json:"waiting"` // for the subscription that lags most
}

// A Memory is how one stands.
type Memory struct {
	Memory  string `json:"memory"`
	Keys    int    `json:"keys"`
	Bytes   int64  `json:"bytes"`
	Evicted int64  `json:"evicted"`
	Expired int64  `json:"expired"`
	// The bounds. Without them the configuration does not name the memory any more.
	For      string `json:"for"`
	MaxKeys  int    `json:"max_keys,omitempty"`
	MaxBytes int64  `json:"max_bytes,omitempty"`
}

// DeadLetters are their figures.
type DeadLetters struct {
	Published int64 `json:"published"`
	Refused   int64 `json:"refused"` // by the broker
	Kept      int   `json:"kept"`    // of those
}

// Sessions are how many there are.
type Sessions struct {
	Open   int64 `json:"open"`
	HeldUp int   `json:"held_up"` // the client does not read
	Opened int64 `json:"opened"`
}

// A Journal is what it holds.
type Journal struct {
	First  uint64    `json:"first"`
	Last   uint64    `json:"last"`
	Oldest time.Time `json:"oldest,omitzero"`
	Bytes  int64     `json:"bytes"`
	Limit  int64     `json:"limit"`
}

// A Latency is how long events took from their receipt to the write to a client.
type Latency struct {
	Count   uint64   `json:"count"`
	Seconds float64  `json:"seconds"` // all together
	Buckets []Bucket `json:"buckets"`
}

// A Bucket counts the writes that took no longer.
type Bucket struct {
	Seconds float64 `json:"seconds"`
	Count   uint64  `json:"count"`
}

// A Replica is how this one stands to the others.
type Replica struct {
	ID       string            `json:"id"`
	Leads    bool              `json:"leads"`
	Leader   string            `json:"leader"` // "": nobody, or not known
	Term     uint64            `json:"term"`
	Away     string            `json:"away,omitempty"`     // why the log cannot be reached
	Conflict string            `json:"conflict,omitempty"` // why the replicas cannot share it
	Complete time.Time         `json:"complete"`           // it had all of the log then
	Replicas []journal.Replica `json:"replicas"`
}

// identify returns a name that changes with what is drawn of the rules.
func identify(m *mapping.Mapper) string {
	h := fnv.New64a()
	if err := json.NewEncoder(h).Encode([]any{m.Rules(), m.Filters(), m.Memories()}); err != nil {
		panic("console: " + err.Error()) // they are texts, numbers and lists of these
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

func texts(reasons []bridge.Reason) []string {
	texts := make([]string, len(reasons))
	for i, r := range reasons {
		texts[i] = r.Text
	}
	return texts
}

func figuresOf(rules []mapping.RuleInfo, counts map[string]commit.RuleCounts) []RuleFigures {
	all := make([]RuleFigures, len(rules))
	for i, r := range rules {
		n := counts[r.Name]
		all[i] = RuleFigures{n.Mapped + n.Filtered + n.Rejected + n.Duplicate, n.Mapped, n.Filtered, n.Rejected, n.Duplicate}
	}
	return all
}

func queuesOf(counts map[string]hub.Counts, waiting map[string]int64) []QueueFigures {
	all := make([]QueueFigures, 0, len(counts))
	for name, n := range counts {
		all = append(all, QueueFigures{
			Queue: name, Published: n.Published, Delivered: n.Delivered, Conflated: n.Conflated, NotAddressed: n.NotAddressed,
			LeftBehind: n.LeftBehind, Waiting: waiting[name],
		})
	}
	slices.SortFunc(all, func(x, y QueueFigures) int { return cmp.Compare(x.Queue, y.Queue) })
	return all
}

func memoriesOf(s *memory.Store) []Memory {
	all := []Memory{}
	if s == nil {
		return all
	}
	for _, c := range s.Counts() {
		one := Memory{Memory: c.Memory, Keys: c.Keys, Bytes: c.Bytes, Evicted: c.Evicted, Expired: c.Expired}
		settings, named := s.Settings(c.Memory)
		if one.For = lasting(settings.For); named {
			one.MaxKeys, one.MaxBytes = settings.MaxKeys, settings.MaxBytes
		}
		all = append(all, one)
	}
	return all
}

func latencyOf(l hub.Latency) Latency {
	x := Latency{Count: l.Count, Seconds: l.Sum.Seconds(), Buckets: make([]Bucket, 0, len(l.Buckets))}
	for end, n := range l.Buckets {
		x.Buckets = append(x.Buckets, Bucket{end.Seconds(), n})
	}
	slices.SortFunc(x.Buckets, func(a, b Bucket) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return x
}

func replicaOf(s *journal.Standing) *Replica {
	if s == nil {
		return nil
	}
	r := &Replica{ID: s.ID, Leads: s.Leads, Leader: s.Leader, Term: s.Term, Complete: s.Complete, Replicas: s.Replicas}
	if s.Away != nil {
		r.Away = s.Away.Error()
	}
	if s.Conflict != nil {
		r.Conflict = s.Conflict.Error()
	}
	return r
}
