package topic

import (
	"slices"
	"strings"
)

// An Index finds which of many patterns match a topic, without looking at each: its tree has a step
// for each level. Patterns have ids, which may be shared. The zero value is empty. What only reads
// is safe for concurrent use.
type Index struct{ root node }

// A node is where the patterns with the same first levels meet.
type node struct {
	literal map[string]*node // the next level is this text
	wild    *node            // the next level is + or {name}
	here    []int            // ids of those that end here
	below   []int            // ids of those with # or {name...} as the next and last level

	// Those with {name...} next and other levels behind it: a tree of these, from the last one back.
	tails *node
}

// Add adds a pattern.
func (x *Index) Add(p *Pattern, id int) {
	n := x.root.at(p.levels[:p.rest])
	switch {
	case p.Middle():
		if n.tails == nil {
			n.tails = new(node)
		}
		tail := slices.Clone(p.tail())
		slices.Reverse(tail)
		n = n.tails.at(tail)
		n.here = append(n.here, id)
	case p.rest < len(p.levels):
		n.below = append(n.below, id)
	default:
		n.here = append(n.here, id)
	}
}

// AddFilter adds a topic filter.
func (x *Index) AddFilter(filter string, id int) {
	levels, open := filterLevels(filter)
	n := x.root.at(levels)
	if open {
		n.below = append(n.below, id)
	} else {
		n.here = append(n.here, id)
	}
}

// filterLevels returns the levels of a filter that stand for one level each; open: # follows.
func filterLevels(filter string) (levels []level, open bool) {
	levels = levelsOf(filter)
	if last := len(levels) - 1; levels[last].wild == '#' {
		return levels[:last], true
	}
	return levels, false
}

// at returns the node behind the levels, which stand for one level each, and makes it where it is
// not there.
func (n *node) at(levels []level) *node {
	for _, l := range levels {
		next := n.next(l)
		if next == nil {
			next = new(node)
			switch {
			case l.wild != 0:
				n.wild = next
			case n.literal == nil:
				n.literal = map[string]*node{l.literal: next}
			default:
				n.literal[l.literal] = next
			}
		}
		n = next
	}
	return n
}

func (n *node) next(l level) *node {
	if l.wild != 0 {
		return n.wild
	}
	return n.literal[l.literal]
}

// removeFilter takes a filter out that was added with that id.
func (x *Index) removeFilter(filter string, id int) {
	levels, open := filterLevels(filter)
	x.root.remove(levels, open, id)
}

// remove also takes the nodes out that lead nowhere any more.
func (n *node) remove(levels []level, open bool, id int) {
	is := func(other int) bool { return other == id }
	if len(levels) > 0 {
		next := n.next(levels[0])
		next.remove(levels[1:], open, id)
		switch {
		case !next.empty():
		case levels[0].wild != 0:
			n.wild = nil
		default:
			delete(n.literal, levels[0].literal)
		}
		return
	}
	if open {
		n.below = slices.DeleteFunc(n.below, is)
	} else {
		n.here = slices.DeleteFunc(n.here, is)
	}
}

func (n *node) empty() bool {
	return len(n.literal) == 0 && n.wild == nil && len(n.here) == 0 && len(n.below) == 0 && n.tails == nil
}

// Match appends the ids of what matches the topic, whose levels are given, in ascending order. It
// does not allocate where ids has room.
func (x *Index) Match(ids []int, levels []string) []int {
	from := len(ids)
	if hiddenLevel(levels[0]) {
		if n := x.root.literal[levels[0]]; n != nil {
			ids = n.match(ids, levels[1:])
		}
	} else {
		ids = x.root.match(ids, levels)
	}
	slices.Sort(ids[from:])
	return ids
}

// match appends what matches the rest of a topic.
func (n *node) match(ids []int, levels []string) []int {
	ids = append(ids, n.below...) // MQTT 5, 4.7.1.2: also the parent level
	if len(levels) == 0 {
		return append(ids, n.here...)
	}
	if next := n.literal[levels[0]]; next != nil {
		ids = next.match(ids, levels[1:])
	}
	if n.wild != nil {
		ids = n.wild.match(ids, levels[1:])
	}
	if n.tails != nil {
		ids = n.tails.matchTail(ids, levels)
	}
	return ids
}

// matchTail appends those tails that end the rest of a topic and leave at least one level before
// them.
func (n *node) matchTail(ids []int, levels []string) []int {
	if len(levels) == 0 {
		return ids
	}
	ids = append(ids, n.here...)
	last := len(levels) - 1
	if next := n.literal[levels[last]]; next != nil {
		ids = next.matchTail(ids, levels[:last])
	}
	if n.wild != nil {
		ids = n.wild.matchTail(ids, levels[:last])
	}
	return ids
}

// Intersecting appends the ids of the filters that Intersects says so of, in ascending order.
// Patterns that have {name...} before the last level are left out.
func (x *Index) Intersecting(ids []int, filter string) []int {
	from := len(ids)
	levels, open := filterLevels(filter)
	ids = x.root.intersecting(ids, levels, open, true)
	slices.Sort(ids[from:])
	return ids
}

// intersecting appends what intersects the rest of a filter; first: nothing is before it.
func (n *node) intersecting(ids []int, levels []level, open, first bool) []int {
	hides := first && len(levels) > 0 && hiddenLevel(levels[0].literal) // MQTT 5, 4.7.2
	if !hides {
		ids = append(ids, n.below...)
	}
	if len(levels) == 0 {
		ids = append(ids, n.here...)
		if !open {
			return ids
		}
	}
	rest := levels[min(1, len(levels)):]
	if n.wild != nil && !hides {
		ids = n.wild.intersecting(ids, rest, open, false)
	}
	if len(levels) > 0 && levels[0].wild == 0 {
		if next := n.literal[levels[0].literal]; next != nil {
			ids = next.intersecting(ids, rest, open, false)
		}
		return ids
	}
	for text, next := range n.literal {
		if !first || !hiddenLevel(text) {
			ids = next.intersecting(ids, rest, open, false)
		}
	}
	return ids
}

// hiddenLevel reports whether a wildcard at the first level does not reach this one (MQTT 5, 4.7.2).
func hiddenLevel(text string) bool { return strings.HasPrefix(text, "$") }
