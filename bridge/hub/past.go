package hub

import (
	"encoding/binary"
	"slices"
)

// A past is what a cursor notes for its Trace, where it cannot be told later from positions alone.
type past struct {
	conflated conflations
	tokens    []Tokens // those that the client no longer has, the oldest first
	forgotten uint64   // up to here its tokens are not known any more
}

// maxTokenChanges bounds the changes of a client's tokens that a cursor remembers.
const maxTokenChanges = 8

func (c *Cursor) noted() *past {
	if c.past == nil {
		c.past = new(past)
	}
	return c.past
}

// had notes tokens that the client has no longer.
func (p *past) had(t Tokens) {
	if len(p.tokens) == maxTokenChanges {
		p.forgotten = p.tokens[0].Until
		p.tokens = slices.Delete(p.tokens, 0, 1)
	}
	p.tokens = append(p.tokens, t)
}

// takeOver notes what a Group's cursor has skipped while it moved in place of c, which stands where
// it was then.
func (c *Cursor) takeOver(ours *Cursor) {
	if ours.past == nil {
		return
	}
	theirs := &ours.past.conflated
	if theirs.last > c.pos {
		c.noted().conflated.addAll(theirs, c.pos)
	}
}

// conflations are the positions that a cursor has skipped as overtaken: the newest of them, since
// they are bounded.
type conflations struct {
	base   uint64 // up to here they are forgotten
	last   uint64 // the newest
	deltas []byte // varints: of each, the distance from the one before, at first from base
}

// maxDeltas bounds the bytes of conflations.
const maxDeltas = 256

func (x *conflations) add(position uint64) {
	if len(x.deltas) >= maxDeltas {
		x.forgetHalf()
	}
	if len(x.deltas) == 0 {
		x.last = x.base
	}
	x.deltas = binary.AppendUvarint(x.deltas, position-x.last)
	x.last = position
}

// addAll adds those of the others that lie behind the position.
func (x *conflations) addAll(others *conflations, position uint64) {
	if others.base > position {
		*x = conflations{base: others.base}
	}
	for _, p := range others.positions() {
		if p > position {
			x.add(p)
		}
	}
}

// forgetHalf forgets the older half.
func (x *conflations) forgetHalf() {
	rest := x.deltas
	for len(rest) > maxDeltas/2 {
		delta, n := binary.Uvarint(rest)
		x.base += delta
		rest = rest[n:]
	}
	x.deltas = append(x.deltas[:0], rest...)
}

func (x *conflations) positions() (all []uint64) {
	p := x.base
	for rest := x.deltas; len(rest) > 0; {
		delta, n := binary.Uvarint(rest)
		p += delta
		all = append(all, p)
		rest = rest[n:]
	}
	return all
}
