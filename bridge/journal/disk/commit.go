package disk

import (
	"bytes"
	"encoding/binary"
	"time"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// A commit is what one transaction does. It changes nothing of the log, which takes the outcome
// over afterwards.
type commit struct {
	log     *Log
	group   []*request
	entries []journal.Entry // of the group, with their positions
	put     []newest
	keys    map[string]bool // in put
	forget  []retention.Item
	trimmed map[string]uint64 // queue -> position of the newest that has left
	clock   retention.Reading
	step    retention.Step

	// what will hold of the log
	totals
	swept string
	saved bool
	state []byte
}

type newest struct {
	queue string
	item  retention.Item
}

func (l *Log) newCommit(group []*request) *commit {
	c := &commit{
		log:     l,
		group:   group,
		keys:    map[string]bool{},
		trimmed: map[string]uint64{},
		clock:   l.clock.Read(),
		totals:  l.totals,
		swept:   l.swept,
	}
	l.settle(c.clock)
	c.saved = l.saved
	for _, r := range group {
		c.entries = append(c.entries, r.batch.Entries...)
	}
	for i := range c.entries { // copies: the callers' are set when they are committed
		c.entries[i].Position = c.last + 1 + uint64(i)
	}
	c.step.Entries = len(c.entries)
	return c
}

// settle notes by how much the entries so far were noted as appended too late, once that is known.
func (l *Log) settle(r retention.Reading) {
	if l.settled || !r.Settled {
		return
	}
	l.settled = true
	if r.Ahead == 0 {
		return
	}
	n := l.incarnations.now()
	n.began, n.ahead, n.until = r.Began, r.Ahead, l.totals.last
	l.saved = false
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest.Restamp(func(it retention.Item) time.Duration { return n.correct(it.Position, it.AppendedAt) })
}

// write does it all, in an order that matters: what is added counts when something must go, a key
// that has a newer entry keeps no older one beyond retention, and the totals come last.
func (c *commit) write(tx *bolt.Tx) error {
	if err := c.log.checkState(tx); err != nil {
		return err
	}
	entries, kept, records := tx.Bucket(bucketEntries), tx.Bucket(bucketKept), tx.Bucket(bucketRecords)
	// Positions only grow, so nothing is ever inserted into a full page: fill pages, instead of
	// splitting them in half.
	entries.FillPercent = 1
	kept.FillPercent = 1
	if err := c.add(entries); err != nil {
		return err
	}
	if err := c.replace(kept); err != nil {
		return err
	}
	if err := c.trim(entries, kept); err != nil {
		return err
	}
	if err := c.forgetKeys(kept); err != nil {
		return err
	}
	if err := c.record(records); err != nil {
		return err
	}
	if err := c.sweep(records); err != nil {
		return err
	}
	if err := c.saveIncarnations(tx); err != nil {
		return err
	}
	s := state{totals: c.totals, lived: c.clock.Lived, left: c.clock.Left, epoch: c.log.Epoch(c.last)}
	c.state = s.encode()
	return tx.Bucket(bucketLog).Put(keyState, c.state)
}

func (c *commit) add(entries *bolt.Bucket) error {
	for i := range c.entries {
		e := &c.entries[i]
		key := positionKey(e.Position)
		v := newValue(key, e, c.clock.AppendedAt)
		if err := entries.Put(key, v); err != nil {
			return err
		}
		c.step.Bytes += v.size()
		c.last = e.Position
		if e.Key != "" {
			c.keys[e.Key] = true
			item := retention.Item{Key: e.Key, Position: e.Position, AppendedAt: c.clock.AppendedAt, Size: v.size()}
			c.put = append(c.put, newest{e.Queue, item})
		}
	}
	c.bytes += c.step.Bytes
	return nil
}

// replace drops what is kept for keys that have a newer entry now.
func (c *commit) replace(kept *bolt.Bucket) error {
	for key := range c.keys {
		if it, ok := c.log.newest.Get(key); ok && it.Position < c.first {
			if err := c.drop(kept, it); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *commit) drop(kept *bolt.Bucket, it retention.Item) error {
	c.kept -= it.Size
	return kept.Delete(positionKey(it.Position))
}

// trim takes entries from the front that are too old or too much, a step of them, and keeps those
// that are the newest of their key. What the group itself adds stays.
func (c *commit) trim(entries, kept *bolt.Bucket) error {
	type old struct {
		key   []byte
		value value
	}
	var gone []old // found first: a cursor does not survive deletes in its bucket
	step, size := c.step, c.bytes
	cursor := entries.Cursor()
	for k, v := cursor.First(); k != nil && binary.BigEndian.Uint64(k) <= c.log.totals.last; k, v = cursor.Next() {
		e := value(v)
		age := c.clock.Lived - c.log.incarnations.appendedAt(binary.BigEndian.Uint64(k), e.appendedAt())
		if !c.log.limits.Exceeded(age, size) || !step.Take(e.size()) {
			break
		}
		size -= e.size()
		gone = append(gone, old{k, e})
	}
	for _, o := range gone { // keys and values hold until the transaction ends
		c.trimmed[o.value.queue()] = c.first
		// log.newest does not know this commit yet; c.keys are the keys that have a newer entry in
		// it.
		if it, ok := c.log.newest.Get(o.value.key()); ok && it.Position == c.first && !c.keys[it.Key] {
			if err := kept.Put(o.key, o.value); err != nil {
				return err
			}
			c.kept += o.value.size()
		}
		if err := entries.Delete(o.key); err != nil {
			return err
		}
		c.first++
	}
	c.bytes = size
	return nil
}

// forgetKeys drops keys beyond the limits, a step of them.
func (c *commit) forgetKeys(kept *bolt.Bucket) error {
	for _, it := range c.log.newest.Excess(c.log.limits, c.clock.Lived, c.first, c.kept, c.step) {
		if c.keys[it.Key] {
			continue // used again by this very commit
		}
		c.forget = append(c.forget, it)
		if it.Position < c.first { // otherwise it is only in entries, and goes with them
			if err := c.drop(kept, it); err != nil {
				return err
			}
		}
	}
	return nil
}

// record drops and keeps records, one Append after the other.
func (c *commit) record(records *bolt.Bucket) error {
	now := c.log.now()
	for _, r := range c.group {
		for _, prefix := range r.batch.Drop {
			if err := c.dropRecords(records, []byte(prefix)); err != nil {
				return err
			}
		}
		for _, r := range r.batch.Records {
			if err := c.keepRecord(records, r, now); err != nil {
				return err
			}
			c.step.Entries++ // so that sweep looks at more than come
		}
	}
	return nil
}

func (c *commit) keepRecord(records *bolt.Bucket, r journal.Record, now time.Time) error {
	name, known := []byte(r.Name), records.Get([]byte(r.Name)) != nil
	switch {
	case !r.Expired(now):
		if !known {
			c.totals.records++
		}
		return records.Put(name, newRecord(r))
	case known:
		c.totals.records--
		return records.Delete(name)
	}
	return nil
}

func (c *commit) dropRecords(records *bolt.Bucket, prefix []byte) error {
	var names [][]byte
	cursor := records.Cursor()
	for k, _ := cursor.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = cursor.Next() {
		names = append(names, k)
	}
	c.totals.records -= int64(len(names))
	return deleteAll(records, names)
}

// sweep looks at some records after those that the last commit looked at, more than are added, and
// drops the expired ones.
func (c *commit) sweep(records *bolt.Bucket) error {
	now := c.log.now()
	var expired [][]byte
	cursor := records.Cursor()
	k, v := cursor.Seek([]byte(c.swept))
	for range 64 + 2*c.step.Entries {
		if k == nil {
			c.swept = ""
			break
		}
		if (journal.Record{Expires: recordExpires(v)}).Expired(now) {
			expired = append(expired, k)
		}
		k, v = cursor.Next()
		c.swept = string(k)
	}
	c.totals.records -= int64(len(expired))
	return deleteAll(records, expired)
}

func deleteAll(b *bolt.Bucket, keys [][]byte) error {
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
