package commit

import (
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping/memory"
)

const (
	maxExpired = 1000 // keys whose time is up that one batch takes
	maxEvicted = 1000 // keys that a bound takes at a time
	evictedMax = 1280 // more than the Size of the record of one
)

// loadMemory reads what an earlier Committer has left in the store.
func loadMemory(store Store) (*memory.Store, error) {
	m := memory.New()
	for _, prefix := range memory.Prefixes() {
		err := store.Records(prefix, func(r journal.Record) bool {
			m.Load(memory.Record(r))
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Memory returns what the rules remember; others may call what its methods say.
func (c *Committer) Memory() *memory.Store { return c.memory }

// configure puts the settings of rules that are new into force.
func (c *Committer) configure(r *rules, b *batch) {
	if r == c.configured {
		return
	}
	c.configured = r
	b.record(c.memory.Configure(r.Memories()))
}

// evict takes out what is over a bound, as far as the batch has room.
func (c *Committer) evict(b *batch) {
	if !c.memory.Over() {
		return
	}
	records := c.memory.Evict(min(maxEvicted, max(0, b.limit-b.size)/evictedMax))
	b.record(records)
	b.evicted += len(records)
}

// expire has the rules take the keys whose time was up at the given one, in the order in which it
// was. It reports whether the batch has had room for all.
func (c *Committer) expire(now time.Time, r *rules, b *batch) bool {
	for {
		x, ok := c.memory.Due(now)
		if !ok {
			return true
		}
		if b.expired == maxExpired || b.size >= maxBatchBytes || !c.takeExpired(x, now, r, b) {
			return false
		}
		b.expired++
	}
}

// takeExpired is take for a key whose time was up: that it is gone is in the transaction with what
// comes of it.
func (c *Committer) takeExpired(x memory.Expired, now time.Time, r *rules, b *batch) bool {
	tx := c.memory.Begin(now)
	tx.Expire(x)
	result, steps := b.log.forgotten(r.Mapper, x, tx, c.stamp)
	before := b.mark()
	b.add(result.Outputs, x.At, "")
	b.record(tx.Records())
	size := b.size - before.size
	switch b.fit(before) {
	case another:
		return false
	case never:
		result = tooLarge(result, r.Mapper, size, b.limit)
		tx = c.memory.Begin(now)
		tx.Expire(x)
		b.record(tx.Records())
	}
	tx.Commit()
	c.evict(b)
	if c.newest != nil {
		c.newest.note(b.Entries[before.entries:])
	}
	c.counts.countForgotten(result)
	letters := c.addDeadLetters(deadLetter{expired: x}, result.Rejections, b)
	if len(result.Outcomes) > 0 {
		b.log.note(notedEvent{expired: &x, at: now, result: result, steps: steps, from: before.entries, letters: letters})
	}
	return true
}

// longestWait is how late a key whose time is up may be noticed when nothing else happens: the wall
// clock may be set meanwhile, and rules be replaced.
const longestWait = time.Second

// due returns a channel that says when there may be something to do without an event; nil while
// nothing is remembered.
func (c *Committer) due() <-chan time.Time {
	at, ok := c.memory.Next()
	if !ok {
		return nil
	}
	wait := min(longestWait, time.Until(at))
	if c.memory.Over() {
		wait = 0
	}
	return time.After(wait)
}
