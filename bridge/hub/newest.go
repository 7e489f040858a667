package hub

import (
	"context"

	"mqtt-stomp-bridge/bridge/journal"
)

// newestGeneration is how many keys a newest remembers at least, and half of what it remembers at
// most.
const newestGeneration = 100_000

// A newest knows the position of the newest entry of each key, as far as it remembers: of those
// used longest ago it forgets some when there are too many. What it does not know is never taken
// for overtaken. A nil newest knows nothing.
type newest struct {
	recent, before map[string]uint64 // key -> position; before is the generation before
}

// loadNewest returns what the log knows of the queue. What cannot be read is not known.
func loadNewest(ctx context.Context, log Log, queue string) *newest {
	n := &newest{recent: map[string]uint64{}}
	for after := uint64(0); ; {
		page, err := log.Latest(ctx, queue, after, pageEntries)
		if err != nil || len(page) == 0 {
			return n
		}
		for i := range page {
			n.put(&page[i])
			after = page[i].Position
		}
	}
}

func (n *newest) put(e *journal.Entry) {
	if n == nil || e.Key == "" {
		return
	}
	if _, known := n.recent[e.Key]; !known && len(n.recent) >= newestGeneration {
		n.recent, n.before = make(map[string]uint64), n.recent
	}
	n.recent[e.Key] = e.Position
}

// overtook reports whether there is a newer entry of e's key.
func (n *newest) overtook(e *journal.Entry) bool {
	return n != nil && e.Key != "" && n.position(e.Key) > e.Position
}

// position returns where the newest entry of the key is, 0 when that is not known.
func (n *newest) position(key string) uint64 {
	position, ok := n.recent[key]
	if !ok {
		position = n.before[key]
	}
	return position
}
