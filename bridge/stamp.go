package bridge

import (
	"fmt"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping/contract"
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
	s.rememberLocked(conversation, t)
	return t
}

func (s *stamper) rememberLocked(conversation string, t time.Time) {
	if s.new == nil || len(s.new) >= stampGeneration {
		s.old, s.new = s.new, make(map[string]time.Time)
	}
	s.new[conversation] = t
}

// load reads the times of the last counts from the log: the clock may have been set back since.
func (s *stamper) load(log journal.Log) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for after := uint64(0); ; {
		page, err := log.Latest(contract.QueueUnreadCount, after, 1000)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			conversation, timestamp, err := contract.ParseUnread(e.Body)
			if err != nil {
				return fmt.Errorf("journal: entry at position %d: %w", e.Position, err)
			}
			s.rememberLocked(conversation, timestamp)
			after = e.Position
		}
	}
}
