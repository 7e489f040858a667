package commit

import (
	"context"
	"fmt"
	"slices"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// Bounds of what one transaction holds: it ends with the event that reaches one of them.
const (
	maxEvents     = 256
	maxBatchBytes = 4 << 20 // of the entries
	maxEvicted    = 1000    // keys that a bound takes after one event
)

// recordSize is more than a record takes of a batch: for each event one of its packet identifier,
// for each output one of its dedupe key.
const recordSize = 160

// A batch is what one transaction does for some events.
type batch struct {
	journal.Batch
	deadLetters []deadLetter // to be acknowledged by the broker first
	size        int          // at most the Size of the Batch
	limit       int          // of size, by the store
	log         *eventLog    // nil: no line an event is wanted
}

// commitBatch does with the first n of the events what promise 1 says, in its order: the dead
// letters are acknowledged by the broker, the entries are committed, then the events are
// acknowledged as they came. After an error nothing is acknowledged, and the broker sends the
// events again.
func (c *Committer) commitBatch(ctx context.Context, events []*mqtt.Event) (n int, err error) {
	r := c.rules.Load() // one set of rules for the whole batch
	b := batch{limit: c.store.MaxBatch() - recordSize*len(c.redeliveries.unlogged), log: newEventLog(c.logger)}
	if events[0].Reading == mqtt.ReadingBegins {
		if err := c.begin(ctx); err != nil {
			return 0, err
		}
		n = 1
	}
	for n < len(events) && b.size < maxBatchBytes && events[n].Reading != mqtt.ReadingBegins && c.take(events[n], r, &b) {
		n++
	}
	// The other way round, an event would be known as journalled, and its dead letter lost, if the
	// process ended in between.
	if err := c.deadLetters.publish(ctx, b.deadLetters); err != nil {
		return n, err
	}
	b.Records = append(b.Records, c.redeliveries.records(c.source.Pongs(), len(b.Entries) > 0)...)
	if err := c.append(ctx, b.Batch); err != nil {
		return n, err
	}
	for _, e := range events[:n] {
		c.source.Ack(e)
	}
	b.log.write(c.logger, b.Entries)
	return n, nil
}

// take maps one event, counts its outcomes and adds to the batch what comes of them. It reports
// false where the batch has no room left for that; then the event is not taken. An empty batch has
// room for everything.
func (c *Committer) take(e *mqtt.Event, r *rules, b *batch) bool {
	if e.Reading == mqtt.ReadingEnds {
		c.newest = nil
		return true
	}
	event := ForRules(e)
	event.Stamp = c.stamp
	result, steps := b.log.run(r.Mapper, event)
	c.rejectLong(&result, r.Mapper)
	state := r.state(result)
	var (
		there []int // the outputs that the journal has
		known bool  // nothing of the event is news
	)
	if e.Reading == mqtt.ReadingCopy {
		there, known = c.news(e, event, r, &result)
	}
	before := len(b.Entries)
	b.add(e, result.Outputs)
	size := journal.Batch{Entries: b.Entries[before:]}.Size() + recordSize*(1+len(result.Outputs))
	if state {
		size += recordSize // its topic's
	}
	switch {
	case size > b.limit:
		b.Entries = b.Entries[:before]
		result = tooLarge(result, r.Mapper, size, b.limit)
		size = recordSize
	case b.size+size > b.limit:
		b.Entries = b.Entries[:before]
		return false // the next batch takes it. The rules map it once more then, which is cheaper than keeping every result
	}
	b.size += size

	redelivered := false
	if e.Reading == mqtt.ReadingNone {
		// Redeliveries are told of every event of the session, in order and whatever the rules make
		// of it: each is a use of a packet identifier.
		var absent bool
		if redelivered, absent = c.redeliveries.seen(e); absent {
			b.Drop = append(b.Drop, recordsRedelivery) // they are of a session that the broker no longer has
		}
	}
	if state && !redelivered {
		b.Records = append(b.Records, c.topics.note(e, sumOfEvent(e, r.hash))...)
	}
	if redelivered || known {
		b.Entries = b.Entries[:before]
		c.counts.count(result, true, nil)
		b.log.note(notedEvent{event: e, result: result, steps: steps, duplicate: true})
		return true
	}
	if result.DeadLetter && len(result.Outcomes) > 0 {
		c.deadLetters.received(e.Topic)
	}
	repeated := c.dropRepeats(e, result.Outputs, there, b, before)
	if c.newest != nil {
		c.newest.note(b.Entries[before:])
	}
	c.counts.count(result, false, repeated)
	if e.QoS > 0 && len(result.Outputs) > 0 {
		c.redeliveries.use(e) // also where dedupe has dropped all of it: a copy may come when the window is over
	}
	c.addDeadLetters(e, result.Rejections, b)
	b.log.note(notedEvent{event: e, result: result, steps: steps, repeated: repeated, there: there, from: before})
	return true
}

// addDeadLetters adds the dead letters of the event, unless it is one that has come back.
func (c *Committer) addDeadLetters(e *mqtt.Event, rejections []mapping.Rejection, b *batch) {
	if len(rejections) == 0 {
		return
	}
	if c.echoes.has(e) {
		c.deadLetters.received(e.Topic)
		return
	}
	c.echoes.made(e)
	b.deadLetters = append(b.deadLetters, deadLettersOf(e, rejections)...)
}

// add appends the entries of an event's outputs.
func (b *batch) add(e *mqtt.Event, outputs []mapping.Output) {
	trace := traceParent(e.User)
	for _, o := range outputs {
		b.Entries = append(b.Entries, entryOf(o, e.Received, trace))
	}
}

// dropRepeats takes those entries out again, from the given one on, whose output's dedupe key was
// mapped before, or that the journal has, and adds the records of the others' keys. It returns the
// indices of those outputs.
func (c *Committer) dropRepeats(e *mqtt.Event, outputs []mapping.Output, there []int, b *batch, from int) (repeated []int) {
	kept := from
	tx := c.memory.Begin(e.Received)
	for i, o := range outputs {
		if slices.Contains(there, i) {
			repeated = append(repeated, i)
			continue
		}
		if o.DedupeKey != "" {
			if tx.Repeats(o.Rule, o.DedupeKey, o.DedupeWindow) {
				repeated = append(repeated, i)
				continue
			}
			tx.Note(o.Rule, o.DedupeKey, o.DedupeWindow)
		}
		b.Entries[kept] = b.Entries[from+i]
		kept++
	}
	b.Entries = b.Entries[:kept]
	b.Records = append(b.Records, toJournal(tx.Records())...)
	tx.Commit()
	b.Records = append(b.Records, toJournal(c.memory.Evict(maxEvicted))...)
	return repeated
}

// tooLarge returns the result of an event whose outputs take more than one transaction may hold:
// each rule that has some rejects it, since an event is journalled as a whole or comes again for
// ever.
func tooLarge(r mapping.Result, mapper *mapping.Mapper, size, limit int) mapping.Result {
	reason := fmt.Sprintf("becomes %.1f MB, the journal takes %.1f MB", float64(size)/1e6, float64(limit)/1e6)
	rejected := map[string]bool{}
	for i, o := range r.Outcomes {
		if o.What == mapping.Mapped {
			r.Outcomes[i].What, r.Outcomes[i].Why = mapping.Rejected, "too large"
			rejected[o.Rule] = true
		}
	}
	for _, info := range mapper.Rules() {
		if rejected[info.Name] {
			r.Rejections = append(r.Rejections, mapping.Rejection{Rule: info.Name, Stage: "journal", Item: -1,
				File: info.File, Line: info.Line, Kind: "too large", Reason: reason})
		}
	}
	r.Outputs = nil
	return r
}
