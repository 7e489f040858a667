package bridge

import (
	"context"
	"errors"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
)

// Bounds of what one commit takes: a batch ends with the event that reaches one of them.
const (
	maxBatch      = 256     // events
	maxBatchBytes = 4 << 20 // of the bodies that they become
)

// commitAll takes events until there are no more, whatever waits at a time: the busier it is, the larger the batches.
func (b *Bridge) commitAll(ctx context.Context) {
	for first := range b.client.Events() {
		batch := append(make([]*mqtt.Event, 0, maxBatch), first)
		for len(batch) < maxBatch {
			e, more := poll(b.client.Events())
			if !more {
				break
			}
			batch = append(batch, e)
		}
		if b.commit(ctx, batch) != nil {
			for range b.client.Events() {
				// Nothing that comes after may be acknowledged either: the broker sends it again.
			}
			return
		}
	}
	if b.redeliveries.confirmed(b.client.Pongs()) {
		b.forgetRedeliveries("forgetting the packet identifiers whose acknowledgement the broker has had")
	}
}

// poll returns the next event if one waits.
func poll(events <-chan *mqtt.Event) (e *mqtt.Event, ok bool) {
	select {
	case e, ok = <-events:
		return e, ok
	default:
		return nil, false
	}
}

// commit commits the events, in as many batches as it takes.
func (b *Bridge) commit(ctx context.Context, events []*mqtt.Event) error {
	for len(events) > 0 {
		n, err := b.commitBatch(ctx, events)
		if err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// commitBatch does with the first n of the events what promise 1 says, in its order: the dead letters are acknowledged by the
// broker, the entries are committed, then the events are acknowledged as they came. After an error nothing is acknowledged,
// and the broker sends the events again.
func (b *Bridge) commitBatch(ctx context.Context, events []*mqtt.Event) (n int, err error) {
	mapper := b.mapper.Load() // one set of rules for the whole batch
	var commit journal.Batch
	var rejected []deadLetter
	for size := 0; n < len(events) && size < maxBatchBytes; n++ {
		before := len(commit.Entries)
		rejected = append(rejected, b.take(events[n], mapper, &commit)...)
		for _, e := range commit.Entries[before:] {
			size += len(e.Body)
		}
	}
	if err := b.letters.publish(ctx, rejected); err != nil {
		return n, err
	}
	commit.Marks = append(commit.Marks, b.redeliveries.marks(b.client.Pongs(), len(commit.Entries) > 0)...)
	if err := b.append(ctx, commit); err != nil {
		return n, err
	}
	for _, e := range events[:n] {
		b.client.Ack(e)
	}
	return n, nil
}

// take maps one event and counts its outcomes. It adds what is to be committed, and returns the dead letters.
func (b *Bridge) take(e *mqtt.Event, mapper *mapping.Mapper, commit *journal.Batch) []deadLetter {
	duplicate := b.isDuplicate(e)
	event := mapped(e)
	event.Stamp = b.stamp
	result := mapper.Map(event)
	if duplicate {
		b.rules.count(result, duplicate, nil)
		return nil
	}
	var repeated []string // rules
	trace := traceParent(e.User)
	for _, o := range result.Outputs {
		known, marks := b.repeats.seen(o, e.Received)
		if known {
			repeated = append(repeated, o.Rule)
			continue
		}
		commit.Marks = append(commit.Marks, marks...)
		commit.Entries = append(commit.Entries, entryOf(o, e.Received, trace))
	}
	b.rules.count(result, duplicate, repeated)
	if e.QoS > 0 && len(result.Outputs) > 0 {
		b.redeliveries.use(e)
	}
	return deadLettersOf(e, result.Rejections)
}

// isDuplicate reports whether the event was journalled before and comes again only because its acknowledgement got lost.
func (b *Bridge) isDuplicate(e *mqtt.Event) bool {
	duplicate, absent := b.redeliveries.seen(e)
	if !absent {
		return duplicate
	}
	b.forgetRedeliveries("forgetting the packet identifiers of a session that the broker no longer has")
	return duplicate
}

func (b *Bridge) forgetRedeliveries(doing string) {
	if err := b.log.DropMarks(markRedelivery); err != nil {
		b.logger.Warn(doing, "error", err)
	}
}

// mapped is the event as the rules see it. Of a user property that stands twice the last counts.
func mapped(e *mqtt.Event) mapping.Event {
	var user map[string]string
	if len(e.User) > 0 {
		user = make(map[string]string, len(e.User))
		for _, p := range e.User {
			user[p.Name] = p.Value
		}
	}
	return mapping.Event{
		Topic:       e.Topic,
		Payload:     e.Payload,
		QoS:         e.QoS,
		Retained:    e.Retained,
		ContentType: e.ContentType,
		User:        user,
		Received:    e.Received,
	}
}

// entryOf is the output as the journal keeps it.
func entryOf(o mapping.Output, received time.Time, trace string) journal.Entry {
	return journal.Entry{Time: received, Queue: o.Queue, Key: latestKey(o), Audience: o.Audience, Body: o.Body, TraceParent: trace}
}

// latestKey is the name under which the log keeps the newest entry: one namespace over all queues, so that a channel is in
// the snapshot of one queue only, and one for each audience, so that what only some may get hides nothing from the others.
func latestKey(o mapping.Output) string {
	if o.Key == "" {
		return ""
	}
	key := "channel/" + o.Key
	if o.Queue == contract.QueueUnreadCount {
		key = "conversation/" + o.Key
	}
	if o.Audience != nil {
		key += "/" + o.Audience.Key()
	}
	return key
}

// appendPause is the time between two attempts to append.
const appendPause = time.Second

// append commits the batch. While there is no room it tries again until ctx is done: the events stay with the broker, and
// after the second failure the connection is closed on purpose, since a handler that blocks would have it flap. Any other
// error of the log is final: what lies in it is uncertain until it is opened again, so Run ends.
func (b *Bridge) append(ctx context.Context, commit journal.Batch) error {
	if len(commit.Entries)+len(commit.Marks) == 0 {
		return nil
	}
	for attempt := 1; ; attempt++ {
		err := b.log.Append(ctx, commit)
		switch {
		case err == nil:
			b.appended()
			return nil
		case !errors.Is(err, journal.ErrFull):
			if ctx.Err() == nil {
				b.failed <- err
			}
			return err
		}
		if b.stalled.Swap(&err) == nil {
			b.logger.Error("no room for the journal; events stay with the broker until there is", "error", err)
		}
		if attempt == 2 {
			b.client.Pause(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(appendPause):
		}
	}
}

// appended takes back what append did about a full disk.
func (b *Bridge) appended() {
	if b.stalled.Swap(nil) != nil {
		b.logger.Info("there is room for the journal again")
		b.client.Resume()
	}
}
