package commit

import (
	"maps"
	"slices"
	"sync"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// Counts are a Committer's figures.
type Counts struct {
	Events      int64 // taken and mapped
	Unmatched   int64 // no rule's topic matched
	Rules       map[string]RuleCounts
	DeadLetters DeadLetterCounts
	Memory      []memory.Counts // by name
}

// RuleCounts are one rule's outcomes. Every event, or element of an each, whose topic matches the
// rule is in exactly one, and so is every key whose time was up, for a rule for its memory.
type RuleCounts struct {
	Mapped, Filtered, Rejected, Duplicate int64
}

// ruleCounts counts by rule. The zero value is ready to use.
type ruleCounts struct {
	mu                sync.Mutex
	events, unmatched int64
	rules             map[string]RuleCounts
}

// count adds the outcomes of one event, in one step: a counter never goes back. Of a duplicate
// those that are not filtered count as duplicate, and so do the outputs with the indices there,
// which the journal has.
func (c *ruleCounts) count(r mapping.Result, duplicate bool, there []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events++
	if len(r.Outcomes) == 0 {
		c.unmatched++
	}
	c.addLocked(r, duplicate)
	for _, i := range there {
		rule := r.Outputs[i].Rule
		n := c.rules[rule]
		n.Mapped--
		n.Duplicate++
		c.rules[rule] = n
	}
}

// countForgotten adds the outcomes for a key whose time was up.
func (c *ruleCounts) countForgotten(r mapping.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(r, false)
}

func (c *ruleCounts) addLocked(r mapping.Result, duplicate bool) {
	if c.rules == nil {
		c.rules = map[string]RuleCounts{}
	}
	for _, o := range r.Outcomes {
		n := c.rules[o.Rule]
		switch {
		case o.What == mapping.Filtered:
			n.Filtered++
		case duplicate, o.What == mapping.Duplicate:
			n.Duplicate++
		case o.What == mapping.Mapped:
			n.Mapped++
		case o.What == mapping.Rejected:
			n.Rejected++
		}
		c.rules[o.Rule] = n
	}
}

func (c *ruleCounts) all() (events, unmatched int64, rules map[string]RuleCounts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.events, c.unmatched, maps.Clone(c.rules)
}

// Counts returns the figures so far.
func (c *Committer) Counts() Counts {
	n := Counts{DeadLetters: c.deadLetters.counts(), Memory: c.memory.Counts()}
	n.Events, n.Unmatched, n.Rules = c.counts.all()
	return n
}

// After returns the figures of a Committer that has taken the place of another: its own, and what
// the one before had counted.
func (n Counts) After(before Counts) Counts {
	n.Events += before.Events
	n.Unmatched += before.Unmatched
	n.Rules = maps.Clone(n.Rules)
	for name, b := range before.Rules {
		if n.Rules == nil {
			n.Rules = map[string]RuleCounts{}
		}
		r := n.Rules[name]
		n.Rules[name] = RuleCounts{r.Mapped + b.Mapped, r.Filtered + b.Filtered, r.Rejected + b.Rejected, r.Duplicate + b.Duplicate}
	}
	n.DeadLetters.Published += before.DeadLetters.Published
	n.DeadLetters.Refused += before.DeadLetters.Refused
	n.DeadLetters.Received += before.DeadLetters.Received
	n.Memory = slices.Clone(n.Memory)
	for i := range n.Memory {
		m := &n.Memory[i]
		for _, b := range before.Memory {
			if b.Memory == m.Memory {
				m.Evicted += b.Evicted
				m.Expired += b.Expired
			}
		}
	}
	return n
}
