package jetstream

import "context"

// WithSlack returns the options with so many bytes in the stream that may be needed no more.
func WithSlack(o Options, bytes int64) Options {
	o.slack = bytes
	return o
}

// Purge takes away the blocks before the sequence.
func (l *Log) Purge(ctx context.Context, before uint64) error { return l.store.purge(ctx, before) }
