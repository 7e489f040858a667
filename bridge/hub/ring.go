package hub

import (
	"sort"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge/journal"
)

// A ring holds the newest entries of one queue, bounded in number and bytes. Hub.mu guards all but
// the atomics and feeds.
type ring struct {
	counters
	fresh   atomic.Bool                    // entries were pushed since the waker last looked
	keyed   bool                           // never changes
	filters map[string]func([]byte) []byte // never changes; see Queue

	slots    []*slot // circular: the entry number n stands at n % len(slots)
	head     uint64  // number of the oldest entry held
	tail     uint64  // number after the newest: how many were ever pushed
	evicted  uint64  // position up to which entries of this queue are only in the log
	bytes    int     // of the payloads held
	maxBytes int

	newest *newest // nil: the queue does not conflate

	uses  map[Format]*use
	feeds map[*Feed]int // feed -> its subscriptions here; guarded by Hub.feedsMu
}

// A use is one format in use. Frames are kept beside the entry only for formats that several
// subscriptions share.
type use struct {
	format Format
	n      atomic.Int32 // subscriptions
}

func newRing(entries, maxBytes int, evicted uint64) *ring {
	return &ring{
		slots:    make([]*slot, entries),
		maxBytes: maxBytes,
		evicted:  evicted,
		uses:     map[Format]*use{},
		feeds:    map[*Feed]int{},
	}
}

func (r *ring) at(n uint64) *slot { return r.slots[n%uint64(len(r.slots))] }

func (r *ring) push(e *journal.Entry) {
	for r.tail-r.head == uint64(len(r.slots)) || r.head < r.tail && r.bytes+len(e.Body) > r.maxBytes {
		r.evict()
	}
	r.slots[r.tail%uint64(len(r.slots))] = &slot{entry: *e}
	r.tail++
	r.bytes += len(e.Body)
	r.newest.put(e)
	r.published.Add(1)
}

func (r *ring) evict() {
	s := r.at(r.head)
	r.slots[r.head%uint64(len(r.slots))] = nil
	r.head++
	r.bytes -= len(s.entry.Body)
	r.evicted = s.entry.Position
}

// lag is the backlog above which a client counts as lagging: half the ring.
func (r *ring) lag() uint64 { return uint64(len(r.slots)) / 2 }

// after returns the number of the first entry held whose position is above the given one; r.tail
// when there is none.
func (r *ring) after(position uint64) uint64 {
	held := int(r.tail - r.head)
	if held == 0 || r.at(r.tail-1).entry.Position <= position {
		return r.tail
	}
	return r.head + uint64(sort.Search(held, func(i int) bool {
		return r.at(r.head+uint64(i)).entry.Position > position
	}))
}

// maxShared bounds how many encodings of one entry are kept: clients choose the subscription ids.
const maxShared = 8

// A slot is one entry in a ring with its encoded frames. The entry is a copy, so that a slot never
// keeps the batch alive that it came with.
type slot struct {
	entry  journal.Entry
	frames atomic.Pointer[frame]
}

// A frame is one encoding of an entry in the list of its slot; all fields are read-only.
type frame struct {
	use   *use
	bytes []byte
	next  *frame
	depth int
}

// appendFrame appends the entry's frame in the format of u, encoding it only if nobody has before.
func (s *slot) appendFrame(dst []byte, u *use) []byte {
	first := s.frames.Load()
	for f := first; f != nil; f = f.next {
		if f.use == u {
			return append(dst, f.bytes...)
		}
	}
	if u.n.Load() < 2 || first != nil && first.depth >= maxShared {
		return u.format.AppendFrame(dst, &s.entry)
	}
	f := &frame{use: u, bytes: u.format.AppendFrame(nil, &s.entry), next: first, depth: 1}
	if first != nil {
		f.depth = first.depth + 1
	}
	s.frames.CompareAndSwap(first, f) // lost to another encoder: this one's bytes serve all the same
	return append(dst, f.bytes...)
}
