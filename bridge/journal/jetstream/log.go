// Package jetstream is a journal.Log that several replicas share: a stream of NATS JetStream. Each
// replica follows the stream and has the same log; the one that leads appends to it.
//
//	            append                     the stream: one message an Append
//	who leads ----------->  +-------+-------+-------+-------+
//	                        | block | block | block | block |
//	                        +-------+-------+-------+-------+
//	                            |       |       |       |
//	            follow, read    v       v       v       v
//	everybody <-------------  state: what the log keeps, where; cache: blocks as they were read
//
// A lease chooses who leads, so that two hardly ever do. What makes it safe is another thing: a
// block is appended behind the one that its writer has seen last, or refused. Whoever begins to
// lead appends a block first, and from then on all that the one before still sends is refused.
//
// Replicas announce themselves to each other by messages that nobody stores. So they know who is
// present and leads, which formats of blocks all of them read, and whether they go together.
package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/lead"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

var (
	errClosed   = errors.New("journal: closed")
	errFenced   = errors.New("journal: another replica leads now")
	errRestored = errors.New("journal: the stream is not the one that was followed so far; was it restored from a backup, or replaced?")
	errLeft     = errors.New("journal: what comes next has left the stream before this replica had it")
)

// Options bound a Log. Zero fields take the defaults.
type Options struct {
	MaxAge   time.Duration // of entries, in time passed since their Append; default 24h
	MaxBytes int64         // of entries, with about two hundred for each; default 256 MiB
	Latest   journal.LatestOptions
	Cache    int64            // bytes of what was read, at hand for others who read it; default 64 MiB
	Now      func() time.Time // the wall clock, for the expiry of records; default time.Now
	Logger   *slog.Logger     // default: none

	id      string                 // see Config
	tell    func() journal.Replica // see Config
	slack   int64                  // see limits; default 1 MiB
	mutate  func(*block)           // a test's: changes each block before it is stored
	formats []int                  // a test's: that it reads; default formats
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.MaxBytes = cmp.Or(o.MaxBytes, retention.DefaultMaxBytes)
	o.Cache = cmp.Or(o.Cache, 64<<20)
	o.slack = cmp.Or(o.slack, 1<<20)
	if o.tell == nil {
		o.tell = func() journal.Replica { return journal.Replica{} }
	}
	if o.formats == nil {
		o.formats = formats
	}
	return o
}

// Log is a journal.Log. It is made by Open.
type Log struct {
	store   store
	limits  limits
	id      string
	tell    func() journal.Replica // see Config
	formats []int                  // of blocks, that it reads
	began   time.Time
	now     func() time.Time
	logger  *slog.Logger
	mutate  func(*block) // see Options
	seat    *lead.Seat
	lease   sync.Mutex // held while a turn has the store's lease
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
	cache   *cache
	closed  atomic.Bool
	turn    atomic.Pointer[writer] // the newest that has begun; nil: none has
	turns   atomic.Int64           // that have begun
	contact contact
	full    atomic.Bool   // an append had no room
	wake    chan struct{} // capacity 1: there is something to look for; never closed

	roster  *roster
	leave   func()        // the others
	changed chan struct{} // capacity 1: there is something to tell them; never closed
	loaded  atomic.Bool   // the state is there

	// applying keeps blocks, and the calls of those who follow, in one order. Taken before mu.
	applying sync.Mutex
	follow   []func([]journal.Entry)

	mu      sync.RWMutex // guards the rest; never held while calling back or waiting
	state   *state
	waiting []waiter
	looks   uint64 // for what nobody has told of, begun so far
}

// open returns the log in the store, once all that is there now was read. Until the store can be
// reached it waits, until ctx is done. The log closes the store.
func open(ctx context.Context, s store, o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{
		store: s,
		limits: limits{
			Limits: retention.Limits{
				MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, MaxKeys: o.Latest.MaxKeys, KeyMaxAge: o.Latest.MaxAge,
			}.WithDefaults(),
			block: s.maxMessage(), slack: o.slack,
		},
		id:      o.id,
		tell:    o.tell,
		began:   time.Now(),
		now:     o.Now,
		logger:  o.Logger,
		mutate:  o.mutate,
		formats: o.formats,
		seat:    lead.NewSeat(),
		wake:    make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.cache = newCache(l.ctx, o.Cache, l.readRow)
	l.roster = newRoster(l.self, o.Logger)
	if err := l.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// begin joins the others, reads what is there, and follows from then on.
func (l *Log) begin(ctx context.Context) error {
	if err := l.meet(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := l.load(ctx); err != nil {
		return err
	}
	l.loaded.Store(true)
	l.looked(began, nil)
	stop, err := l.store.subscribe(l.tail)
	if err != nil {
		return err
	}
	l.wg.Go(func() {
		defer stop()
		l.keepUp()
	})
	l.look()
	return nil
}

// Follow implements Log.
func (l *Log) Follow(f func([]journal.Entry)) journal.Bounds {
	l.applying.Lock() // so that no block lies between the bounds and the first call
	defer l.applying.Unlock()
	l.follow = append(l.follow, f)
	return l.Bounds()
}

// Reach implements Log.
func (l *Log) Reach(ctx context.Context, position uint64) error {
	if err := l.await(ctx, position); err != nil {
		return err
	}
	l.applying.Lock() // until those who follow have been called with it, too
	defer l.applying.Unlock()
	return l.Err()
}

// pageBytes is about how much one Read or Latest returns.
const pageBytes = 1 << 20

// Read implements Log.
func (l *Log) Read(ctx context.Context, after uint64, max int) ([]journal.Entry, error) {
	if err := l.Err(); err != nil {
		return nil, err
	}
	p := page{after: after, max: max}
	for !p.full() {
		sequence, err := l.after(p.after)
		if err == nil && sequence == 0 {
			break
		}
		var blocks []*block
		if err == nil {
			blocks, err = l.run(ctx, sequence, max-len(p.entries))
		}
		switch {
		case err != nil && len(p.entries) > 0:
			return p.entries, nil
		case err != nil:
			return nil, err
		}
		p.take(blocks)
	}
	return p.entries, nil
}

// A page is what Read returns.
type page struct {
	after   uint64 // position
	max     int
	entries []journal.Entry
	bytes   int64
}

func (p *page) full() bool { return len(p.entries) >= p.max || p.bytes >= pageBytes }

// take takes from blocks that follow each other what comes after the page's position.
func (p *page) take(blocks []*block) {
	come := 0
	for _, b := range blocks {
		come += len(b.entries)
	}
	p.entries = slices.Grow(p.entries, min(come, p.max-len(p.entries)))
	for _, b := range blocks {
		for i := p.after + 1 - b.base; i < uint64(len(b.entries)) && !p.full(); i++ {
			p.entries = append(p.entries, b.entries[i])
			p.bytes += logSize(&b.entries[i])
			p.after++
		}
	}
}

// after returns the sequence of the block with the entry after the position; 0: there is none.
func (l *Log) after(position uint64) (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := l.state
	switch {
	case position >= s.last:
		return 0, nil
	case position+1 < s.first:
		return 0, journal.ErrTrimmed
	}
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].end() > position+1 })
	return s.head + uint64(i), nil
}

// Latest implements Log.
func (l *Log) Latest(ctx context.Context, queue string, after uint64, max int) ([]journal.Entry, error) {
	if err := l.Err(); err != nil {
		return nil, err
	}
	var page []journal.Entry
	bytes := int64(0)
	for _, position := range l.newest(queue, after, max) {
		if bytes >= pageBytes {
			break
		}
		e, err := l.newestEntry(ctx, position)
		switch {
		case errors.Is(err, errNotNewest):
			continue
		case err != nil && len(page) > 0:
			return page, nil
		case err != nil:
			return nil, err
		}
		page = append(page, e)
		bytes += logSize(&e)
	}
	if len(page) == 0 && len(l.newest(queue, after, 1)) > 0 && max > 0 {
		return l.Latest(ctx, queue, after, max) // all of those have newer ones by now
	}
	return page, nil
}

func (l *Log) newest(queue string, after uint64, max int) []uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.newest.newest.After(queue, after, max)
}

var errNotNewest = errors.New("journal: no longer the newest of its key")

// newestEntry returns the entry at the position, which was the newest of its key a moment ago.
func (l *Log) newestEntry(ctx context.Context, position uint64) (journal.Entry, error) {
	for {
		l.mu.RLock()
		home := l.state.home(position)
		l.mu.RUnlock()
		if home == 0 {
			return journal.Entry{}, errNotNewest
		}
		b, err := l.block(ctx, home)
		switch {
		case errors.Is(err, journal.ErrTrimmed):
			continue // it has another home by now, or none
		case err != nil:
			return journal.Entry{}, err
		}
		e, ok := b.entry(position)
		if !ok {
			return e, fmt.Errorf("%w: position %d is not at sequence %d", errDamaged, position, home)
		}
		return e, nil
	}
}

// entry returns the entry at the position, which is the block's own or carried.
func (b *block) entry(position uint64) (journal.Entry, bool) {
	if b.base <= position && position-b.base < uint64(len(b.entries)) {
		return b.entries[position-b.base], true
	}
	i := slices.IndexFunc(b.carried, func(c carried) bool { return c.Position == position })
	if i < 0 {
		return journal.Entry{}, false
	}
	return b.carried[i].Entry, true
}

// Bounds implements Log.
func (l *Log) Bounds() journal.Bounds {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return journal.Bounds{First: l.state.first, Last: l.state.last}
}

// Epoch implements Log.
func (l *Log) Epoch(position uint64) string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.epoch(position)
}

// Trimmed implements Log.
func (l *Log) Trimmed(queue string) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.left(queue)
}

// Size implements Log.
func (l *Log) Size() (bytes, limit int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.sizes.log, l.limits.MaxBytes
}

// Done implements Log.
func (l *Log) Done() <-chan struct{} { return l.seat.Done() }

// Err implements Log.
func (l *Log) Err() error { return l.seat.Err() }

// end ends the log for the reason given.
func (l *Log) end(err error) {
	l.seat.End(err)
	l.stop()
}

// Close implements Log.
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		return errClosed
	}
	l.end(errClosed)
	l.lease.Lock() // until the turn there was has given up the store's lease
	defer l.lease.Unlock()
	l.wg.Wait()
	l.cache.wait()
	if l.leave != nil {
		l.leave()
	}
	l.store.close()
	return nil
}
