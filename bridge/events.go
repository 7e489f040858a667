package bridge

import (
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/mapping"
)

// The methods below tell of the events that this bridge has read from the broker, over all of its
// turns. Where Config.TrailBytes is 0 there is nothing to tell.

// Events returns the events that match among those after the one with that number, the newest max of
// them, in their order; nil matches all. newest is the number of the newest event there is, 0 before
// the first: give it to the next call. skipped is how many after that number were not looked at,
// because they are forgotten, or older than what is returned. A number that was not given yet, as by
// a bridge that ran before, stands for 0. match must not keep what it is given.
func (b *Bridge) Events(after uint64, max int, match func(*commit.TracedEvent) bool) (events []commit.NumberedEvent, newest uint64, skipped int) {
	if b.trails.events == nil {
		return nil, 0, 0
	}
	return b.trails.events.Events(after, max, match)
}

// Watch has the newest events kept whole, for Event, from now on until stop is called by all who
// watch: 2 MiB of them at most, and none whose payload is larger than 64 KiB. Without a watcher
// nothing is kept.
func (b *Bridge) Watch() (stop func()) {
	if b.trails.events == nil {
		return func() {}
	}
	return b.trails.events.Watch()
}

// Event returns the event with that number as the rules have seen it, if it was kept. Its payload must
// not be changed.
func (b *Bridge) Event(number uint64) (mapping.Event, bool) {
	if b.trails.events == nil {
		return mapping.Event{}, false
	}
	return b.trails.events.Received(number)
}

// DeadLetters returns the newest dead letters, the newest first: 100, and 1 MiB, at most.
func (b *Bridge) DeadLetters() []commit.DeadLetter {
	if b.trails.events == nil {
		return nil
	}
	return b.trails.events.DeadLetters()
}
