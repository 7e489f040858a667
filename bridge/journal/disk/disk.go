// Package disk keeps a journal in a file.
//
// The file is a bbolt database, journal.db in the log's directory. Open reads all of it before it
// trusts any, and while the log is open it looks whether the file is still there. Beside it,
// journal.open is there while a process has the log open: one that finds it knows that the last one
// did not stop cleanly, so that one of the file's two heads may be half written.
package disk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/lead"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// ErrInUse is returned by Open when another process has the log open.
var ErrInUse = errors.New("journal: in use by another process")

// ErrDamaged is returned when the file, or a part of it, is not what was written, or not a journal.
var ErrDamaged = errors.New("journal: damaged")

var errClosed = errors.New("journal: closed")

// Options say where a Log lies and bound it. Zero fields take the defaults.
type Options struct {
	Dir      string                // must be given; made when it is not there
	MaxAge   time.Duration         // of entries, in time passed since their Append; default 24h
	MaxBytes int64                 // of entries, with about a hundred for each; default 256 MiB
	Latest   journal.LatestOptions // what is kept beyond
	Logger   *slog.Logger          // default: none
	Now      func() time.Time      // the wall clock, for the expiry of records and for time passed while closed; default time.Now
}

func (o Options) limits() retention.Limits {
	return retention.Limits{
		MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, MaxKeys: o.Latest.MaxKeys, KeyMaxAge: o.Latest.MaxAge,
	}.WithDefaults()
}

// Log is a journal.Log in a file. An Append has been synced when it returns; those that wait for
// one another are committed together. It trims as it appends. When a write fails otherwise than by
// journal.ErrFull, what lies in the file is uncertain: the log is done, and only opening it again
// tells; what was committed before can still be read. Make one with Open.
type Log struct {
	db       *bolt.DB
	file     *os.File    // the database's
	opened   os.FileInfo // what it was when it was opened
	pageSize int
	dir      string
	limits   retention.Limits
	logger   *slog.Logger
	now      func() time.Time
	seat     *lead.Seat // ends with the log

	incarnations incarnations // set when the log is opened
	watching     sync.WaitGroup

	waitingMu sync.Mutex
	waiting   []*request

	// committing holds a token while someone commits. It is taken before mu, and guards:
	committing chan struct{}
	followers  []func([]journal.Entry)
	clock      *retention.Clock
	settled    bool   // the clock has, and its correction is known
	saved      bool   // the incarnations are in the file as they are
	state      []byte // as it lies in the file
	swept      string // the name of the record where looking for expired ones goes on

	// mu is never held during a commit or while calling back. What it guards is changed while
	// committing as well, so that either is enough for reading.
	mu      sync.RWMutex
	closed  bool
	totals  totals
	found   uint64            // what had left the log when it was opened lies up to here
	trimmed map[string]uint64 // queue -> position of the newest that has left since
	newest  *retention.Newest // those before the first position are in the kept bucket
}

var _ journal.Log = (*Log)(nil)

// Open opens the log in the directory, or creates it when there is none. It reads the whole file;
// ctx ends that early. The error is ErrInUse or ErrDamaged where it says what to do.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Log{
		dir:        o.Dir,
		seat:       lead.NewSeat(),
		limits:     o.limits(),
		logger:     o.Logger,
		now:        o.Now,
		committing: make(chan struct{}, 1),
		trimmed:    map[string]uint64{},
		newest:     retention.NewNewest(),
	}
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Bounds implements journal.Log.
func (l *Log) Bounds() journal.Bounds {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return journal.Bounds{First: l.totals.first, Last: l.totals.last}
}

// Epoch implements journal.Log.
func (l *Log) Epoch(position uint64) string { return l.incarnations.epoch(position) }

// Trimmed implements journal.Log.
func (l *Log) Trimmed(queue string) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return max(l.found, l.trimmed[queue])
}

// Size implements journal.Log.
func (l *Log) Size() (bytes, limit int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.totals.bytes, l.limits.MaxBytes
}

// Follow implements journal.Log.
func (l *Log) Follow(f func([]journal.Entry)) journal.Bounds {
	l.committing <- struct{}{} // so that no commit lies between the bounds and the first call
	defer func() { <-l.committing }()
	l.followers = append(l.followers, f)
	return l.Bounds()
}

// Lead implements journal.Log.
func (l *Log) Lead(ctx context.Context) (journal.Writer, error) {
	turn, err := l.seat.Take(ctx)
	if err != nil {
		return nil, err
	}
	return writer{turn, l}, nil
}

// Done implements journal.Log.
func (l *Log) Done() <-chan struct{} { return l.seat.Done() }

// Err implements journal.Log.
func (l *Log) Err() error { return l.seat.Err() }

// Close implements journal.Log.
func (l *Log) Close() error {
	l.committing <- struct{}{}
	defer func() { <-l.committing }()
	if !l.setClosed() {
		return errClosed
	}
	broken := l.seat.Err()
	l.seat.End(errClosed)
	l.watching.Wait()
	if err := l.db.Close(); err != nil {
		return fmt.Errorf("journal: closing %s: %w", l.path(), err)
	}
	if broken != nil {
		return nil // not a clean stop: the marker stays
	}
	if err := os.Remove(l.marker()); err != nil {
		return fmt.Errorf("journal: marking a clean stop: %w", err)
	}
	return syncDir(l.dir)
}

func (l *Log) setClosed() (was bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was = !l.closed
	l.closed = true
	return was
}

func (l *Log) isClosed() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.closed
}

func (l *Log) path() string   { return filepath.Join(l.dir, "journal.db") }
func (l *Log) marker() string { return filepath.Join(l.dir, "journal.open") }
