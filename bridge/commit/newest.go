package commit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
)

// newest is the newest entry of each key, to compare retained messages with while they are read. It
// is not safe for concurrent use.
type newest struct {
	seed    maphash.Seed
	entries map[string]newestEntry // key -> its newest entry
}

type newestEntry struct {
	sum      uint64    // of queue and body
	received time.Time // when its event was
}

// loadNewest reads the log. While that cannot be reached it tries again until ctx is done.
func loadNewest(ctx context.Context, log Snapshot) (*newest, error) {
	n := &newest{seed: maphash.MakeSeed(), entries: map[string]newestEntry{}}
	for _, q := range contract.Queues() {
		if !q.Keyed {
			continue
		}
		if err := n.load(ctx, log, q.Name); err != nil {
			return nil, fmt.Errorf("reading the newest entries of %s: %w", q.Name, err)
		}
	}
	return n, nil
}

func (n *newest) load(ctx context.Context, log Snapshot, queue string) error {
	for after := uint64(0); ; {
		page, err := log.Latest(ctx, queue, after, 1000)
		switch {
		case errors.Is(err, journal.ErrAway):
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(appendPause):
			}
		case err != nil || len(page) == 0:
			return err
		default:
			n.note(page)
			after = page[len(page)-1].Position
		}
	}
}

// note takes the entries as the newest of their keys.
func (n *newest) note(entries []journal.Entry) {
	for _, e := range entries {
		if e.Key == "" {
			continue
		}
		n.entries[e.Key] = newestEntry{sum: n.sum(e.Queue, e.Body), received: e.Time}
	}
}

// has reports whether the i-th output of the event is the newest entry of its key already, apart
// from the time of receipt that a rule may have put into it.
func (n *newest) has(m *mapping.Mapper, event mapping.Event, i int, o mapping.Output) bool {
	x, ok := n.entries[latestKey(o)]
	if !ok || o.Key == "" {
		return false
	}
	if n.sum(o.Queue, o.Body) == x.sum {
		return true
	}
	// What would the rules have made of it then?
	event.Received = x.received
	again := m.Map(event).Outputs
	return i < len(again) && latestKey(again[i]) == latestKey(o) && n.sum(again[i].Queue, again[i].Body) == x.sum
}

// knows reports whether the output's key has a newest entry.
func (n *newest) knows(o mapping.Output) bool {
	_, ok := n.entries[latestKey(o)]
	return ok
}

func (n *newest) sum(queue string, body []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(n.seed)
	h.WriteString(queue)
	h.WriteByte(0)
	h.Write(body)
	return h.Sum64()
}
