// Package hub fans entries out: a ring of the newest entries per queue, and a cursor per
// subscription.
package hub

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge/journal"
)

// An Entry is the journal's.
type Entry = journal.Entry

// A Log is what a Hub follows and reads, as journal.Log says.
type Log interface {
	Follow(func([]Entry)) journal.Bounds
	Bounds() journal.Bounds
	Epoch(position uint64) string
	Reach(ctx context.Context, position uint64) error
	Trimmed(queue string) uint64
	Read(ctx context.Context, after uint64, max int) ([]Entry, error)
	Latest(ctx context.Context, queue string, after uint64, max int) ([]Entry, error)
}

// A Format turns entries into the frames of one kind of subscription. Values that are == give the
// same bytes for the same entry; the hub encodes once for all subscriptions that share a format.
// Formats must be comparable.
type Format interface {
	// AppendFrame appends the whole frame for e, ready for the wire, to dst.
	AppendFrame(dst []byte, e *Entry) []byte
}

// A Queue is one destination.
type Queue struct {
	Name     string
	Keyed    bool // its entries have keys: a subscription can begin with the newest entry of each
	Conflate bool // a subscription that lags skips what a newer entry of the same key has overtaken

	// Filters are what subscriptions may select entries by: name -> what finds the value in an
	// entry's body, as a part of it, nil for none.
	Filters map[string]func(body []byte) []byte
}

// Config says what a Hub serves; zero fields take the defaults.
type Config struct {
	Queues      []Queue
	RingEntries int // newest entries kept at hand per queue, default 1024
	RingBytes   int // bytes of their payloads per queue, default 8 MiB

	// Watching reports whether Watchers are to be told of what is skipped. It is asked once a Next,
	// and must be quick. nil: never.
	Watching func() bool

	// Traces has every subscription note what its Trace cannot do without.
	Traces bool
}

// A Hub holds the rings. All methods are safe for concurrent use.
type Hub struct {
	log   Log
	watch func() bool     // Config.Watching
	notes bool            // Config.Traces
	names []string        // of the queues, in the order of Config
	ctx   context.Context // of reading the log: ends with Close
	close context.CancelFunc

	// mu is the one critical section of publishing and of placing a cursor. It never spans a write
	// or a sync.
	mu    sync.RWMutex
	last  uint64           // position of the newest published entry
	rings map[string]*ring // destination -> ring; the map itself never changes

	latency  latency
	searches searches

	// feedsMu guards every ring's feeds.
	feedsMu  sync.RWMutex
	attached atomic.Int64 // how many they are

	dirty chan struct{} // capacity 1: entries were published since the waker last looked; never closed
	waker sync.WaitGroup
}

// New returns a Hub over the log, which publishes from now on whatever the log commits.
// Close ends it.
func New(log Log, c Config) *Hub {
	if c.RingEntries <= 0 {
		c.RingEntries = 1024
	}
	if c.RingBytes <= 0 {
		c.RingBytes = 8 << 20
	}
	h := &Hub{
		log:   log,
		watch: c.Watching,
		notes: c.Traces,
		rings: map[string]*ring{},
		dirty: make(chan struct{}, 1),
	}
	h.ctx, h.close = context.WithCancel(context.Background())

	// What is committed from Follow on waits in publish until there are rings for it, which begin
	// where the bounds end.
	h.mu.Lock()
	defer h.mu.Unlock()
	bounds := log.Follow(h.publish)
	h.last = bounds.Last
	for _, q := range c.Queues {
		r := newRing(c.RingEntries, c.RingBytes, bounds.Last)
		r.keyed, r.filters = q.Keyed, q.Filters
		if q.Conflate {
			r.newest = loadNewest(h.ctx, log, q.Name)
		}
		h.rings[q.Name] = r
		h.names = append(h.names, q.Name)
	}
	h.waker.Go(h.wake)
	return h
}

// Close stops waking feeds, and their Next. It does not close the log.
func (h *Hub) Close() {
	h.close()
	h.searches.mu.Lock()
	h.searches.closed = true
	h.searches.mu.Unlock()
	h.waker.Wait()
}

// Reach returns once the hub knows of the position whatever there is to know, so that Subscribe can
// tell whether it can resume there. The error is ctx's or the log's.
func (h *Hub) Reach(ctx context.Context, position uint64) error { return h.log.Reach(ctx, position) }

// Epoch returns what names an entry together with its position; see journal.Log.
func (h *Hub) Epoch(position uint64) string { return h.log.Epoch(position) }

func (h *Hub) watching() bool { return h.watch != nil && h.watch() }

// Has reports whether the hub serves the queue.
func (h *Hub) Has(queue string) bool { return h.rings[queue] != nil }

// Queues returns the names of the queues, in the order of Config. The caller must not change them.
func (h *Hub) Queues() []string { return h.names }

// Filters returns the names of what subscriptions to the queue may select by, in order.
func (h *Hub) Filters(queue string) []string { return slices.Sorted(maps.Keys(h.ring(queue).filters)) }

// Keyed reports whether the hub serves the queue, and its entries have keys.
func (h *Hub) Keyed(queue string) bool { return h.Has(queue) && h.rings[queue].keyed }

func (h *Hub) ring(queue string) *ring {
	r := h.rings[queue]
	if r == nil {
		panic(fmt.Sprintf("hub: unknown queue %q", queue))
	}
	return r
}

// publish puts committed entries into their rings. It waits for nobody: if there are many feeds,
// the waker tells them. The log calls it from one goroutine at a time.
func (h *Hub) publish(entries []journal.Entry) {
	h.mu.Lock()
	for i := range entries {
		e := &entries[i]
		r := h.ring(e.Queue)
		r.push(e)
		r.fresh.Store(true)
		h.last = e.Position
	}
	h.mu.Unlock()
	if h.attached.Load() <= fewFeeds {
		h.serveFeeds()
		return
	}
	select {
	case h.dirty <- struct{}{}:
	default:
	}
}

// fewFeeds are so few that publishing wakes them by itself, which saves a change of goroutines.
const fewFeeds = 16

// serveFeeds wakes the feeds, and has the owner of one of them write on this goroutine, beside the
// others on theirs: that saves another change.
func (h *Hub) serveFeeds() {
	var last *Feed
	h.wakeFresh(func(f *Feed) {
		if last != nil && last != f {
			last.owner.Wake()
		}
		last = f
	})
	if last != nil {
		last.owner.Serve()
	}
}

func (h *Hub) wake() {
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.dirty:
			h.wakeFeeds()
		}
	}
}

func (h *Hub) wakeFeeds() { h.wakeFresh(func(f *Feed) { f.owner.Wake() }) }

// wakeFresh has the feeds woken that have new entries, maybe one of them several times.
func (h *Hub) wakeFresh(wake func(*Feed)) {
	h.feedsMu.RLock()
	defer h.feedsMu.RUnlock()
	for _, r := range h.rings {
		if !r.fresh.Swap(false) {
			continue
		}
		for f := range r.feeds {
			wake(f)
		}
	}
}

// Counts are the outcomes of one queue's entries, summed over all subscriptions there were. For
// every subscription that has ended, each entry published while it lasted is in exactly one of
// Delivered, Conflated, NotAddressed and LeftBehind.
type Counts struct {
	Published    int64 // entries, not deliveries
	Delivered    int64 // written to a client
	Conflated    int64 // skipped because a newer one of its key had overtaken it
	NotAddressed int64 // skipped because the client is not of its audience, or has filtered it out
	LeftBehind   int64 // not written when the subscription ended
	Replayed     int64 // entries older than their subscription, written because it asked for them
}

// Counts returns the outcomes so far, by queue.
func (h *Hub) Counts() map[string]Counts {
	counts := map[string]Counts{}
	for q, r := range h.rings {
		counts[q] = Counts{
			Published:    r.published.Load(),
			Delivered:    r.delivered.Load(),
			Conflated:    r.conflated.Load(),
			NotAddressed: r.notAddressed.Load(),
			LeftBehind:   r.leftBehind.Load(),
			Replayed:     r.replayed.Load(),
		}
	}
	return counts
}

// Subscriptions returns how many there are now, by queue.
func (h *Hub) Subscriptions() map[string]int64 {
	n := map[string]int64{}
	for q, r := range h.rings {
		n[q] = r.subscriptions.Load()
	}
	return n
}

// counters are one queue's, see Counts and Subscriptions.
type counters struct {
	subscriptions atomic.Int64

	published, delivered, conflated, notAddressed, leftBehind, replayed atomic.Int64
}
