package hub

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Next is called with locks that many wait for, so it reads only what the log has at hand: all, as
// a rule, where the log is in this process. What lies on a network is read by a goroutine
// meanwhile, which wakes the feed's owner.

// An ask is a page of the log.
type ask struct {
	queue string // of the newest entries per key; "": all entries
	after uint64
	max   int
}

// A reading is a page that is being read.
type reading struct {
	ask
	cancel context.CancelFunc

	// Set before done is.
	page []Entry
	err  error
	done atomic.Bool
}

// errReading says that the page is being read, and the feed's owner is woken when it is there.
var errReading = errors.New("hub: the page is not at hand")

// atHand has ended. With it a log returns what it need not wait for.
var atHand = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// page returns the page, or errReading.
func (f *Feed) page(a ask) ([]Entry, error) {
	if r := f.reading; r != nil {
		if !r.done.Load() {
			return nil, errReading
		}
		f.reading = nil
		if r.ask == a {
			return r.page, r.err
		}
	}
	page, err := f.hub.read(atHand, a)
	if !errors.Is(err, context.Canceled) {
		return page, err
	}
	if f.reading = f.hub.beginReading(a, f.owner); f.reading == nil {
		return nil, err
	}
	return nil, errReading
}

// dropReading has nobody wait for the feed's reading.
func (f *Feed) dropReading() {
	if f.reading != nil {
		f.reading.cancel()
		f.reading = nil
	}
}

func (h *Hub) read(ctx context.Context, a ask) ([]Entry, error) {
	if a.queue == "" {
		return h.log.Read(ctx, a.after, a.max)
	}
	return h.log.Latest(ctx, a.queue, a.after, a.max)
}

// beginReading returns nil once the hub is closed.
func (h *Hub) beginReading(a ask, owner Owner) *reading {
	h.searches.mu.Lock()
	defer h.searches.mu.Unlock()
	if h.searches.closed {
		return nil
	}
	ctx, cancel := context.WithCancel(h.ctx)
	r := &reading{ask: a, cancel: cancel}
	h.waker.Go(func() {
		defer cancel()
		r.page, r.err = h.readPatiently(ctx, a)
		r.done.Store(true)
		if ctx.Err() == nil {
			owner.Wake()
		}
	})
	return r
}

// For how long a log that is away is asked again, and how often.
const (
	awayFor   = time.Minute
	awayPause = time.Second
)

// readPatiently reads the page; where the log is away, it waits for it for awayFor.
func (h *Hub) readPatiently(ctx context.Context, a ask) ([]Entry, error) {
	for began := time.Now(); ; {
		page, err := h.read(ctx, a)
		if !errors.Is(err, ErrAway) || time.Since(began) >= awayFor {
			return page, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(awayPause):
		}
	}
}
