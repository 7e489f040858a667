package commit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// Bounds of what one transaction holds: it ends with the event that reaches one of them.
const (
	maxEvents     = 256
	maxBatchBytes = 4 << 20 // of all that is in it
)

// recordSize is more than a record of a packet identifier or of a topic takes of a batch.
const recordSize = 160

// A batch is what one transaction does for some events.
type batch struct {
	journal.Batch
	deadLetters []deadLetter // to be acknowledged by the broker first
	size        int          // at most the Size of the Batch
	limit       int          // of size, by the store
	expected    int          // about how many entries there will be
	expired     int          // keys whose time was up
	evicted     int          // keys that a bound has taken
	log         *eventLog    // nil: nobody wants to know what becomes of the events
}

// A mark is how far a batch has come.
type mark struct{ entries, records, size int }

func (b *batch) mark() mark { return mark{len(b.Entries), len(b.Records), b.size} }

// undo takes out what was added since the mark.
func (b *batch) undo(m mark) {
	b.Entries, b.Records, b.size = b.Entries[:m.entries], b.Records[:m.records], m.size
}

// A fit is whether a transaction takes what was added to a batch.
type fit int

const (
	fits    fit = iota
	another     // the next batch takes it; this one is as it was
	never       // no batch does; this one is as it was
)

// fit says whether the batch has room for what was added since the mark.
func (b *batch) fit(m mark) fit {
	switch {
	case b.size-m.size > b.limit:
		b.undo(m)
		return never
	case b.size > b.limit:
		b.undo(m)
		return another
	}
	return fits
}

// add appends the entries of outputs that belong to the time.
func (b *batch) add(outputs []mapping.Output, at time.Time, trace string) {
	before := len(b.Entries)
	if b.Entries == nil && len(outputs) > 0 {
		b.Entries = make([]journal.Entry, 0, max(len(outputs), b.expected))
	}
	for _, o := range outputs {
		b.Entries = append(b.Entries, entryOf(o, at, trace))
	}
	b.size += journal.Batch{Entries: b.Entries[before:]}.Size()
}

// record appends records of what rules remember.
func (b *batch) record(records []memory.Record) {
	before := len(b.Records)
	for _, r := range records {
		b.Records = append(b.Records, journal.Record(r))
	}
	b.size += journal.Batch{Records: b.Records[before:]}.Size()
}

// commitBatch does with the first n of the events what promise 1 says, in its order: the dead
// letters are acknowledged by the broker, the entries are committed, then the events are
// acknowledged as they came. After an error nothing is acknowledged, and the broker sends the
// events again. Without events it does what is due by itself.
func (c *Committer) commitBatch(ctx context.Context, events []*mqtt.Event) (n int, err error) {
	r := c.rules.Load() // one set of rules for the whole batch
	b := batch{size: recordSize * len(c.redeliveries.unlogged), limit: c.store.MaxBatch(), expected: len(events), log: c.newEventLog()}
	c.configure(r, &b)
	c.evict(&b)
	if len(events) == 0 {
		c.expire(time.Now(), r, &b)
	} else if events[0].Reading == mqtt.ReadingBegins {
		if err := c.begin(ctx); err != nil {
			return 0, err
		}
		n = 1
	}
	for n < len(events) && b.size < maxBatchBytes && events[n].Reading != mqtt.ReadingBegins &&
		c.expire(events[n].Received, r, &b) && c.take(events[n], r, &b) {
		n++
	}
	// The other way round, an event would be known as journalled, and its dead letter lost, if the
	// process ended in between.
	if err := c.deadLetters.publish(ctx, b.deadLetters); err != nil {
		return n, err
	}
	write := len(b.Entries)+len(b.Records)+len(b.Drop) > 0 || n == 0 && len(events) > 0 // what is unlogged may leave the event no room
	b.Records = append(b.Records, c.redeliveries.records(c.source.Pongs(), write)...)
	if err := c.append(ctx, b.Batch); err != nil {
		return n, err
	}
	c.source.Ack(events[:n]...)
	c.tell(b.log, b.Entries, r)
	if b.evicted > 0 {
		c.evictions.say(c.logger, c.memory.Counts())
	}
	return n, nil
}

// addDeadLetters adds the dead letters of the rejections and returns them: none where they are of a
// letter that has come back.
func (c *Committer) addDeadLetters(l deadLetter, rejections []mapping.Rejection, b *batch) (added []deadLetter) {
	if len(rejections) == 0 {
		return nil
	}
	if l.event != nil && c.echoes.has(l.event) {
		c.deadLetters.received(l.event.Topic)
		return nil
	}
	c.echoes.made(l.payload())
	added = l.split(rejections)
	b.deadLetters = append(b.deadLetters, added...)
	return added
}

// dropThere takes the entries out again, from the given one on, that the journal has.
func (b *batch) dropThere(there []int, from int) {
	kept := from
	for i, e := range b.Entries[from:] {
		if !slices.Contains(there, i) {
			b.Entries[kept] = e
			kept++
		}
	}
	b.Entries = b.Entries[:kept]
}

// tooLarge returns the result of an event whose outputs take more than one transaction may hold:
// each rule that has some rejects it, since an event is journalled as a whole or comes again for
// ever.
func tooLarge(r mapping.Result, mapper *mapping.Mapper, size, limit int) mapping.Result {
	reason := fmt.Sprintf("becomes %.1f MB, the journal takes %.1f MB", float64(size)/1e6, float64(limit)/1e6)
	rejected := map[string]bool{}
	for i, o := range r.Outcomes {
		if o.What == mapping.Mapped {
			r.Outcomes[i] = mapping.Outcome{Rule: o.Rule, Item: o.Item, What: mapping.Rejected, Why: "too large"}
			rejected[o.Rule] = true
		}
	}
	for _, info := range mapper.Rules() {
		if rejected[info.Name] {
			r.Rejections = append(r.Rejections, mapping.Rejection{Rule: info.Name, Stage: "journal", Item: -1,
				File: info.File, Line: info.Line, Kind: "too large", Reason: reason})
		}
	}
	r.Outputs, r.Changes = nil, nil
	return r
}
