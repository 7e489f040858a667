package commit

import (
	"mqtt-stomp-bridge/bridge/mqtt"
)

// take maps one event, counts its outcomes and adds to the batch what comes of them. It reports
// false where the batch has no room left for that; then the event is not taken. An empty batch has
// room for everything.
func (c *Committer) take(e *mqtt.Event, r *rules, b *batch) bool {
	if e.Reading == mqtt.ReadingEnds {
		c.newest = nil
		return true
	}
	tx := c.memory.Begin(e.Received)
	event := ForRules(e)
	event.Stamp, event.State = c.stamp, tx
	result, steps := b.log.run(r.Mapper, event)
	depends := tx.Used()
	state := r.state(result)
	var n news
	if e.Reading == mqtt.ReadingCopy {
		if n = c.news(e, event, r, &result); n.again {
			tx = c.memory.Begin(e.Received) // its changes were made then
		}
	}
	before := b.mark()
	b.add(result.Outputs, e.Received, traceParent(e.User))
	b.record(tx.Records())
	b.size += recordSize // its packet identifier's
	if state {
		b.size += recordSize // its topic's
	}
	switch size := b.since(before); {
	case size > b.limit:
		b.undo(before)
		result = tooLarge(result, r.Mapper, size, b.limit)
		tx = c.memory.Begin(e.Received)
		b.size += recordSize
	case b.size > b.limit:
		b.undo(before)
		return false // the next batch takes it. The rules map it once more then, which is cheaper than keeping every result
	}

	redelivered := false
	if e.Reading == mqtt.ReadingNone {
		// Redeliveries are told of every event of the session, in order and whatever the rules make
		// of it: each is a use of a packet identifier.
		var absent bool
		if redelivered, absent = c.redeliveries.seen(e); absent {
			b.Drop = append(b.Drop, recordsRedelivery) // they are of a session that the broker no longer has
		}
	}
	if redelivered || n.known {
		b.Entries, b.Records = b.Entries[:before.entries], b.Records[:before.records]
	}
	if state && !redelivered {
		b.Records = append(b.Records, c.topics.note(e, sumOfEvent(e, r.hash))...)
	}
	if redelivered || n.known {
		c.counts.count(result, true, nil)
		b.log.note(notedEvent{event: e, result: result, steps: steps, duplicate: true})
		return true
	}
	if result.DeadLetter && len(result.Outcomes) > 0 {
		c.deadLetters.received(e.Topic)
	}
	b.dropThere(n.there, before.entries)
	tx.Commit()
	c.evict(b)
	if c.newest != nil {
		c.newest.note(b.Entries[before.entries:])
	}
	c.counts.count(result, false, n.there)
	if e.QoS > 0 && (depends || became(result)) {
		c.redeliveries.use(e)
	}
	c.addDeadLetters(deadLetter{event: e}, result.Rejections, b)
	b.log.note(notedEvent{event: e, result: result, steps: steps, there: n.there, from: before.entries})
	return true
}
