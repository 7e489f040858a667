package hub

import "hash/maphash"

// A Group is one feed in the place of many, which have the same subscriptions and stand at the same place: what comes next is
// appended once for all of them. It is not safe for concurrent use, and as long as a feed is a member only the Group's methods
// may use it.
type Group struct {
	feed    Feed
	members int64
	before  uint64  // the feed's last before the last Next
	shares  []share // by cursor
}

// A share is what the last Next has appended for one cursor.
type share struct {
	from    uint64 // the cursor's place before
	entries int64
}

// A kind is what subscriptions must have in common.
type kind struct {
	use       *use
	conflates bool
}

func (c *Cursor) kind() kind { return kind{c.use, c.conflates} }

var shapeSeed = maphash.MakeSeed()

// Shape returns a number that is the same for feeds with the same subscriptions. ok tells whether the feed can be in a group:
// it has begun all its subscriptions, none awaits acknowledgements, and each is in a format that others have too.
func (f *Feed) Shape() (shape uint64, ok bool) {
	for _, c := range f.cursors {
		if c.snapshot || c.track || c.first != nil || c.use.n.Load() < 2 {
			return 0, false
		}
		shape = shape*31 + maphash.Comparable(shapeSeed, c.kind())
	}
	return shape, len(f.cursors) > 0
}

// NewGroup returns a group without members that has f's subscriptions and stands where f does. wake is NewFeed's. Close it.
func (f *Feed) NewGroup(wake func()) *Group {
	g := &Group{feed: Feed{hub: f.hub, wake: wake}}
	for _, c := range f.cursors {
		g.feed.cursors = append(g.feed.cursors, &Cursor{queue: c.queue, ring: c.ring, use: c.use, pos: c.pos, written: c.pos, conflates: c.conflates})
	}
	g.shares = make([]share, len(f.cursors))
	f.hub.attach(&g.feed, g.feed.cursors...)
	return g
}

// Close ends a group without members.
func (g *Group) Close() { g.feed.hub.detach(&g.feed, g.feed.cursors...) }

// Next is Feed.Next, for all members. Each of them is written what was appended, or leaves.
func (g *Group) Next(dst []byte, limit int) (out []byte, more bool, err error) {
	g.before = g.feed.last
	for i, c := range g.feed.cursors {
		g.shares[i] = share{from: c.pos}
		c.stands = g.members
	}
	dst, more, err = g.feed.Next(dst, limit)
	for i, c := range g.feed.cursors {
		g.shares[i].entries = c.live
		c.accounted += c.live
		c.live = 0
		c.written = c.pos
	}
	g.feed.last = max(g.feed.last, g.feed.taken)
	return dst, more, err
}

// Wrote tells the group to how many members the frames of the last Next were written.
func (g *Group) Wrote(members int) {
	for i, c := range g.feed.cursors {
		c.ring.delivered.Add(g.shares[i].entries * int64(members))
	}
}

// Catch is Next for a feed that is to join, up to where the group stands.
func (g *Group) Catch(f *Feed, dst []byte, limit int) (out []byte, more bool, err error) {
	return f.next(dst, limit, g.feed.reached)
}

// Join makes f a member. It reports false when f is of another shape than the group or stands at another place.
func (g *Group) Join(f *Feed) bool {
	if !g.standsBeside(f) {
		return false
	}
	f.hub.detach(f, f.cursors...)
	for i, c := range f.cursors {
		c.accounted -= g.feed.cursors[i].accounted
	}
	g.members++
	return true
}

func (g *Group) standsBeside(f *Feed) bool {
	if len(f.cursors) != len(g.feed.cursors) {
		return false
	}
	h := f.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	for i, c := range f.cursors {
		if !c.standsBeside(g.feed.cursors[i]) {
			return false
		}
	}
	return true
}

// standsBeside reports whether the same entries come next for both cursors, all of them live for c. A position tells less than
// the number of the next entry does: a cursor in a quiet queue may have been placed at any later position.
func (c *Cursor) standsBeside(other *Cursor) bool {
	r := c.ring
	if c.kind() != other.kind() || c.track || c.snapshot || c.first != nil || c.unwritten() {
		return false
	}
	if c.pos < r.evicted || other.pos < r.evicted {
		return false
	}
	next := r.after(c.pos)
	return next == r.after(other.pos) && next >= c.born
}

// Leave has the member f go on by itself. wrote tells whether what the last Next appended was written to it; otherwise it is
// as if f's own Next had appended it.
func (g *Group) Leave(f *Feed, wrote bool) {
	g.members--
	for i, c := range f.cursors {
		ours, share := g.feed.cursors[i], g.shares[i]
		c.pos, c.written = ours.pos, ours.pos
		c.accounted += ours.accounted
		if !wrote {
			c.written = share.from
			c.live = share.entries
			c.accounted -= share.entries
		}
	}
	f.taken = max(f.taken, g.feed.taken)
	if wrote {
		f.last = max(f.last, g.feed.last)
	} else {
		f.last = max(f.last, g.before)
	}
	f.hub.attach(f, f.cursors...)
}
