// Package journal is an ordered log of mapped entries and, beside it, records with expiry that are
// committed in the same transaction.
//
//	              entries: by position, from 1, one sequence over all queues
//	               trimmed | First                              Last
//	          - - - - - - -+----+----+----+----+----+----+----+----+
//	                       |    |    |    |    |    |    |    |    | <--- Append
//	          - - - - - - -+----+----+----+----+----+----+----+----+
//	newest of     ^                     ^    ^                            a Batch: entries, records and prefixes
//	their key: Latest, also beyond retention                              to drop, all of it or nothing
//
//	              records: by name, a later one replaces an earlier
//	          +----------+-------+---------+
//	          | name     | value | expires | <-------------------- Append
//	          +----------+-------+---------+
//
// Entries are what clients get: they leave by age and size, the oldest first. Records are what the
// writer itself must know after a restart, as of the last entry exactly: which events it has
// committed, which topic filters the broker may still hold.
//
// A log has two roles. Everybody follows and reads a Log. One at a time leads, and has the Writer:
// it appends, and reads the records.
package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrTrimmed is returned by Read when entries after the given position have left the log.
var ErrTrimmed = errors.New("journal: the entries after this position are no longer kept")

// ErrFull is returned by Append when there is no room to write: nothing was committed, and a later
// Append succeeds once there is room.
var ErrFull = errors.New("journal: no room to write")

// ErrTooLarge is returned by Append for a batch whose Size is more than MaxBatch: nothing was
// committed.
var ErrTooLarge = errors.New("journal: the batch is too large")

// ErrAway is returned by Read and Latest while the log cannot be reached. It passes by itself: the
// same call succeeds later. Only a log on a network returns it.
var ErrAway = errors.New("journal: the log cannot be reached")

// An Entry is one mapped event on its way to the subscribers of a queue. After Append it is
// read-only.
type Entry struct {
	Position uint64    // assigned by Append; from 1, one sequence over all queues
	Time     time.Time // when the bridge received the event
	Queue    string    // destination, such as /queue/message
	Key      string    // what the newest entry per key is kept for; "" for none. One namespace over all queues, see Latest
	Audience []string  // tokens of who may get it, see audience.Audience; nil: everybody
	Body     []byte    // the payload, JSON

	TraceParent string // where the event belongs in a distributed trace, as it came; "" for none
}

// A Dated entry is one with how long its log had lived when it was appended.
type Dated struct {
	Entry
	AppendedAt time.Duration
}

// A Record is kept beside the entries, in the transaction of its batch. A later record of the same
// name replaces it; one that has expired already forgets the name, which Batch.Drop would do for a
// whole prefix. After Append it is read-only.
type Record struct {
	Name    string // 1 to MaxName bytes
	Value   []byte
	Expires time.Time // by the wall clock; zero: never
}

// Expired reports whether the record's time has come.
func (r Record) Expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// A Batch is what one Append commits: all of it or nothing.
type Batch struct {
	Entries []Entry
	Drop    []string // records whose name begins with one of these are forgotten, before Records are kept
	Records []Record
}

// MaxName bounds the bytes of a queue, a key, a token of an audience, the name of a record and a
// prefix to drop.
const MaxName = 4096

// MaxTraceParent bounds the bytes of an entry's TraceParent.
const MaxTraceParent = 255

// MaxAudience bounds the tokens of an entry's audience.
const MaxAudience = 10_000

// MaxBatch is what Writer.MaxBatch returns for a log in memory or on disk: more than the largest
// MQTT packet takes as one entry, and little enough for one transaction in memory.
const MaxBatch = 512 << 20

// Validate reports whether a log with that MaxBatch takes the batch; Append does the same. The
// error is ErrTooLarge where only the size is wrong.
func (b Batch) Validate(maxBatch int) error {
	for i, e := range b.Entries {
		if e.Queue == "" || len(e.Queue) > MaxName || len(e.Key) > MaxName {
			return fmt.Errorf("journal: entry %d: queue of %d bytes and key of %d, the limit is %d", i, len(e.Queue), len(e.Key), MaxName)
		}
		if len(e.TraceParent) > MaxTraceParent {
			return fmt.Errorf("journal: entry %d: trace parent of %d bytes, the limit is %d", i, len(e.TraceParent), MaxTraceParent)
		}
		if err := validateAudience(e.Audience); err != nil {
			return fmt.Errorf("journal: entry %d: %w", i, err)
		}
	}
	for i, r := range b.Records {
		if r.Name == "" || len(r.Name) > MaxName {
			return fmt.Errorf("journal: record %d: name of %d bytes, the limit is %d", i, len(r.Name), MaxName)
		}
	}
	for i, prefix := range b.Drop {
		if len(prefix) > MaxName {
			return fmt.Errorf("journal: drop %d: prefix of %d bytes, the limit is %d", i, len(prefix), MaxName)
		}
	}
	if size := b.Size(); size > maxBatch {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, maxBatch)
	}
	return nil
}

// itemSize is about what an entry, a record or a prefix takes besides its bytes.
const itemSize = 64

// Size is about how many bytes the batch takes, which is what Writer.MaxBatch bounds.
func (b Batch) Size() int {
	n := itemSize * (len(b.Entries) + len(b.Records) + len(b.Drop))
	for i := range b.Entries {
		e := &b.Entries[i]
		n += len(e.Queue) + len(e.Key) + len(e.Body) + len(e.TraceParent)
		for _, token := range e.Audience {
			n += len(token) + tokenSize
		}
	}
	for _, r := range b.Records {
		n += len(r.Name) + len(r.Value)
	}
	for _, prefix := range b.Drop {
		n += len(prefix)
	}
	return n
}

// validateAudience refuses nobody, too, which must never be mistaken for everybody.
func validateAudience(tokens []string) error {
	if tokens != nil && len(tokens) == 0 || len(tokens) > MaxAudience {
		return fmt.Errorf("audience of %d, the limits are 1 and %d", len(tokens), MaxAudience)
	}
	for _, t := range tokens {
		if t == "" || len(t) > MaxName {
			return fmt.Errorf("token of %d bytes in the audience, the limits are 1 and %d", len(t), MaxName)
		}
	}
	return nil
}

// Bounds tell what a log keeps: the entries First to Last. First is Last+1 when it keeps none.
type Bounds struct{ First, Last uint64 }

// A Log keeps entries in order; this is its role for those who follow and read it. All methods are
// safe for concurrent use.
type Log interface {
	// Follow has f called with the entries of every later commit, in order and one call at a time,
	// once they are visible to Read. It returns the bounds of the moment from which on that holds:
	// nothing falls between what Read returns up to their Last and the first call. f must not call
	// the log's Follow and Close, nor a Writer's Append.
	Follow(f func([]Entry)) Bounds

	// Reach returns once the position has come to all who follow, or is known to lie beyond the end: then this log
	// knows as much of it as any other that shares its entries. The error is ctx's, or Err's when
	// the log has ended.
	Reach(ctx context.Context, position uint64) error

	// Read returns entries after the position, in order: as many as fit in max entries and about a
	// megabyte, none at the end of the log, ErrTrimmed when the entry after the position is no
	// longer kept, ErrAway while the log cannot be reached. With a ctx that has ended it returns what
	// is at hand, or ctx's error where it would have to wait.
	Read(ctx context.Context, after uint64, max int) ([]Entry, error)

	// Latest returns one page of the newest entries per key that lie in the queue, also those
	// beyond retention: at most max of them and about a megabyte, with positions after the given
	// one, in order; none at the end; errors, and a ctx that has ended, as of Read. A key has one newest entry over all
	// queues: where two queues share keys, such as channel/ID, an entry in one takes the key out of
	// the other.
	Latest(ctx context.Context, queue string, after uint64, max int) ([]Entry, error)

	// Bounds returns what the log keeps now.
	Bounds() Bounds

	// Epoch returns under which epoch the log gave out the position, or would if it lies beyond the
	// end. Both together name an entry for good: no other log gives out that position under that
	// epoch, nor does a copy of this one that was run on after it was made. An epoch is random,
	// [a-z0-9]. Of a position before First-1 it may be forgotten, and is then another one of this
	// log's.
	Epoch(position uint64) string

	// Trimmed returns the position of the newest entry of the queue that has left the log, or a
	// later one where it is not known exactly: of entries that left before the log was opened.
	Trimmed(queue string) uint64

	// Size returns how many bytes the entries within retention take, and how many they may: beyond
	// that the oldest go.
	Size() (bytes, limit int64)

	// Lead waits until nobody else leads, and returns the Writer of a turn that begins after the
	// last Append of the one before. The error is ctx's, or Err's when the log has ended.
	Lead(ctx context.Context) (Writer, error)

	// Done is closed when the log can be followed no more: its storage has failed, or it was
	// closed.
	Done() <-chan struct{}

	// Err returns why Done is closed, and nil before.
	Err() error

	// Close waits for running Appends, and ends the log and the turn that there is. Later calls
	// fail; Bounds answers as before.
	Close() error
}

// A Writer is the role of the one that leads, for one turn. All methods are safe for concurrent
// use.
type Writer interface {
	// Append assigns the next positions to b.Entries, in place, and commits the batch. It returns
	// nil when the batch is as durable as the log promises, after every follower has been called.
	// ErrFull and ErrTooLarge: nothing was committed, and the turn goes on. Any other error:
	// whether the batch is committed is not known, and the turn is over; the caller begins again
	// from Lead. Only where the error is ctx's may the turn go on.
	Append(ctx context.Context, b Batch) error

	// Records calls yield with every record whose name begins with prefix and that has not expired,
	// until yield returns false.
	Records(prefix string, yield func(Record) bool) error

	// MaxBatch returns the largest Size of a batch that Append takes.
	MaxBatch() int

	// Done is closed when the turn is over: by Resign, an error of Append, or the end of the log.
	Done() <-chan struct{}

	// Resign ends the turn. Appends that run go on, and the next turn begins after them.
	Resign()
}

// LatestOptions bound what a log keeps beyond retention: the newest entry per key. They take at
// most as many bytes again as the entries within retention. Zero fields take the defaults.
type LatestOptions struct {
	MaxKeys int           // keys, those used longest ago go first; default 100000
	MaxAge  time.Duration // default 720h
}
