package hub

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"mqtt-stomp-bridge/bridge/journal"
)

// ErrBehind is returned by Next when a cursor has fallen below what the log keeps. The feed is of no more use.
var ErrBehind = errors.New("hub: the next entries are no longer kept")

// A Feed is what one session reads: the entries of all its subscriptions, in the order of positions.
// It is not safe for concurrent use; only Wake's channel is fed by others.
type Feed struct {
	hub     *Hub
	wake    chan struct{} // capacity 1; never closed
	cursors []*Cursor
	leaving []*Cursor // unsubscribed, but Next has appended frames for them that are not written yet
	last    uint64    // the greatest position written
	taken   uint64    // the greatest position Next has appended
}

// A Cursor is one subscription's place in its queue.
type Cursor struct {
	queue    string
	ring     *ring
	use      *use
	first    Format // for the next frame only, then nil
	pos      uint64 // entries up to here are done with, or in frames that Next has appended
	written  uint64 // pos when those were last written
	liveFrom uint64 // the newest position when the cursor was placed; later entries are live
	born     uint64 // the ring's tail at that moment
	window   int    // see Options
	track    bool
	inFlight []uint64 // positions sent and not acknowledged, in order; only when track is set

	forgotten uint64 // the greatest position that fell out of inFlight unacknowledged

	live, replayed int64 // entries in the frames that Next has appended since Wrote
	accounted      int64 // live entries counted as delivered or conflated
}

// maxTracked bounds the unacknowledged positions remembered for a subscription without a window.
const maxTracked = 1 << 16

// Options say how a subscription begins and what it keeps.
type Options struct {
	Resume *Resume                    // replay what came after; nil: live only
	First  func(complete bool) Format // the format of the very first frame; nil: like all others
	Track  bool                       // remember what was sent until Ack
	Window int                        // with Track: no more than so many unacknowledged entries are sent; 0: no bound
}

// A Resume is the place of the last entry that a client has seen.
type Resume struct {
	Epoch    string
	Position uint64
}

// NewFeed returns a Feed without subscriptions. Close it.
func (h *Hub) NewFeed() *Feed {
	return &Feed{hub: h, wake: make(chan struct{}, 1)}
}

// Wake returns the channel that receives when Next may have more to give.
func (f *Feed) Wake() <-chan struct{} { return f.wake }

func (f *Feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Subscribe places a cursor in the queue, which must be one of the hub's. With o.Resume, complete tells whether everything
// after that place will come; otherwise the cursor begins live, as without Resume.
func (f *Feed) Subscribe(queue string, format Format, o Options) (c *Cursor, complete bool) {
	r := f.hub.rings[queue]
	c = &Cursor{queue: queue, ring: r, window: o.Window, track: o.Track}

	f.hub.mu.Lock()
	c.liveFrom, c.born, c.pos = f.hub.last, r.tail, f.hub.last
	if o.Resume != nil && f.hub.keepsAfter(*o.Resume) {
		c.pos, complete = o.Resume.Position, true
	}
	if c.use = r.uses[format]; c.use == nil {
		c.use = &use{format: format}
		r.uses[format] = c.use
	}
	c.use.n.Add(1)
	f.hub.feedsMu.Lock()
	r.feeds[f]++
	f.hub.feedsMu.Unlock()
	f.hub.mu.Unlock()

	if o.First != nil {
		c.first = o.First(complete)
	}
	c.written = c.pos
	f.last = max(f.last, c.pos)
	f.cursors = append(f.cursors, c)
	f.signal()
	return c, complete
}

// keepsAfter reports whether every entry after the place is still there. An entry beyond the last one published, or of
// another epoch, is no place of this log.
func (h *Hub) keepsAfter(r Resume) bool {
	b := h.log.Bounds()
	return r.Epoch == b.Epoch && r.Position <= h.last && r.Position+1 >= b.First
}

// Unsubscribe takes the cursor out: Next gives nothing for it any more.
func (f *Feed) Unsubscribe(c *Cursor) {
	f.cursors = slices.DeleteFunc(f.cursors, func(x *Cursor) bool { return x == c })
	if c.live+c.replayed > 0 {
		f.leaving = append(f.leaving, c)
		return
	}
	c.leave(f)
}

// Close takes all cursors out. What Next has appended without a Wrote counts as left behind.
func (f *Feed) Close() {
	for _, c := range slices.Concat(f.cursors, f.leaving) {
		c.leave(f)
	}
	f.cursors, f.leaving = nil, nil
}

func (c *Cursor) leave(f *Feed) {
	h, r := f.hub, c.ring
	h.mu.Lock()
	if c.use.n.Add(-1) == 0 {
		delete(r.uses, c.use.format)
	}
	published := int64(r.tail - c.born)
	h.feedsMu.Lock()
	if r.feeds[f]--; r.feeds[f] == 0 {
		delete(r.feeds, f)
	}
	h.feedsMu.Unlock()
	h.mu.Unlock()
	r.leftBehind.Add(published - c.accounted)
}

// Ack takes a position out of those in flight, with cumulative all up to it, and so opens the window. It reports whether
// the position was in flight.
func (f *Feed) Ack(c *Cursor, position uint64, cumulative bool) bool {
	i, found := slices.BinarySearch(c.inFlight, position)
	switch {
	case !found:
		return position <= c.forgotten && position > 0
	case cumulative:
		c.inFlight = slices.Delete(c.inFlight, 0, i+1)
	default:
		c.inFlight = slices.Delete(c.inFlight, i, i+1)
	}
	f.signal()
	return true
}

// InFlight reports whether the position was sent to the subscription and not acknowledged.
func (f *Feed) InFlight(c *Cursor, position uint64) bool {
	_, found := slices.BinarySearch(c.inFlight, position)
	return found
}

// Next appends the frames of what waits for the feed to dst, up to about limit bytes, and moves its cursors. The caller
// writes them and calls Wrote. When nothing was appended there is nothing more before Wake's channel receives. The error is
// ErrBehind or the log's own.
func (f *Feed) Next(dst []byte, limit int) ([]byte, error) {
	picks := pickPool.Get().(*[]pick)
	defer func() {
		clear(*picks)
		*picks = (*picks)[:0]
		pickPool.Put(picks)
	}()
	lagging := f.gather(picks, limit)
	if lagging != nil {
		return f.replay(dst, lagging, limit)
	}
	for _, p := range *picks {
		if c := p.cursor; c.first != nil {
			dst = c.appendFirst(dst, p.slot.entry)
		} else {
			dst = p.slot.appendFrame(dst, c.use)
		}
		f.took(p.cursor, p.slot.entry.Position)
	}
	return dst, nil
}

// A pick is one frame to append.
type pick struct {
	slot   *slot
	cursor *Cursor
}

var pickPool = sync.Pool{New: func() any { return new([]pick) }}

// frameOverhead is about what headers add to a payload.
const frameOverhead = 256

// gather merges what the rings hold for the cursors by position, up to limit bytes. When a cursor's next entries lie below
// its ring it returns that cursor (the lowest of them) and gathers nothing.
func (f *Feed) gather(picks *[]pick, limit int) (lagging *Cursor) {
	f.hub.mu.RLock()
	defer f.hub.mu.RUnlock()
	next := make([]uint64, len(f.cursors)) // cursor index -> number of its next entry in the ring
	room := make([]int, len(f.cursors))
	for i, c := range f.cursors {
		next[i], room[i] = c.ring.after(c.pos), c.room()
		if c.pos < c.ring.evicted && room[i] > 0 && (lagging == nil || c.pos < lagging.pos) {
			lagging = c
		}
	}
	if lagging != nil {
		return lagging
	}
	for limit > 0 {
		first := -1
		var entry *slot
		for i, c := range f.cursors {
			if next[i] == c.ring.tail || room[i] == 0 {
				continue
			}
			if s := c.ring.at(next[i]); first < 0 || s.entry.Position < entry.entry.Position {
				first, entry = i, s
			}
		}
		if first < 0 {
			break
		}
		*picks = append(*picks, pick{entry, f.cursors[first]})
		next[first]++
		room[first]--
		limit -= len(entry.entry.Body) + frameOverhead
	}
	return nil
}

// pageEntries is how many entries one replay step reads.
const pageEntries = 256

// replay appends frames from one page of the log, beginning after the lowest cursor, for every cursor that has them ahead.
func (f *Feed) replay(dst []byte, lowest *Cursor, limit int) ([]byte, error) {
	page, err := f.hub.log.Read(lowest.pos, min(pageEntries, limit/frameOverhead+1))
	switch {
	case errors.Is(err, journal.ErrTrimmed):
		return dst, ErrBehind
	case err != nil:
		return dst, fmt.Errorf("hub: reading after position %d: %w", lowest.pos, err)
	case len(page) == 0:
		return dst, fmt.Errorf("hub: the log ends at position %d, before what it has published", lowest.pos)
	}
	for i := range page {
		e := &page[i]
		for _, c := range f.cursors {
			switch {
			case c.pos >= e.Position || c.room() == 0:
			case c.queue == e.Queue && c.first != nil:
				dst = c.appendFirst(dst, e)
				f.took(c, e.Position)
			case c.queue == e.Queue:
				dst = c.use.format.AppendFrame(dst, e)
				f.took(c, e.Position)
			default:
				c.pos = e.Position
			}
		}
	}
	f.signal() // there is more: at the least the ring
	return dst, nil
}

// room is how many more entries may be sent now.
func (c *Cursor) room() int {
	if c.window == 0 {
		return 1 << 30
	}
	return max(0, c.window-len(c.inFlight))
}

func (c *Cursor) appendFirst(dst []byte, e *journal.Entry) []byte {
	dst = c.first.AppendFrame(dst, e)
	c.first = nil
	return dst
}

func (f *Feed) took(c *Cursor, position uint64) {
	c.pos = position
	f.taken = max(f.taken, position)
	if position > c.liveFrom {
		c.live++
	} else {
		c.replayed++
	}
	if !c.track {
		return
	}
	if len(c.inFlight) == maxTracked {
		c.forgotten = c.inFlight[0]
		c.inFlight = slices.Delete(c.inFlight, 0, 1)
	}
	c.inFlight = append(c.inFlight, position)
}

// Wrote tells the feed that all it has appended so far was written.
func (f *Feed) Wrote() {
	f.last = max(f.last, f.taken)
	for _, c := range f.cursors {
		c.wrote()
	}
	for _, c := range f.leaving {
		c.wrote()
		c.leave(f)
	}
	f.leaving = nil
}

func (c *Cursor) wrote() {
	c.written = c.pos
	if c.live+c.replayed == 0 {
		return
	}
	c.ring.delivered.Add(c.live)
	c.ring.replayed.Add(c.replayed)
	c.accounted += c.live
	c.live, c.replayed = 0, 0
}

// Position returns a place to resume from: everything up to it was written, for all subscriptions.
func (f *Feed) Position() uint64 {
	f.hub.mu.RLock()
	defer f.hub.mu.RUnlock()
	p := f.last
	for _, c := range f.cursors {
		if waits := c.written < c.ring.evicted || c.ring.after(c.written) < c.ring.tail; waits {
			p = min(p, c.written)
		}
	}
	return p
}
