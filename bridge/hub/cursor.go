package hub

import (
	"mqtt-stomp-bridge/bridge/journal"
)

// A Cursor is one subscription's position in its queue. It belongs to its Feed, and whoever guards
// that guards it; only what it shares with others, the ring and the use, has locks of its own.
// While the Feed is a member of a Group its cursors stand still: the Group's cursors move in their
// place.
type Cursor struct {
	// Set when the cursor is made.
	queue     string
	ring      *ring
	use       *use
	liveFrom  uint64  // the newest position at that moment; later entries are live
	born      uint64  // the ring's tail at that moment
	own       bool    // only entries with an audience
	filter    *filter // nil: all
	conflates bool
	track     bool
	window    int     // see Options
	watcher   Watcher // nil: none; a Group's cursor never has one
	from      uint64  // where it began; with begun 0
	begun     bool    // with a snapshot

	// How far it has come.
	pos        uint64  // entries up to here are done with, or in frames that Next has appended
	written    uint64  // entries up to here are done with
	search     *search // for what comes next of the snapshot; nil: there is none
	snapshot   bool    // the newest entries per key after pos and up to liveFrom come next
	past       *past   // for its Trace; nil: nothing was noted, and notes tells whether it would be
	notes      bool    // Config.Traces
	conflateTo uint64  // it lagged when this was the newest position: up to here overtaken entries are skipped
	first      Format  // for the next frame only, then nil

	// What waits for its acknowledgement; only when track is set.
	inFlight positions // sent and not acknowledged
	settled  uint64    // up to here none is waited for any more

	// What became of the entries.
	live, replayed int64    // in the frames that Next has appended since Wrote
	outcomes       Outcomes // of a member: less the Group's, see Join
	published      uint64   // entries that came to the ring while the cursor was there; set by leave
	ended          bool     // by leave
	until          uint64   // the newest position then
	stands         int64    // for how many subscriptions: 1, or of a Group's cursor its members
}

// Outcomes are what became of the live entries of one subscription so far.
type Outcomes struct {
	Delivered    int64 `json:"delivered"`
	Conflated    int64 `json:"conflated"`
	NotAddressed int64 `json:"not_addressed"`
}

func (o Outcomes) sum() int64 { return o.Delivered + o.Conflated + o.NotAddressed }

// plus returns the sum of both, the other taken n times.
func (o Outcomes) plus(n int64, other Outcomes) Outcomes {
	return Outcomes{o.Delivered + n*other.Delivered, o.Conflated + n*other.Conflated, o.NotAddressed + n*other.NotAddressed}
}

// MaxWindow is the largest window. It is also how many unacknowledged positions are remembered at
// most for a subscription without one: those before count as acknowledged.
const MaxWindow = 1 << 14

// Position returns how far Next has come: no frame of a later entry was appended for the
// subscription.
func (c *Cursor) Position() uint64 { return c.pos }

// room is how many more entries may be sent before one is acknowledged.
func (c *Cursor) room() int {
	if c.window == 0 {
		return 1 << 30
	}
	return max(0, c.window-c.inFlight.n)
}

func (c *Cursor) append(dst []byte, e *journal.Entry) []byte {
	if c.first != nil {
		return c.appendFirst(dst, e)
	}
	return c.use.format.AppendFrame(dst, e)
}

// appendSlot is append for an entry in the ring, whose frame others may have encoded already.
func (c *Cursor) appendSlot(dst []byte, s *slot) []byte {
	if c.first != nil {
		return c.appendFirst(dst, &s.entry)
	}
	return s.appendFrame(dst, c.use)
}

func (c *Cursor) appendFirst(dst []byte, e *journal.Entry) []byte {
	dst = c.first.AppendFrame(dst, e)
	c.first = nil
	return dst
}

// took notes that a frame for the position was appended.
func (c *Cursor) took(position uint64) {
	c.pos = position
	if position > c.liveFrom {
		c.live++
	} else {
		c.replayed++
	}
	if !c.track {
		return
	}
	if c.inFlight.n == MaxWindow && c.window == 0 {
		c.settle(c.inFlight.middle()) // by half, so that this is not repeated for every entry
	}
	c.inFlight.add(position)
}

// behind reports whether entries older than the subscription come next.
func (c *Cursor) behind() bool {
	r := c.ring
	return c.snapshot || c.pos < c.liveFrom && (c.pos < r.evicted || r.after(c.pos) < c.born)
}

// conflated notes that the entry at the position is skipped.
func (c *Cursor) conflated(position uint64) {
	if position > c.liveFrom {
		c.outcomes.Conflated++
		c.ring.conflated.Add(c.stands)
	}
	if c.notes {
		c.noted().conflated.add(position)
	}
	c.skipTo(position)
}

// passed notes that the entry at the position is for others.
func (c *Cursor) passed(position uint64) {
	if position > c.liveFrom {
		c.outcomes.NotAddressed++
		c.ring.notAddressed.Add(c.stands)
	}
	c.skipTo(position)
}

// skipTo notes that there is nothing to send up to the position.
func (c *Cursor) skipTo(position uint64) {
	c.pos = position
	if !c.unwritten() { // else the frames before it would count as written
		c.written = position
	}
}

// unwritten reports whether frames that Next has appended wait for Wrote.
func (c *Cursor) unwritten() bool { return c.live+c.replayed > 0 }

func (c *Cursor) wrote() {
	c.written = c.pos
	c.ring.delivered.Add(c.live)
	c.ring.replayed.Add(c.replayed)
	c.outcomes.Delivered += c.live
	c.live, c.replayed = 0, 0
}

// settle forgets the positions in flight up to one of them.
func (c *Cursor) settle(position uint64) {
	c.settled = position
	c.inFlight.removeTo(position)
}

// ack is Feed.Ack.
func (c *Cursor) ack(position uint64, cumulative bool) bool {
	if cumulative && c.inFlight.has(position) {
		c.settle(position)
		return true
	}
	return c.inFlight.remove(position) || position > 0 && position <= c.settled
}

// attach has entries in the cursor's ring wake the feed. An entry that came just before may not:
// call Next after it.
func (h *Hub) attach(f *Feed, cursors ...*Cursor) {
	h.feedsMu.Lock()
	defer h.feedsMu.Unlock()
	for _, c := range cursors {
		if c.ring.feeds[f]++; c.ring.feeds[f] == 1 {
			h.attached.Add(1)
		}
	}
}

// detach is the opposite of attach.
func (h *Hub) detach(f *Feed, cursors ...*Cursor) {
	h.feedsMu.Lock()
	defer h.feedsMu.Unlock()
	for _, c := range cursors {
		if c.ring.feeds[f]--; c.ring.feeds[f] == 0 {
			delete(c.ring.feeds, f)
			h.attached.Add(-1)
		}
	}
}

// leave takes the cursor out of its ring.
func (c *Cursor) leave(f *Feed) {
	h, r := f.hub, c.ring
	c.dropSearch()
	h.detach(f, c)
	h.mu.Lock()
	defer h.mu.Unlock()
	r.subscriptions.Add(-1)
	if c.use.n.Add(-1) == 0 {
		delete(r.uses, c.use.format)
	}
	c.published = r.tail - c.born // under the same lock: nothing later was meant for it
	c.ended, c.until = true, h.last
}

// close counts what a cursor that has left leaves behind.
func (c *Cursor) close(h *Hub) {
	n := int64(c.published) - c.outcomes.sum()
	c.ring.leftBehind.Add(n)
	if n > 0 && h.watching() {
		c.tell(Skip{Reason: LeftBehind, Position: c.written, Entries: n})
	}
}
