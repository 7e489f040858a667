package commit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// recordsTopic begins the names of the records below: one for each topic with state.
const recordsTopic = "topic/"

const (
	maxTopics   = 200_000             // that are remembered at the most, in the log too
	topicMemory = 90 * 24 * time.Hour // after the last event
)

// topics knows the last event of each topic that a rule with `retained: deliver` maps, so that a
// retained message is not taken for news that the journal has had, and that something else has
// overtaken since: another topic may speak of the same conversation or channel. It is not safe for
// concurrent use.
type topics struct {
	last    map[topicID]lastEvent
	reading uint32 // readings of retained messages begun so far
}

// A topicID is the beginning of a topic name's SHA-256.
type topicID [16]byte

// A lastEvent is what was committed last of a topic.
type lastEvent struct {
	eventSum
	live uint32 // the reading during or after which it came live; 0: before the first, or it was a copy
}

// An eventSum identifies what an event said, and what the rules were.
type eventSum struct{ payload, rules uint64 }

// newTopics reads what an earlier Committer has left in the store.
func newTopics(store Store) (*topics, error) {
	t := &topics{last: map[topicID]lastEvent{}}
	err := store.Records(recordsTopic, func(r journal.Record) bool {
		var id topicID
		n, err := hex.Decode(id[:], []byte(strings.TrimPrefix(r.Name, recordsTopic)))
		if err == nil && n == len(id) && len(r.Value) == 16 {
			t.last[id] = lastEvent{eventSum: eventSum{binary.BigEndian.Uint64(r.Value), binary.BigEndian.Uint64(r.Value[8:])}}
		}
		return len(t.last) < maxTopics
	})
	return t, err
}

// begin notes that a reading begins.
func (t *topics) begin() { t.reading++ }

// overtaken reports whether a live event of the topic was committed since the reading began.
func (t *topics) overtaken(topic string) bool {
	last, ok := t.last[idOf(topic)]
	return ok && t.reading > 0 && last.live == t.reading
}

// of returns the sum of the last event of the topic, the zero value where none is known.
func (t *topics) of(topic string) eventSum { return t.last[idOf(topic)].eventSum }

// note takes the event as the last of its topic. It returns the records to be committed with it.
func (t *topics) note(e *mqtt.Event, sum eventSum) (records []journal.Record) {
	if e.Reading == mqtt.ReadingCopy && t.overtaken(e.Topic) {
		return nil
	}
	id := idOf(e.Topic)
	known, ok := t.last[id]
	if !ok && len(t.last) >= maxTopics {
		records = t.makeRoom()
	}
	last := lastEvent{eventSum: sum, live: known.live}
	if e.Reading == mqtt.ReadingNone {
		last.live = t.reading
	}
	t.last[id] = last
	if ok && known.eventSum == sum {
		return records // the log knows
	}
	value := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, sum.payload), sum.rules)
	return append(records, journal.Record{Name: id.record(), Value: value, Expires: e.Received.Add(topicMemory)})
}

// makeRoom forgets arbitrary topics: that can only let news through twice.
func (t *topics) makeRoom() (forgotten []journal.Record) {
	for id := range t.last {
		if len(forgotten) == 200 {
			break
		}
		delete(t.last, id)
		forgotten = append(forgotten, journal.Record{Name: id.record(), Expires: time.Unix(0, 0)})
	}
	return forgotten
}

func idOf(topic string) (id topicID) {
	sum := sha256.Sum256([]byte(topic))
	copy(id[:], sum[:])
	return id
}

func (id topicID) record() string { return recordsTopic + hex.EncodeToString(id[:]) }

func sumOfEvent(e *mqtt.Event, rules uint64) eventSum {
	sum := sha256.Sum256(e.Payload)
	return eventSum{binary.BigEndian.Uint64(sum[:]), rules}
}
