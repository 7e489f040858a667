package bridge

import (
	"sync"
	"time"
)

// stampGeneration is how many conversations a stamper remembers at least, and half of what it remembers at most.
const stampGeneration = 50_000

// A stamper gives unread counts their time where the event has none: the time of receipt, but strictly later than the last
// count of the same conversation, since clients drop a count that is not more recent. The zero value is ready to use.
type stamper struct {
	mu       sync.Mutex
	new, old map[string]time.Time // conversation -> its last time; old is the generation before
}

// next returns the time for a count received at the given one, in whole milliseconds as the payload has it.
func (s *stamper) next(conversation string, received time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := received.Truncate(time.Millisecond)
	last, ok := s.new[conversation]
	if !ok {
		last, ok = s.old[conversation]
	}
	if ok && !t.After(last) {
		t = last.Add(time.Millisecond)
	}
	if s.new == nil || len(s.new) >= stampGeneration {
		s.old, s.new = s.new, make(map[string]time.Time)
	}
	s.new[conversation] = t
	return t
}
