package commit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping/contract"
)

// clockGeneration is how many conversations an UnreadClock remembers at least, and half of what it
// remembers at most.
const clockGeneration = 50_000

// An UnreadClock gives unread counts their time where the event has none: the time of receipt, but
// strictly later than the last count of the same conversation, since clients drop a count that is
// not more recent. Clocks of machines differ, and may be set back, so it knows the last counts of
// the log, whoever has committed them: by Load, and by Follow from before that on. The zero value
// knows of none. It is safe for concurrent use.
type UnreadClock struct {
	mu       sync.Mutex
	new, old map[string]time.Time // conversation -> its last time; old is the generation before
	loaded   bool                 // it knows what the log has, but for what it has given out itself
	leading  bool                 // it gives out what is committed
}

// next returns the time for a count received at the given one, in whole milliseconds as the payload
// has it.
func (c *UnreadClock) next(conversation string, received time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := received.Truncate(time.Millisecond)
	if last := c.last(conversation); !t.After(last) {
		t = last.Add(time.Millisecond)
	}
	c.remember(conversation, t)
	return t
}

// last returns the last time of the conversation; zero: it is not known.
func (c *UnreadClock) last(conversation string) time.Time {
	if t, ok := c.new[conversation]; ok {
		return t
	}
	return c.old[conversation]
}

func (c *UnreadClock) remember(conversation string, t time.Time) {
	if c.new == nil || len(c.new) >= clockGeneration {
		c.old, c.new = c.new, make(map[string]time.Time)
	}
	c.new[conversation] = t
}

// Load reads the last counts from the log, unless the clock knows them. It may go on when a first
// one has failed.
func (c *UnreadClock) Load(ctx context.Context, log Snapshot) error {
	c.mu.Lock()
	loaded := c.loaded
	c.mu.Unlock()
	for after := uint64(0); !loaded; {
		page, err := log.Latest(ctx, contract.QueueUnreadCount, after, 1000)
		if err != nil {
			return err
		}
		if loaded = len(page) == 0; loaded {
			break
		}
		if err := c.note(page); err != nil {
			return err
		}
		after = page[len(page)-1].Position
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded = true
	return nil
}

// note notes the counts among the entries.
func (c *UnreadClock) note(entries []journal.Entry) error {
	for i := range entries {
		e := &entries[i]
		if e.Queue != contract.QueueUnreadCount {
			continue
		}
		conversation, timestamp, err := contract.ParseUnread(e.Body)
		if err != nil {
			return fmt.Errorf("journal: entry at position %d: %w", e.Position, err)
		}
		c.mu.Lock()
		if timestamp.After(c.last(conversation)) {
			c.remember(conversation, timestamp)
		}
		c.mu.Unlock()
	}
	return nil
}

// Follow is for the log's Follow. What is committed while the clock leads it has given out itself.
func (c *UnreadClock) Follow(entries []journal.Entry) {
	c.mu.Lock()
	leading := c.leading
	c.mu.Unlock()
	if !leading {
		_ = c.note(entries) // an entry that does not parse has no time; Load says so
	}
}

// Lead says whether the clock gives out what is committed from now on. It must be loaded again
// before it leads a second time: others may have committed the last of what it took for its own.
func (c *UnreadClock) Lead(leading bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leading, c.loaded = leading, c.loaded && !leading
}
