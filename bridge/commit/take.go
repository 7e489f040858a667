package commit

import (
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// A mapped event is one with what the rules have made of it.
type mapped struct {
	*mqtt.Event
	result  mapping.Result
	steps   []mapping.RuleTrace
	tx      *memory.Tx
	depends bool // on what came before, by what the rules remember
	state   bool // a rule that maps retained messages has made something of it
	news    news
	before  mark // of the batch
}

// take maps one event, counts its outcomes and adds to the batch what comes of them. It reports
// false where the batch has no room left for that; then the event is not taken. An empty batch has
// room for everything.
func (c *Committer) take(e *mqtt.Event, r *rules, b *batch) bool {
	if e.Reading == mqtt.ReadingEnds {
		c.newest = nil
		return true
	}
	m := c.mapEvent(e, r, b.log)
	if !c.add(&m, r, b) {
		return false // the next batch takes it. The rules map it once more then, which is cheaper than keeping every result
	}
	redelivered := c.redelivered(e, b)
	if redelivered || m.news.known {
		b.Entries, b.Records = b.Entries[:m.before.entries], b.Records[:m.before.records]
	}
	if m.state && !redelivered {
		b.Records = append(b.Records, c.topics.note(e, sumOfEvent(e, r.hash))...)
	}
	if redelivered || m.news.known {
		c.counts.count(m.result, true, nil)
		b.log.note(notedEvent{event: e, result: m.result, steps: m.steps, duplicate: true})
		return true
	}
	c.accept(&m, b)
	return true
}

// mapEvent has the rules map the event, and finds what of it is no news.
func (c *Committer) mapEvent(e *mqtt.Event, r *rules, log *eventLog) mapped {
	m := mapped{Event: e, tx: c.memory.Begin(e.Received)}
	event := ForRules(e)
	event.Stamp, event.State = c.stamp, m.tx
	m.result, m.steps = log.run(r.Mapper, event)
	m.depends, m.state = m.tx.Used(), r.state(m.result)
	if e.Reading == mqtt.ReadingCopy {
		if m.news = c.news(e, event, r, &m.result); m.news.again {
			m.tx = c.memory.Begin(e.Received) // its changes were made then
		}
	}
	return m
}

// add adds the entries of the event and what is remembered of it, if the batch has room.
func (c *Committer) add(m *mapped, r *rules, b *batch) bool {
	m.before = b.mark()
	b.add(m.result.Outputs, m.Received, traceParent(m.User))
	b.record(m.tx.Records())
	b.size += recordSize // its packet identifier's
	if m.state {
		b.size += recordSize // its topic's
	}
	size := b.size - m.before.size
	switch b.fit(m.before) {
	case another:
		return false
	case never:
		m.result = tooLarge(m.result, r.Mapper, size, b.limit)
		m.tx = c.memory.Begin(m.Received)
		b.size += recordSize
	}
	return true
}

// redelivered reports whether the broker sends an event again that is in the journal. Redeliveries
// are told of every event of the session, in order and whatever the rules make of it: each is a use
// of a packet identifier.
func (c *Committer) redelivered(e *mqtt.Event, b *batch) bool {
	if e.Reading != mqtt.ReadingNone {
		return false
	}
	duplicate, absent := c.redeliveries.seen(e)
	if absent {
		b.Drop = append(b.Drop, recordsRedelivery) // they are of a session that the broker no longer has
	}
	return duplicate
}

// accept takes an event that is news, whose entries are in the batch.
func (c *Committer) accept(m *mapped, b *batch) {
	if m.result.DeadLetter && len(m.result.Outcomes) > 0 {
		c.deadLetters.received(m.Topic)
	}
	b.dropThere(m.news.there, m.before.entries)
	m.tx.Commit()
	c.evict(b)
	if c.newest != nil {
		c.newest.note(b.Entries[m.before.entries:])
	}
	c.counts.count(m.result, false, m.news.there)
	if m.QoS > 0 && (m.depends || became(m.result)) {
		c.redeliveries.use(m.Event)
	}
	letters := c.addDeadLetters(deadLetter{event: m.Event}, m.result.Rejections, b)
	b.log.note(notedEvent{event: m.Event, result: m.result, steps: m.steps, there: m.news.there, from: m.before.entries, letters: letters})
}

// became reports whether anything has come of the event by a rule, or would have but for an earlier
// event.
func became(r mapping.Result) bool {
	for _, o := range r.Outcomes {
		if o.What == mapping.Mapped || o.What == mapping.Duplicate {
			return true
		}
	}
	return false
}
