package commit

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// Bounds of the events that a tap keeps.
const (
	maxTapped        = 2 << 20  // bytes of all
	maxTappedPayload = 64 << 10 // of one
)

// A tap keeps the newest events while somebody watches. The zero value is ready to use.
type tap struct {
	watchers atomic.Int32 // changes with mu held

	mu     sync.Mutex
	events []tappedEvent // in the order of their numbers; none without watchers
	bytes  int
}

type tappedEvent struct {
	number uint64
	event  mapping.Event
}

// size is about what the event takes.
func (e *tappedEvent) size() int { return eventSize(&e.event) }

// eventSize is about what an event takes in memory.
func eventSize(e *mapping.Event) int {
	const header = 200 // the struct, and the map of the user properties
	n := header + len(e.Topic) + len(e.Payload) + len(e.ContentType)
	for name, value := range e.User {
		n += len(name) + len(value) + 64
	}
	return n
}

// keptEvent returns the event as the rules see it, for keeping: its payload is its own, for what
// was received may share memory with much else.
func keptEvent(e *mqtt.Event) mapping.Event {
	kept := ForRules(e)
	kept.Payload = bytes.Clone(e.Payload)
	return kept
}

// watch keeps events until stop is called.
func (t *tap) watch() (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchers.Add(1)
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.watchers.Add(-1) == 0 {
			t.events, t.bytes = nil, 0
		}
	})
}

func (t *tap) watched() bool { return t.watchers.Load() > 0 }

// add keeps a copy of the event, if somebody watches. The oldest make room.
func (t *tap) add(number uint64, e *mqtt.Event) {
	if len(e.Payload) > maxTappedPayload {
		return
	}
	kept := tappedEvent{number, keptEvent(e)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.watched() {
		return
	}
	t.events = append(t.events, kept)
	t.bytes += kept.size()
	for t.bytes > maxTapped {
		t.bytes -= t.events[0].size()
		t.events[0] = tappedEvent{} // or the array would keep it alive
		t.events = t.events[1:]
	}
}

// get returns the event with that number, if it is kept.
func (t *tap) get(number uint64) (mapping.Event, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := slices.BinarySearchFunc(t.events, number, func(e tappedEvent, n uint64) int { return cmp.Compare(e.number, n) })
	if !ok {
		return mapping.Event{}, false
	}
	return t.events[i].event, true
}
