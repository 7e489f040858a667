package jetstream

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
)

// WithSlack returns the options with so many bytes in the stream that may be needed no more.
func WithSlack(o Options, bytes int64) Options {
	o.slack = bytes
	return o
}

// Purge takes away the blocks before the sequence.
func (l *Log) Purge(ctx context.Context, before uint64) error { return l.store.purge(ctx, before) }

// Blocks returns the messages of a stream: so many blocks of entries, each the newest of its key.
func Blocks(tb testing.TB, blocks, entries int) [][]byte {
	tb.Helper()
	s := newStream()
	l := mustOpen(tb, &memoryStore{stream: s}, Options{})
	w := mustLead(tb, l)
	for i := range blocks {
		batch := journal.Batch{Entries: slices.Repeat([]journal.Entry{{Queue: "/queue/unread-count", Body: make([]byte, 500)}}, entries)}
		for n := range batch.Entries {
			batch.Entries[n].Key = fmt.Sprint(i*entries + n)
		}
		mustAppend(tb, w, batch)
	}
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	return s.messages
}

// Forget has nothing at hand of what was read.
func (l *Log) Forget() { l.cache = newCache(l.ctx, l.cache.limit, l.readRow) }

// Rights returns what the user of a replica must be allowed.
func (c Config) Rights() (publish, subscribe []string) {
	r := c.rights()
	return r.publish, r.subscribe
}
