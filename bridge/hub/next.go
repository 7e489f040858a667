package hub

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"mqtt-stomp-bridge/bridge/journal"
)

// ErrBehind is returned by Next when a cursor has fallen below what the log keeps. The feed is of
// no more use.
var ErrBehind = errors.New("hub: the next entries are no longer kept")

// ErrAway is the journal's.
var ErrAway = journal.ErrAway

// Next appends the frames of what waits for the feed to dst, up to about limit bytes, and moves its
// cursors. The caller writes them and calls Wrote. Without more there is nothing left, until the
// hub wakes the feed. It waits for nothing that is not at hand: that is read meanwhile, and wakes
// the feed. The error is ErrBehind or the log's own; ErrAway comes only after a minute.
func (f *Feed) Next(dst []byte, limit int) (out []byte, more bool, err error) {
	return f.next(dst, limit, math.MaxUint64)
}

// next is Next for entries up to the position end.
func (f *Feed) next(dst []byte, limit int, end uint64) (out []byte, more bool, err error) {
	f.watching = f.hub.watching()
	for _, c := range f.cursors {
		if c.snapshot && c.room() > 0 {
			return f.takeSnapshot(dst, c, limit)
		}
	}
	w := scratchPool.Get().(*scratch)
	defer w.release()
	lagging, end, more := f.gather(w, limit, end)
	if lagging != nil && len(w.picks) == 0 {
		return f.replay(dst, lagging, end, limit)
	}
	// Outside of the hub's lock from here on: encoding takes time, and slots never change.
	for _, p := range w.picks {
		e := &p.slot.entry
		switch {
		case p.fate != sent:
			f.skip(p.cursor, p.fate, e)
		case f.addresses(p.cursor, e):
			f.group.address(p.cursor, e, p.cursor.appendSlot(nil, p.slot), len(dst))
		default:
			dst = p.cursor.appendSlot(dst, p.slot)
			f.took(p.cursor, e)
		}
	}
	return dst, more || lagging != nil, nil
}

// took notes that the frame for an entry was appended.
func (f *Feed) took(c *Cursor, e *Entry) {
	if e.Position > c.liveFrom && (f.oldest.IsZero() || e.Time.Before(f.oldest)) {
		f.oldest = e.Time
	}
	c.took(e.Position)
	f.taken = max(f.taken, e.Position)
}

// A pick is one frame to append, or one entry to skip.
type pick struct {
	slot   *slot
	cursor *Cursor
	fate   fate
}

// A fate is what becomes of an entry for one subscription.
type fate int

const (
	sent fate = iota
	overtaken
	forOthers
)

// fate finds out what becomes of an entry. overtook tells whether there is a newer one of its key.
func (f *Feed) fate(c *Cursor, e *Entry, overtook func(*Entry) bool) fate {
	switch {
	case !f.wants(c, e):
		return forOthers
	case e.Position <= c.conflateTo && overtook(e):
		return overtaken
	}
	return sent
}

// wants reports whether an entry is for the subscription. A group wants what one of its members
// may.
func (f *Feed) wants(c *Cursor, e *Entry) bool {
	switch {
	case e.Audience == nil && c.own:
		return false
	case e.Audience != nil && f.group == nil && !f.isOf(e.Audience):
		return false
	}
	return c.filter == nil || c.filter.selects(e)
}

// isOf reports whether the client is of the audience.
func (f *Feed) isOf(audience []string) bool {
	return slices.ContainsFunc(f.tokens, func(token string) bool {
		_, found := slices.BinarySearch(audience, token)
		return found
	})
}

// addresses reports whether only some members of the group, if it is one's feed, get the entry.
func (f *Feed) addresses(c *Cursor, e *Entry) bool {
	return f.group != nil && (e.Audience != nil || c.filter != nil)
}

// A scratch is what gather works with.
type scratch struct {
	picks []pick
	heads []head // by cursor
}

// A head is the next entry of one cursor as gather goes on.
type head struct {
	next uint64 // its number in the ring
	left int    // how many more entries the cursor has room for
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

func (w *scratch) release() {
	clear(w.picks) // or the pool would keep evicted slots alive
	w.picks, w.heads = w.picks[:0], w.heads[:0]
	scratchPool.Put(w)
}

// frameOverhead is about what headers add to a payload.
const frameOverhead = 256

// gather merges what the rings hold for the cursors by position, up to limit bytes and the position
// end. When a cursor's next entries lie below its ring it returns that cursor (the lowest of them),
// and gathers only what comes before those. last is the newest position there is up to end; more
// tells that the limit has left something out.
func (f *Feed) gather(w *scratch, limit int, end uint64) (lagging *Cursor, last uint64, more bool) {
	h := f.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	last = min(h.last, end)
	end = last
	for _, c := range f.cursors {
		at := head{c.ring.after(c.pos), c.room()}
		if c.lags(at.next) {
			c.conflateTo = h.last
		}
		if c.below() && at.left > 0 && c.pos < end {
			// Entries of the other cursors up to here may be appended first. Those beyond come
			// after what the log has for this one: a client sees its queues in one order.
			at.left = 0
			lagging, end = c, c.pos
		}
		w.heads = append(w.heads, at)
	}
	for {
		i := f.lowest(w.heads, end)
		if i < 0 {
			f.reached = end
			return lagging, last, false
		}
		if limit <= 0 {
			return lagging, last, true
		}
		c, at := f.cursors[i], &w.heads[i]
		s := c.ring.at(at.next)
		at.next++
		f.reached = s.entry.Position
		fate := f.fate(c, &s.entry, c.ring.newest.overtook)
		w.picks = append(w.picks, pick{s, c, fate})
		if fate == sent {
			at.left--
			limit -= len(s.entry.Body) + frameOverhead
		}
	}
}

// below reports whether entries that the ring has lost come next. A snapshot comes before them.
func (c *Cursor) below() bool { return !c.snapshot && c.pos < c.ring.evicted }

// lags reports whether so much waits that overtaken entries are to be skipped. next is the number
// of the cursor's first entry in the ring.
func (c *Cursor) lags(next uint64) bool {
	return c.conflates && (c.below() || !c.snapshot && c.ring.tail-next > c.ring.lag())
}

// lowest returns the index of the cursor whose next entry in the ring comes first, -1 when none
// comes up to end.
func (f *Feed) lowest(heads []head, end uint64) int {
	first := -1
	for i, c := range f.cursors {
		at := &heads[i]
		if at.next == c.ring.tail || at.left == 0 {
			continue
		}
		if p := c.ring.at(at.next).entry.Position; p <= end {
			first, end = i, p-1
		}
	}
	return first
}

// pageEntries is how many entries one read of the log asks for.
const pageEntries = 128

// replay appends frames from one page of the log after the lagging cursor, for every cursor that
// has them ahead. What the log holds beyond last is not published yet.
func (f *Feed) replay(dst []byte, lagging *Cursor, last uint64, limit int) (out []byte, more bool, err error) {
	after := lagging.pos
	page, err := f.page(ask{after: after, max: pageEntries})
	switch {
	case errors.Is(err, errReading):
		return dst, false, nil
	case errors.Is(err, journal.ErrTrimmed) && f.hub.skipTrimmed(lagging):
		return dst, true, nil
	case errors.Is(err, journal.ErrTrimmed):
		return dst, false, ErrBehind
	case err != nil:
		return dst, false, fmt.Errorf("hub: reading after position %d: %w", after, err)
	case len(page) == 0:
		return dst, false, fmt.Errorf("hub: the log ends at position %d, before what it has published", after)
	}
	full := len(dst) + limit
	for i := range page {
		if page[i].Position > last || len(dst) >= full {
			break
		}
		dst = f.appendReplayed(dst, &page[i])
		f.reached = page[i].Position
	}
	return dst, true, nil // the ring has more, or the log
}

// skipTrimmed takes the cursor to where the log begins, if nothing of its queue has left the log
// since its position: it may have been quiet for long. It reports false where something has.
func (h *Hub) skipTrimmed(c *Cursor) bool {
	first := h.log.Bounds().First // before Trimmed, which then knows all that lies before
	if h.log.Trimmed(c.queue) > c.pos {
		return false
	}
	c.skipTo(first - 1)
	return true
}

// appendReplayed appends the frames for e, an entry of the log.
func (f *Feed) appendReplayed(dst []byte, e *journal.Entry) []byte {
	for _, c := range f.cursors {
		if c.snapshot || c.pos >= e.Position || c.room() == 0 {
			continue
		}
		if c.queue != e.Queue {
			c.skipTo(e.Position) // or the next page would begin before this one again
			continue
		}
		fate := f.fate(c, e, func(e *Entry) bool { return f.hub.overtook(c.ring, e) })
		switch {
		case fate != sent:
			f.skip(c, fate, e)
		case f.addresses(c, e):
			f.group.address(c, e, c.append(nil, e), len(dst))
		default:
			dst = c.append(dst, e)
			f.took(c, e)
		}
	}
	return dst
}

func (h *Hub) overtook(r *ring, e *journal.Entry) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return r.newest.overtook(e)
}

// sparse is how many entries of a page are for others where searching the rest of the snapshot is
// left to the hub.
const sparse = pageEntries * 7 / 8

// takeSnapshot appends frames from one page of the newest entries per key. Those that are live come
// later, as such; so a key that gets a new entry while the snapshot is read is in it once, or only
// live.
func (f *Feed) takeSnapshot(dst []byte, c *Cursor, limit int) (out []byte, more bool, err error) {
	if c.search != nil {
		return f.takeFound(dst, c, limit)
	}
	page, err := f.page(ask{queue: c.queue, after: c.pos, max: pageEntries})
	switch {
	case errors.Is(err, errReading):
		return dst, false, nil
	case err != nil:
		return dst, false, fmt.Errorf("hub: reading the newest of %s after position %d: %w", c.queue, c.pos, err)
	}
	if len(page) == 0 || page[0].Position > c.liveFrom {
		c.snapshot = false
		c.skipTo(c.liveFrom)
	}
	full, others := len(dst)+limit, 0
	for i := range page {
		if page[i].Position > c.liveFrom || c.room() == 0 || len(dst) >= full {
			break
		}
		if !f.wants(c, &page[i]) {
			f.skip(c, forOthers, &page[i])
			others++
			continue
		}
		dst = c.append(dst, &page[i])
		f.took(c, &page[i])
	}
	if others >= sparse {
		c.search = f.newSearch(c)
		return dst, false, nil
	}
	return dst, true, nil // what is live comes after it
}
