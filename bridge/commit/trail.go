package commit

import (
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/trail"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/topic"
)

// A Trail knows what has become of recent events, as far as its room goes, and has the newest dead
// letters. While somebody watches it has the newest events themselves, too. It outlasts the
// Committers that write to it, one at a time. NewTrail makes it. It is safe for concurrent use.
type Trail struct {
	ring    *trail.Ring
	tap     tap
	letters recentLetters
}

// NewTrail returns a Trail with room for that many bytes of what has become of events.
func NewTrail(bytes int) *Trail { return &Trail{ring: trail.New(bytes)} }

// note notes what has become of the events, whose entries have been appended. It returns the room
// for a record, to be given to the next call.
func (t *Trail) note(events []notedEvent, entries []journal.Entry, why *reasons, room []byte) []byte {
	watched := t.tap.watched()
	for i := range events {
		n := &events[i]
		room = n.appendTraced(room[:0], entries, why)
		number := t.ring.Add(room)
		for _, l := range n.letters {
			t.letters.add(l.recent(number, n.at))
		}
		if watched && n.event != nil {
			t.tap.add(number, n.event)
		}
	}
	return room
}

// Since returns the time from which on no event was forgotten.
func (t *Trail) Since() time.Time { return t.ring.Since() }

// Events returns the events that match among those after the one with that number, the newest limit
// of them, in their order; nil matches all. newest is the number of the newest event there is, 0
// before the first. skipped is how many after that number were not looked at, because they are
// forgotten, or older than what is returned. A number that was not given yet, as by a bridge that ran
// before, stands for 0. match must not keep what it is given.
func (t *Trail) Events(after uint64, limit int, match func(*TracedEvent) bool) (events []NumberedEvent, newest uint64, skipped int) {
	newest = t.ring.Last()
	if after > newest {
		after = 0
	}
	oldest := newest + 1 // of those that were looked at
	for number, record := range t.ring.Backward(after) {
		if number > newest {
			newest, oldest = number, number+1
		}
		if len(events) >= limit {
			break
		}
		oldest = number
		e := NumberedEvent{number, decodeTraced(record)}
		if match == nil || match(&e.TracedEvent) {
			events = append(events, e)
		}
	}
	slices.Reverse(events)
	return events, newest, int(oldest - after - 1)
}

// Event returns the event with that number, if it is not forgotten.
func (t *Trail) Event(number uint64) (e NumberedEvent, ok bool) {
	record, ok := t.ring.Get(number)
	if !ok {
		return e, false
	}
	return NumberedEvent{number, decodeTraced(record)}, true
}

// OfTopic returns the newest limit of the events whose topic the filter matches, and that were
// received in that time, in their order; more is how many there are before them. A zero until stands
// for now.
func (t *Trail) OfTopic(filter string, since, until time.Time, limit int) (events []NumberedEvent, more int) {
	for number, record := range t.ring.Backward(t.ring.Before(since)) { // an event is received before it is noted
		at, name := topicOf(record)
		if len(name) == 0 || at.Before(since) || !until.IsZero() && at.After(until) || !topic.Match(filter, string(name)) {
			continue
		}
		if len(events) < limit {
			events = append(events, NumberedEvent{number, decodeTraced(record)})
		} else {
			more++
		}
	}
	slices.Reverse(events)
	return events, more
}

// At returns the event that has become the entry at the position, if it is not forgotten. It is found
// sooner if it is known when it was received; the zero time: it is not known.
func (t *Trail) At(position uint64, received time.Time) (e NumberedEvent, ok bool) {
	after := t.ring.Before(received)
	if e, ok = t.atAfter(after, position); !ok && after > 0 {
		return t.atAfter(0, position) // the clock was set
	}
	return e, ok
}

// atAfter looks for it after the event with that number.
func (t *Trail) atAfter(after, position uint64) (e NumberedEvent, ok bool) {
	for number, record := range t.ring.Forward(after) {
		has, first := hasPosition(record, position)
		if has {
			return NumberedEvent{number, decodeTraced(record)}, true
		}
		if first > position { // they are in the order of their positions
			break
		}
	}
	return e, false
}

// Watch has the newest events kept, from now on until stop is called by all who watch: 2 MiB of them
// at most, and none whose payload is larger than 64 KiB. Without a watcher it costs a batch one look.
func (t *Trail) Watch() (stop func()) { return t.tap.watch() }

// Received returns the event with that number as it was received, if it was kept. Its payload must not
// be changed.
func (t *Trail) Received(number uint64) (mapping.Event, bool) { return t.tap.get(number) }

// DeadLetters returns the newest dead letters, the newest first: 100, and 1 MiB, at most.
func (t *Trail) DeadLetters() []DeadLetter { return t.letters.all() }
