package commit

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"mqtt-stomp-bridge/mapping"
)

// Bounds of the dead letters that recentLetters keep.
const (
	maxRecent        = 100
	maxRecentBytes   = 1 << 20
	maxRecentPayload = 64 << 10 // a letter with a larger one is kept without it
)

// A DeadLetter tells of one that was made. Key, Reason and Event may hold what the payload holds.
type DeadLetter struct {
	Number uint64        `json:"number"` // of the event in the Trail
	Time   time.Time     `json:"time"`   // when the event was received, or the key's time was up
	Topic  string        `json:"topic,omitempty"`
	Memory string        `json:"memory,omitempty"` // instead of Topic: it is of a key whose time was up
	Key    string        `json:"key,omitempty"`
	Rule   string        `json:"rule"`
	Stage  string        `json:"stage"`
	Field  string        `json:"field,omitempty"`
	Reason string        `json:"reason"`
	Place  string        `json:"place"` // FILE:LINE of what rejects it
	Bytes  int           `json:"bytes"` // of the payload, which Event lacks where it is larger than 64 KiB
	Event  mapping.Event `json:"-"`     // as it was received; of a key, its value is the payload
}

// recent tells of the letter of the event with that number.
func (d deadLetter) recent(number uint64, at time.Time) DeadLetter {
	r := d.rejections[0]
	reason, _, _ := d.reasons()
	l := DeadLetter{Number: number, Time: at.UTC(), Rule: r.Rule, Stage: r.Stage, Field: r.Field, Reason: reason,
		Place: fmt.Sprintf("%s:%d", r.File, r.Line), Bytes: len(d.payload())}
	if d.event == nil {
		l.Memory, l.Key = d.expired.Memory, d.expired.Key
		l.Event = mapping.Event{Payload: d.payload(), Received: at}
	} else {
		l.Time, l.Topic = d.event.Received.UTC(), d.event.Topic
		l.Event = keptEvent(d.event)
	}
	if l.Bytes > maxRecentPayload {
		l.Event.Payload = nil
	}
	return l
}

// recentLetters are the newest dead letters. The zero value is ready to use, by several goroutines
// at once.
type recentLetters struct {
	mu      sync.Mutex
	letters []DeadLetter // the oldest first
	bytes   int
}

func (d *DeadLetter) size() int { return eventSize(&d.Event) + len(d.Key) + len(d.Reason) }

// add keeps the letter; the oldest make room.
func (r *recentLetters) add(l DeadLetter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letters = append(r.letters, l)
	r.bytes += l.size()
	gone := 0
	for len(r.letters)-gone > maxRecent || r.bytes > maxRecentBytes {
		r.bytes -= r.letters[gone].size()
		gone++
	}
	r.letters = slices.Delete(r.letters, 0, gone)
}

// all returns the letters, the newest first.
func (r *recentLetters) all() []DeadLetter {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.letters)
	slices.Reverse(all)
	return all
}
