package jetstream

import (
	"context"
	"errors"
	"time"
)

// A store is one stream of messages with sequences from 1, without holes, from which the oldest may
// be purged. An error that is not named here means that the store cannot be reached now; what was
// asked for may have been done. All methods are safe for concurrent use.
type store interface {
	// Append adds a message behind the one with the sequence after; 0: to a stream that never had
	// any. It returns nil once that is committed, errBehind when the newest is another one and
	// errFull when there is no room, and then this call has added nothing.
	append(ctx context.Context, after uint64, data []byte) error

	// Read returns messages from the sequence on, in order and without a hole: at most max of them
	// and about so many bytes, but at least one. It returns none where who answers does not have
	// that one: it was purged, or it is not there yet.
	read(ctx context.Context, from uint64, max, bytes int) ([][]byte, error)

	// Ends returns the sequences of the oldest and the newest message, as who leads the stream
	// knows it: no message that was committed before the call lies beyond. first is last+1 when
	// there are none.
	ends(ctx context.Context) (first, last uint64, err error)

	// Purge takes away the messages before the sequence, none before 1.
	purge(ctx context.Context, before uint64) error

	// Subscribe has f called with messages that are committed from now on, one call at a time. Some
	// may be missing. f owns the data. The function it returns ends that.
	subscribe(f func(sequence uint64, data []byte)) (stop func(), err error)

	// Lease waits until nobody else holds the lease and takes it. may reports whether this replica
	// may take it when it has been free for so long.
	lease(ctx context.Context, may func(free time.Duration) bool) (lease, error)

	// Meet has the roster hear of all that are present, and from then on what they announce, and
	// answers those that ask who is there. The function it returns ends that, and tells them so.
	meet(ctx context.Context, r *roster) (leave func(), err error)

	// Announce tells the others. It may be lost.
	announce(announcement)

	// MaxMessage returns the largest message in bytes.
	maxMessage() int

	close()
}

// A lease keeps others from leading at the same time, as a rule: what is appended is safe by its
// place in the stream alone.
type lease interface {
	// Lost is closed when it can no longer be relied upon.
	lost() <-chan struct{}
	// Release gives it up.
	release()
}

var (
	errBehind = errors.New("journal: another one has appended to the stream")
	errFull   = errors.New("journal: the stream is full")
)
