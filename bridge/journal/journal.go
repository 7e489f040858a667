// Package journal is the ordered log of mapped entries.
package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrTrimmed is returned by Read when entries after the given position have left the log.
var ErrTrimmed = errors.New("journal: the entries after this position are no longer kept")

// ErrFull is returned by Append when there is no room to write: nothing was committed, and a later Append succeeds once
// there is room.
var ErrFull = errors.New("journal: no room to write")

// An Entry is one mapped event on its way to the subscribers of a queue. After Append it is read-only.
type Entry struct {
	Position uint64    // assigned by Append; from 1, one sequence over all queues
	Time     time.Time // when the bridge received the event
	Queue    string    // destination, such as /queue/message
	Key      string    // what the newest entry per key is kept for; "" for none. One namespace over all queues, see Latest
	Audience []string  // tokens of who may get it, see audience.Audience; nil: everybody
	Body     []byte    // the payload, JSON

	TraceParent string // where the event belongs in a distributed trace, as it came; "" for none
}

// A Mark is remembered beside the entries, in the transaction of its batch. A later mark of the same name replaces it.
type Mark struct {
	Name    string // 1 to MaxName bytes
	Value   []byte
	Expires time.Time // by the wall clock; zero: never
}

// A Batch is what one Append commits: all of it or nothing.
type Batch struct {
	Entries []Entry
	Marks   []Mark
}

// MaxName bounds the bytes of a queue, a key, a token of an audience and the name of a mark.
const MaxName = 4096

// MaxTraceParent bounds the bytes of an entry's TraceParent.
const MaxTraceParent = 255

// MaxAudience bounds the tokens of an entry's audience.
const MaxAudience = 10_000

// Validate reports whether a log can take the batch. Append does the same.
func (b Batch) Validate() error {
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
	for i, m := range b.Marks {
		if m.Name == "" || len(m.Name) > MaxName {
			return fmt.Errorf("journal: mark %d: name of %d bytes, the limit is %d", i, len(m.Name), MaxName)
		}
	}
	return nil
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

// Bounds tell what a log keeps: the entries First to Last, and its epoch. First is Last+1 when it keeps none.
type Bounds struct {
	Epoch       string // random, [a-z0-9], made when the log was created
	First, Last uint64
}

// A Log keeps entries in order. All methods are safe for concurrent use.
type Log interface {
	// Append assigns the next positions to b.Entries, in place, and commits the batch. It returns when the batch is as
	// durable as the log promises, after the function given to Notify has seen the entries. An error means that nothing was
	// committed; the caller may try the same batch again. ErrFull passes by itself; an error of the storage stays.
	Append(ctx context.Context, b Batch) error

	// Read returns entries after the position, in order: as many as fit in max entries and about a megabyte, none at the end
	// of the log, ErrTrimmed when the entry after the position is no longer kept.
	Read(after uint64, max int) ([]Entry, error)

	// Bounds returns what the log keeps now.
	Bounds() Bounds

	// Trimmed returns the position of the newest entry of the queue that has left the log, or a later one where it is not known
	// exactly: of entries that left before the log was opened.
	Trimmed(queue string) uint64

	// Size returns how many bytes the entries within retention take, and how many they may: beyond that the oldest go.
	Size() (bytes, limit int64)

	// Notify sets the function that is called with the entries of every commit, in order and one call at a time, once they
	// are visible to Read. It must not call Append. Call Notify once, before the first Append.
	Notify(func([]Entry))

	// Latest returns one page of the newest entries per key that lie in the queue, also those beyond retention: at most max
	// of them and about a megabyte, with positions after the given one, in order; none at the end. A key has one newest
	// entry over all queues: where two queues share keys, such as channel/ID, an entry in one takes the key out of the other.
	Latest(queue string, after uint64, max int) ([]Entry, error)

	// Marks calls yield with every mark whose name begins with prefix and that has not expired, until yield returns false.
	Marks(prefix string, yield func(Mark) bool) error

	// DropMarks forgets every mark whose name begins with prefix.
	DropMarks(prefix string) error

	// Close waits for a running Append and ends the log. Later calls fail; Bounds answers as before.
	Close() error
}

// LatestOptions bound what a log keeps beyond retention: the newest entry per key. They take at most as many bytes again as
// the entries within retention. Zero fields take the defaults.
type LatestOptions struct {
	MaxKeys int           // keys, those used longest ago go first; default 100000
	MaxAge  time.Duration // default 720h
}
