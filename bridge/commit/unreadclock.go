package commit

import (
	"context"
	"fmt"
	"time"

	"mqtt-stomp-bridge/mapping/contract"
)

// clockGeneration is how many conversations an unreadClock remembers at least, and half of what it
// remembers at most.
const clockGeneration = 50_000

// An unreadClock gives unread counts their time where the event has none: the time of receipt, but
// strictly later than the last count of the same conversation, since clients drop a count that is
// not more recent. The zero value is ready to use. It is not safe for concurrent use.
type unreadClock struct {
	new, old map[string]time.Time // conversation -> its last time; old is the generation before
}

// next returns the time for a count received at the given one, in whole milliseconds as the payload
// has it.
func (c *unreadClock) next(conversation string, received time.Time) time.Time {
	t := received.Truncate(time.Millisecond)
	last, ok := c.new[conversation]
	if !ok {
		last, ok = c.old[conversation]
	}
	if ok && !t.After(last) {
		t = last.Add(time.Millisecond)
	}
	c.remember(conversation, t)
	return t
}

func (c *unreadClock) remember(conversation string, t time.Time) {
	if c.new == nil || len(c.new) >= clockGeneration {
		c.old, c.new = c.new, make(map[string]time.Time)
	}
	c.new[conversation] = t
}

// load reads the times of the last counts from the log: the clock may have been set back since.
func (c *unreadClock) load(ctx context.Context, log Snapshot) error {
	for after := uint64(0); ; {
		page, err := log.Latest(ctx, contract.QueueUnreadCount, after, 1000)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			conversation, timestamp, err := contract.ParseUnread(e.Body)
			if err != nil {
				return fmt.Errorf("journal: entry at position %d: %w", e.Position, err)
			}
			c.remember(conversation, timestamp)
			after = e.Position
		}
	}
}
