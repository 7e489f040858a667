package hub

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// A Group is one feed for many, its members, which have the same subscriptions and have come
// equally far: what comes next is appended once for all of them. Entries with an audience, and
// those that members select by a filter, go to those members that an index finds. It is not safe
// for concurrent use, and as long as a feed is a member only the Group's methods may use it.
//
// Members cost nothing while entries come: the counts that an entry for everybody would change in
// every member stand in the Group's cursors alone. A member's outcomes are its own plus the
// Group's, so Join subtracts the Group's from them and Leave adds them again.
type Group struct {
	feed    Feed
	members map[*Feed]struct{}
	index   map[string]map[*Feed]struct{} // token -> members; nil until there was an entry with an audience

	// Of the last Next.
	before    uint64  // the feed's last before it
	shares    []share // by cursor
	buffer    *[]byte // from framesPool, with the frames; nil: none
	kept      bool    // see Keep
	frames    []byte  // for everybody
	addressed []addressed
	personal  map[*Feed]*personal // for members with more than that
}

// A share is what the last Next has appended for one cursor.
type share struct {
	from    uint64 // the cursor's position before
	entries int64
}

// An addressed is a frame that only some members get.
type addressed struct {
	cursor int
	entry  *Entry
	frame  []byte
	at     int // where in the frames for everybody it belongs
}

// A personal is what some members get.
type personal struct {
	frames  []byte
	entries []int64 // by cursor, beyond those in the shares
}

// A profile is what the subscriptions of a Group's members have in common.
type profile struct {
	use       *use
	conflates bool
	filter    string // its name
}

func (c *Cursor) profile() profile {
	p := profile{use: c.use, conflates: c.conflates}
	if c.filter != nil {
		p.filter = c.filter.name
	}
	return p
}

var profileSeed = maphash.MakeSeed()

// Profile returns a number that is the same for feeds with the same subscriptions. ok tells whether
// the feed can be in a group: it has begun all its subscriptions, none awaits acknowledgements, and
// each is in a format that others have too.
func (f *Feed) Profile() (number uint64, ok bool) {
	for _, c := range f.cursors {
		if c.snapshot || c.track || c.first != nil || c.use.n.Load() < 2 {
			return 0, false
		}
		number = number*31 + maphash.Comparable(profileSeed, c.profile())
	}
	return number, len(f.cursors) > 0
}

// NewGroup returns a group without members that has f's subscriptions and has come as far as f.
// Close it.
func (f *Feed) NewGroup(owner Owner) *Group {
	g := &Group{feed: Feed{hub: f.hub, owner: owner}, members: map[*Feed]struct{}{}}
	g.feed.group = g
	for _, c := range f.cursors {
		g.feed.cursors = append(g.feed.cursors, &Cursor{
			queue: c.queue, ring: c.ring, use: c.use, own: c.own, conflates: c.conflates, filter: c.filter.shared(), notes: c.notes,
			pos: c.pos, written: c.pos, // liveFrom is 0: all is live for a group
		})
	}
	g.shares = make([]share, len(f.cursors))
	f.hub.attach(&g.feed, g.feed.cursors...)
	return g
}

// Close ends a group without members.
func (g *Group) Close() {
	g.feed.dropReading()
	g.feed.hub.detach(&g.feed, g.feed.cursors...)
}

// Next is Feed.Next, for all members, each of which is then written what Frames returns for it, or
// leaves.
func (g *Group) Next(limit int) (more bool, err error) {
	g.before = g.feed.last
	for i, c := range g.feed.cursors {
		g.shares[i] = share{from: c.pos}
		c.stands = int64(len(g.members))
	}
	g.addressed, g.personal = g.addressed[:0], nil
	g.feed.oldest = time.Time{}
	if g.buffer == nil {
		g.buffer = framesPool.Get().(*[]byte)
	}
	g.frames, more, err = g.feed.Next((*g.buffer)[:0], limit)
	*g.buffer = g.frames
	// As if all members had it already. One that has not when it leaves takes it back, see Leave.
	for i, c := range g.feed.cursors {
		g.shares[i].entries = c.live
		c.outcomes.Delivered += c.live
		c.live = 0
		c.written = c.pos
	}
	g.feed.last = max(g.feed.last, g.feed.taken)
	if len(g.addressed) > 0 {
		g.distribute()
	}
	return more, err
}

// framesPool holds what groups append to, since there may be as many groups as clients choose to
// make.
var framesPool = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the largest buffer that is kept for the next group.
const maxPooled = 256 << 10

// Keep has what Frames returned for the last Next stay valid after Release.
func (g *Group) Keep() { g.kept = true }

// Release lets go of the frames of the last Next, once all members have them or have left: there
// are none any more.
func (g *Group) Release() {
	if g.buffer != nil && !g.kept && cap(*g.buffer) <= maxPooled {
		framesPool.Put(g.buffer)
	}
	clear(g.addressed)
	g.buffer, g.frames, g.personal, g.kept = nil, nil, nil, false
}

// address notes an entry that only some members get.
func (g *Group) address(c *Cursor, e *Entry, frame []byte, at int) {
	c.passed(e.Position) // for all members; distribute corrects the count for those it finds
	if g.feed.oldest.IsZero() {
		g.feed.oldest = e.Time
	}
	// Not by Feed.took: only some members get a frame.
	g.feed.taken = max(g.feed.taken, e.Position)
	g.addressed = append(g.addressed, addressed{cursor: slices.Index(g.feed.cursors, c), entry: e, frame: frame, at: at})
}

// distribute finds the members that get the addressed frames. Those that get the same ones share
// the bytes: often a group of users is addressed, not a single one.
func (g *Group) distribute() {
	// The list of a member is text, four bytes for the number of each addressed frame, so that
	// equal lists are equal keys of made.
	lists := map[*Feed][]byte{}
	for i, a := range g.addressed {
		number := binary.BigEndian.AppendUint32(nil, uint32(i))
		for f := range g.receivers(a) {
			if list := lists[f]; !bytes.HasSuffix(list, number) { // else it is of the audience twice
				lists[f] = append(list, number...)
			}
		}
	}
	if g.feed.watching {
		g.tellOthers(lists)
	}
	made := map[string]*personal{}
	g.personal = make(map[*Feed]*personal, len(lists))
	for f, list := range lists {
		p := made[string(list)]
		if p == nil {
			p = g.merge(list)
			made[string(list)] = p
		}
		g.personal[f] = p
		for i, n := range p.entries { // address has counted them as not addressed, for the group and for the ring
			f.cursors[i].outcomes = f.cursors[i].outcomes.plus(n, Outcomes{Delivered: 1, NotAddressed: -1})
			f.cursors[i].ring.notAddressed.Add(-n)
		}
	}
}

// receivers yields the members that get the frame, maybe one of them several times.
func (g *Group) receivers(a addressed) iter.Seq[*Feed] {
	shared, audience := g.feed.cursors[a.cursor].filter, a.entry.Audience
	if shared == nil {
		return g.audience(audience)
	}
	watchers := shared.watchersOf(a.entry)
	if audience == nil {
		return maps.Keys(watchers)
	}
	return func(yield func(*Feed) bool) {
		// Of the two sets the smaller is gone through: either may be nearly everybody.
		if g.audienceSize(audience) < len(watchers) {
			for f := range g.audience(audience) {
				if f.cursors[a.cursor].filter.selects(a.entry) && !yield(f) {
					return
				}
			}
			return
		}
		for f := range watchers {
			if f.isOf(audience) && !yield(f) {
				return
			}
		}
	}
}

// audience yields the members of the audience, one of them as often as it has its tokens.
func (g *Group) audience(tokens []string) iter.Seq[*Feed] {
	return func(yield func(*Feed) bool) {
		for _, token := range tokens {
			for f := range g.tokenIndex()[token] {
				if !yield(f) {
					return
				}
			}
		}
	}
}

func (g *Group) audienceSize(tokens []string) (n int) {
	for _, token := range tokens {
		n += len(g.tokenIndex()[token])
	}
	return n
}

// tokenIndex returns the index, which is not made before it is needed: many bridges address nobody.
func (g *Group) tokenIndex() map[string]map[*Feed]struct{} {
	if g.index == nil {
		g.index = map[string]map[*Feed]struct{}{}
		for f := range g.members {
			g.enlist(f)
		}
	}
	return g.index
}

// merge puts the frames for everybody and the addressed ones in the list together, in order.
func (g *Group) merge(list []byte) *personal {
	p := &personal{entries: make([]int64, len(g.shares))}
	from := 0
	for ; len(list) > 0; list = list[4:] {
		a := g.addressed[binary.BigEndian.Uint32(list)]
		p.frames = append(append(p.frames, g.frames[from:a.at]...), a.frame...)
		p.entries[a.cursor]++
		from = a.at
	}
	p.frames = append(p.frames, g.frames[from:]...)
	return p
}

// Any reports whether the last Next has frames for anybody.
func (g *Group) Any() bool { return len(g.frames)+len(g.personal) > 0 }

// Everybody reports whether the last Next has frames for all members.
func (g *Group) Everybody() bool { return len(g.frames) > 0 }

// Addressed yields the members for which the last Next has frames that not all members get.
func (g *Group) Addressed() iter.Seq[*Feed] { return maps.Keys(g.personal) }

// Frames returns what the last Next has for the member. It is valid, and must not be changed, until
// the next one or Release, after Keep for good. Several goroutines may call it at a time, as long
// as none calls those.
func (g *Group) Frames(f *Feed) []byte {
	if p := g.personal[f]; p != nil {
		return p.frames
	}
	return g.frames
}

// Wrote tells the group to which members the frames of the last Next were written.
func (g *Group) Wrote(members []*Feed) {
	g.feed.hub.latency.observe(g.feed.oldest, len(members))
	for i, c := range g.feed.cursors {
		c.ring.delivered.Add(g.shares[i].entries * int64(len(members)))
	}
	if len(g.personal) == 0 {
		return
	}
	for _, f := range members {
		for i, c := range g.feed.cursors {
			c.ring.delivered.Add(g.personal[f].extra(i))
		}
	}
}

// extra is how many entries for the cursor there are beyond those for everybody.
func (p *personal) extra(cursor int) int64 {
	if p == nil {
		return 0
	}
	return p.entries[cursor]
}

func (g *Group) enlist(f *Feed) {
	for _, token := range f.tokens {
		if g.index[token] == nil {
			g.index[token] = map[*Feed]struct{}{}
		}
		g.index[token][f] = struct{}{}
	}
}

func (g *Group) strike(f *Feed) {
	for _, token := range f.tokens {
		if delete(g.index[token], f); len(g.index[token]) == 0 {
			delete(g.index, token)
		}
	}
}

// Catch is Next for a feed that is to join, up to where the group stands.
func (g *Group) Catch(f *Feed, dst []byte, limit int) (out []byte, more bool, err error) {
	return f.next(dst, limit, g.feed.reached)
}

// Join makes f a member. It reports false when f is of another profile than the group or has not
// come equally far.
func (g *Group) Join(f *Feed) bool {
	if !g.alongside(f) {
		return false
	}
	f.hub.detach(f, f.cursors...) // from now on entries wake the group
	for i, c := range f.cursors {
		c.outcomes = c.outcomes.plus(-1, g.feed.cursors[i].outcomes)
	}
	g.members[f] = struct{}{}
	if g.index != nil {
		g.enlist(f)
	}
	for i, c := range f.cursors {
		if c.filter != nil {
			g.feed.cursors[i].filter.watch(f, c.filter)
		}
	}
	return true
}

func (g *Group) alongside(f *Feed) bool {
	if len(f.cursors) != len(g.feed.cursors) {
		return false
	}
	h := f.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	for i, c := range f.cursors {
		if !c.alongside(g.feed.cursors[i]) {
			return false
		}
	}
	return true
}

// alongside reports whether the same entries come next for both cursors, all of them live for c.
// The number of the next entry decides, not the position: in a quiet queue, cursors with the same
// next entry have different positions.
func (c *Cursor) alongside(other *Cursor) bool {
	r := c.ring
	if c.profile() != other.profile() || c.track || c.snapshot || c.first != nil || c.unwritten() {
		return false
	}
	if c.pos < r.evicted || other.pos < r.evicted {
		return false
	}
	next := r.after(c.pos)
	return next == r.after(other.pos) && next >= c.born
}

// Leave has the member f go on by itself. wrote tells whether what the last Next appended was
// written to it; otherwise it is as if f's own Next had appended it.
func (g *Group) Leave(f *Feed, wrote bool) {
	delete(g.members, f)
	g.strike(f)
	for i, c := range f.cursors {
		ours, share := g.feed.cursors[i], g.shares[i]
		if c.filter != nil {
			ours.filter.unwatch(f, c.filter)
		}
		c.takeOver(ours)
		c.pos, c.written = ours.pos, ours.pos
		c.outcomes = c.outcomes.plus(1, ours.outcomes)
		if !wrote { // Next has counted it as delivered: it goes back to what waits for Wrote
			c.written = share.from
			c.live = share.entries + g.personal[f].extra(i)
			c.outcomes.Delivered -= c.live
			f.oldest = g.feed.oldest
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

// Status is Feed.Status for a member.
func (g *Group) Status(f *Feed) []Status {
	all := f.Status()
	for i, c := range g.feed.cursors {
		all[i].add(c.outcomes)
	}
	return all
}

// Lag is Feed.Lag for a member.
func (g *Group) Lag(f *Feed, most map[string]int64) { f.lag(most, g.feed.cursors) }
