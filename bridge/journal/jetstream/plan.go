package jetstream

import (
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// Limits bound the log and its stream.
type limits struct {
	retention.Limits
	block int   // bytes of a block
	slack int64 // bytes of the stream that may be needed no more, beyond a quarter of what is needed
}

// pressed reports whether so much of the stream is needed that entries must leave the log before
// their time: records are many, and hardly any entries between them. Streams have room for three
// times MaxBytes and 64 MiB.
func (l limits) pressed(needed int64) bool { return needed > 2*l.MaxBytes+32<<20 }

// A term is what all blocks of one turn to lead have in common.
type term struct {
	number uint64
	epoch  string
	since  uint64 // first position
	before string // epoch of the position before since
}

// next returns the term that follows the newest block.
func (s *state) next(epoch string) term {
	t := term{number: s.term + 1, epoch: epoch, since: s.last + 1, before: epoch}
	if s.begun {
		t.before = s.epoch(s.last)
	}
	return t
}

// A plan makes the next block.
type plan struct {
	*state
	limits limits
	now    time.Time
	block  *block
	behind uint64 // sequence behind which it belongs
	read   *block // what carry wanted last

	used  map[string]bool // keys that have an entry in the block
	size  int             // of the block, at most
	freed int64           // bytes of the blocks that leave the stream
	spare int             // bytes that may still be carried, beyond the first item
	stuck bool            // not even one item has room beside the batch
}

// plan begins the block that appends the batch, whose positions it sets, and decides what leaves
// the log with it. Carry then decides what leaves the stream.
func (s *state) plan(l limits, t term, c clock, now time.Time, batch journal.Batch) *plan {
	b := &block{
		previous: s.sum, term: t.number, epoch: t.epoch, since: t.since, before: t.before,
		base: s.last + 1, first: s.first, head: s.head, clock: c,
		entries: batch.Entries, records: batch.Records, drop: batch.Drop,
	}
	if s.term == t.number {
		b.number = s.number + 1
	}
	if !s.begun {
		b.head = s.sequence + 1
	}
	p := &plan{state: s, limits: l, now: now, block: b, behind: s.sequence, used: map[string]bool{}}
	step := retention.Step{Entries: len(batch.Entries)}
	for i := range batch.Entries {
		e := &batch.Entries[i]
		e.Position = b.base + uint64(i)
		step.Bytes += logSize(e)
		if e.Key != "" {
			p.used[e.Key] = true
		}
	}
	p.size = headerSize + b.content()
	p.spare = max(64<<10, 2*b.content())
	p.trim(step)
	p.forget(step)
	return p
}

// trim decides which blocks' entries leave the log. What the block itself adds stays.
func (p *plan) trim(step retention.Step) {
	bytes, needed := p.sizes.log+step.Bytes, p.sizes.needed()+int64(p.size)
	for _, b := range p.blocks[p.trimmed:] {
		if b.entries > 0 {
			over := p.limits.Exceeded(p.block.clock.lived-b.appendedAt, bytes) || p.limits.pressed(needed)
			if !over || !step.Take(b.bytes) {
				return
			}
		}
		bytes -= b.bytes
		needed -= b.size - b.newest
		p.block.first = b.end()
	}
}

// forget decides which keys have no newest entry any more.
func (p *plan) forget(step retention.Step) {
	for _, it := range p.newest.newest.Excess(p.limits.Limits, p.block.clock.lived, p.first, p.sizes.kept, step) {
		if !p.used[it.Key] {
			p.block.forget = append(p.block.forget, it.Key)
			p.size += entrySize(&journal.Entry{Key: it.Key})
		}
	}
}

// carry decides up to where the stream is needed no more, and takes what is at home before that
// into the block. Where it must read a block it returns the sequence: then it is to be called
// again, with that in p.read. 0: it has done what it can. The state must be as it was.
func (p *plan) carry() (wanted uint64) {
	for ; p.block.head <= p.sequence; p.block.head++ {
		sequence := p.block.head
		b := p.state.block(sequence)
		if b.end() > p.block.first {
			return 0
		}
		if b.live > 0 {
			switch {
			case !p.overdue():
				return 0
			case p.read == nil:
				return sequence
			case !p.take(sequence, p.read):
				return 0
			}
			p.read = nil
		}
		p.freed += b.size
	}
	return 0
}

// overdue reports whether the stream holds a good deal more than what is needed.
func (p *plan) overdue() bool {
	needed := p.sizes.needed() + int64(p.size)
	return p.sizes.stream+int64(p.size)-p.freed > needed+needed/4+p.limits.slack
}

// take carries what is at home in the block of the sequence, and reports false where there is no
// room for all of it.
func (p *plan) take(sequence uint64, from *block) bool {
	for i := range from.entries {
		if !p.takeEntry(sequence, &from.entries[i]) {
			return false
		}
	}
	for i := range from.carried {
		if !p.takeEntry(sequence, &from.carried[i].Entry) {
			return false
		}
	}
	for _, records := range [][]journal.Record{from.carriedRecords, from.records} {
		for i := range records {
			if !p.takeRecord(sequence, &records[i]) {
				return false
			}
		}
	}
	return true
}

func (p *plan) takeEntry(sequence uint64, e *journal.Entry) bool {
	it, ok := p.newest.get(e.Key)
	if !ok || it.Position != e.Position || p.home(it.Position) != sequence || p.leaves(e.Key) {
		return true
	}
	if !p.room(entrySize(e)) {
		return false
	}
	p.block.carried = append(p.block.carried, carried{*e, it.AppendedAt})
	return true
}

// leaves reports whether the block itself takes the key's newest entry away.
func (p *plan) leaves(key string) bool {
	return p.used[key] || slices.Contains(p.block.forget, key)
}

func (p *plan) takeRecord(sequence uint64, r *journal.Record) bool {
	m := p.records[r.Name]
	if m == nil || m.home != sequence || m.Expired(p.now) || p.replaces(r.Name) {
		return true
	}
	if !p.room(recordSize(r)) {
		return false
	}
	p.block.carriedRecords = append(p.block.carriedRecords, m.Record)
	return true
}

// replaces reports whether the batch drops the record.
func (p *plan) replaces(name string) bool {
	return slices.ContainsFunc(p.block.drop, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// room takes room for what is carried, if there is some.
func (p *plan) room(size int) bool {
	first := len(p.block.carried)+len(p.block.carriedRecords) == 0
	if p.size+size > p.limits.block {
		p.stuck = p.stuck || first
		return false
	}
	if size > p.spare && !first {
		return false
	}
	p.size += size
	p.spare -= size
	return true
}
