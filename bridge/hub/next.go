package hub

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"mqtt-stomp-bridge/bridge/journal"
)

// ErrBehind is returned by Next when a cursor has fallen below what the log keeps. The feed is of no more use.
var ErrBehind = errors.New("hub: the next entries are no longer kept")

// Next appends the frames of what waits for the feed to dst, up to about limit bytes, and moves its cursors. The caller
// writes them and calls Wrote. Without more there is nothing left, until the hub wakes the feed. The error is ErrBehind or the
// log's own.
func (f *Feed) Next(dst []byte, limit int) (out []byte, more bool, err error) {
	return f.next(dst, limit, math.MaxUint64)
}

// next is Next for entries up to the position end.
func (f *Feed) next(dst []byte, limit int, end uint64) (out []byte, more bool, err error) {
	for _, c := range f.cursors {
		if c.snapshot && c.room() > 0 {
			return f.takeSnapshot(dst, c, limit)
		}
	}
	picks := pickPool.Get().(*[]pick)
	defer func() {
		clear(*picks)
		*picks = (*picks)[:0]
		pickPool.Put(picks)
	}()
	lagging, end, more := f.gather(picks, limit, end)
	if lagging != nil && len(*picks) == 0 {
		return f.replay(dst, lagging, end, limit)
	}
	for _, p := range *picks {
		e := &p.slot.entry
		switch {
		case p.fate == overtaken:
			p.cursor.conflated(e.Position)
		case p.fate == forOthers:
			p.cursor.passed(e.Position)
		case f.group != nil && e.Audience != nil:
			f.group.setAside(p.cursor, e, p.cursor.appendSlot(nil, p.slot), len(dst))
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

// wants reports whether an entry is for the subscription. A group wants what one of its members may.
func (f *Feed) wants(c *Cursor, e *Entry) bool {
	if e.Audience == nil {
		return !c.own
	}
	if f.group != nil {
		return true
	}
	for _, token := range f.tokens {
		if _, found := slices.BinarySearch(e.Audience, token); found {
			return true
		}
	}
	return false
}

var pickPool = sync.Pool{New: func() any { return new([]pick) }}

// frameOverhead is about what headers add to a payload.
const frameOverhead = 256

// gather merges what the rings hold for the cursors by position, up to limit bytes and the position end. When a cursor's next
// entries lie below its ring it returns that cursor (the lowest of them), and gathers only what comes before those. last is
// the newest position there is up to end; more tells that the limit has left something out.
func (f *Feed) gather(picks *[]pick, limit int, end uint64) (lagging *Cursor, last uint64, more bool) {
	h := f.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	last = min(h.last, end)
	end = last
	for _, c := range f.cursors {
		if below := c.place(h.last); below && c.left > 0 && c.pos < end {
			c.left = 0
			lagging, end = c, c.pos
		}
	}
	for {
		c := f.lowest(end)
		if c == nil {
			f.reached = end
			return lagging, last, false
		}
		if limit <= 0 {
			return lagging, last, true
		}
		s := c.ring.at(c.next)
		c.next++
		f.reached = s.entry.Position
		fate := f.fate(c, &s.entry, c.ring.newest.overtook)
		*picks = append(*picks, pick{s, c, fate})
		if fate == sent {
			c.left--
			limit -= len(s.entry.Body) + frameOverhead
		}
	}
}

// place finds the cursor's place in its ring, and reports whether it lies below. last is the newest position.
func (c *Cursor) place(last uint64) (below bool) {
	c.next, c.left = c.ring.after(c.pos), c.room()
	if c.snapshot { // it has no room now
		return false
	}
	below = c.pos < c.ring.evicted
	if c.conflates && (below || c.ring.tail-c.next > c.ring.lag()) {
		c.conflateTo = last
	}
	return below
}

// lowest returns the cursor whose next entry in the ring comes first, nil when none comes up to end. It is part of gather.
func (f *Feed) lowest(end uint64) (first *Cursor) {
	for _, c := range f.cursors {
		if c.next == c.ring.tail || c.left == 0 {
			continue
		}
		if p := c.ring.at(c.next).entry.Position; p <= end {
			first, end = c, p-1
		}
	}
	return first
}

// pageEntries is how many entries one read of the log asks for.
const pageEntries = 128

// replay appends frames from one page of the log after the place of the lagging cursor, for every cursor that has them ahead.
// What the log holds beyond last is not published yet.
func (f *Feed) replay(dst []byte, lagging *Cursor, last uint64, limit int) (out []byte, more bool, err error) {
	after := lagging.pos
	page, err := f.hub.log.Read(f.hub.ctx, after, pageEntries)
	switch {
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
	return dst, true, nil // at the least what the ring holds
}

// skipTrimmed takes the cursor to where the log begins, if nothing of its queue has left the log since its place: it may have
// been quiet for long. It reports false where something has.
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
			c.skipTo(e.Position)
			continue
		}
		fate := f.fate(c, e, func(e *Entry) bool { return f.hub.overtook(c.ring, e) })
		switch {
		case fate == overtaken:
			c.conflated(e.Position)
		case fate == forOthers:
			c.passed(e.Position)
		case f.group != nil && e.Audience != nil:
			f.group.setAside(c, e, c.append(nil, e), len(dst))
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

// takeSnapshot appends frames from one page of the newest entries per key. Those that are live come later, as such; so a key
// that gets a new entry while the snapshot is read is in it once, or only live.
func (f *Feed) takeSnapshot(dst []byte, c *Cursor, limit int) (out []byte, more bool, err error) {
	page, err := f.hub.log.Latest(f.hub.ctx, c.queue, c.pos, pageEntries)
	if err != nil {
		return dst, false, fmt.Errorf("hub: reading the newest of %s after position %d: %w", c.queue, c.pos, err)
	}
	if len(page) == 0 || page[0].Position > c.liveFrom {
		c.snapshot = false
		c.skipTo(c.liveFrom)
	}
	full := len(dst) + limit
	for i := range page {
		if page[i].Position > c.liveFrom || c.room() == 0 || len(dst) >= full {
			break
		}
		if !f.wants(c, &page[i]) {
			c.passed(page[i].Position)
			continue
		}
		dst = c.append(dst, &page[i])
		f.took(c, &page[i])
	}
	return dst, true, nil // at the least what is live
}
