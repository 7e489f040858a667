package hub

import (
	"slices"
	"time"
)

// A Feed is what one session reads: the entries of all its subscriptions, in the order of
// positions. It is not safe for concurrent use.
type Feed struct {
	hub     *Hub
	owner   Owner
	group   *Group   // whose feed it is; nil: a session's
	tokens  []string // of the client, see SetTokens
	cursors []*Cursor

	// Between Next and Wrote.
	leaving []*Cursor // unsubscribed, but frames of them are not written yet
	oldest  time.Time // receipt of the oldest live entry appended; zero: none

	reading *reading // of what was not at hand; nil: there is none

	watching bool // since the last Next began, see Config.Watching

	// How far it has come.
	last    uint64 // the greatest position written
	taken   uint64 // the greatest position that Next has appended
	reached uint64 // the last Next has left out nothing up to this position
}

// Options say how a subscription begins and what it keeps.
type Options struct {
	Resume     *Resume                    // replay what came after; nil: live only
	Snapshot   bool                       // begin with the newest entry per key, unless a replay is complete
	First      func(complete bool) Format // the format of the very first frame; nil: like all others
	Own        bool                       // only entries whose audience the client is of, none that are for everybody
	Filter     *Filter                    // only entries that it selects; nil: all
	NoConflate bool                       // send every entry, also where the queue conflates
	Track      bool                       // remember what was sent until Ack
	Window     int                        // with Track: no more than so many unacknowledged entries, at most MaxWindow; 0: no bound
	Watcher    Watcher                    // of what is skipped; nil: none
}

// A Resume names the last entry that a client has seen, as Hub.Epoch does.
type Resume struct {
	Epoch    string
	Position uint64
}

// An Owner is who reads a feed or a group.
type Owner interface {
	// Wake is called when entries come after nothing waited, maybe from within the log's Append: it
	// must not block, nor call the hub.
	Wake()
	// Serve is Wake from where nobody holds a lock of the hub: the owner may read and write at once
	// what does not take long.
	Serve()
}

// NewFeed returns a Feed without subscriptions. Close it.
func (h *Hub) NewFeed(owner Owner) *Feed { return &Feed{hub: h, owner: owner} }

// SetTokens says which audiences the client is of. Without a call it gets only what is for
// everybody.
func (f *Feed) SetTokens(tokens []string) {
	for _, c := range f.cursors {
		if c.notes && !slices.Equal(tokens, f.tokens) {
			c.noted().had(Tokens{Until: c.pos, Tokens: f.tokens})
		}
		c.dropSearch() // it looks for what was for the old ones
	}
	f.tokens = tokens
}

// Subscribe begins to read the queue, which must be one of the hub's. With o.Resume, complete tells
// whether everything after that entry will come; otherwise the cursor begins as without Resume.
// There may be something for Next at once.
func (f *Feed) Subscribe(queue string, format Format, o Options) (c *Cursor, complete bool) {
	h, r := f.hub, f.hub.ring(queue)
	bounds := h.log.Bounds()

	// Placed in the critical section of publish: an entry is either older than the cursor or live
	// for it.
	h.mu.Lock()
	c = &Cursor{
		queue:     queue,
		ring:      r,
		pos:       h.last,
		liveFrom:  h.last,
		born:      r.tail,
		stands:    1,
		own:       o.Own,
		filter:    r.filter(o.Filter),
		conflates: r.newest != nil && !o.NoConflate,
		track:     o.Track,
		window:    min(o.Window, MaxWindow),
		watcher:   o.Watcher,
		notes:     h.notes,
	}
	switch {
	case o.Resume != nil && o.Resume.Position <= h.last && o.Resume.Position+1 >= bounds.First && h.gave(*o.Resume):
		c.pos, complete = o.Resume.Position, true
	case o.Snapshot:
		c.pos, c.snapshot, c.begun = 0, true, true
	}
	c.from = c.pos
	if c.use = r.uses[format]; c.use == nil {
		c.use = &use{format: format}
		r.uses[format] = c.use
	}
	c.use.n.Add(1)
	r.subscriptions.Add(1)
	h.mu.Unlock()
	h.attach(f, c)

	if o.First != nil {
		c.first = o.First(complete)
	}
	c.written = c.pos
	f.last = max(f.last, c.liveFrom)
	f.cursors = append(f.cursors, c)
	return c, complete
}

// gave reports whether the log has given out the position under that name. Another one may have: a
// log that was there before, or a copy of this one that was run on and then replaced by this.
func (h *Hub) gave(r Resume) bool { return h.log.Epoch(r.Position) == r.Epoch }

// Unsubscribe takes the cursor out: Next gives nothing for it any more.
func (f *Feed) Unsubscribe(c *Cursor) {
	f.cursors = slices.DeleteFunc(f.cursors, func(x *Cursor) bool { return x == c })
	c.leave(f)
	if c.unwritten() {
		f.leaving = append(f.leaving, c)
		return
	}
	c.close(f.hub)
}

// Close takes all cursors out. What Next has appended without a Wrote counts as left behind.
func (f *Feed) Close() {
	f.dropReading()
	for _, c := range f.cursors {
		c.leave(f)
		c.close(f.hub)
	}
	for _, c := range f.leaving {
		c.close(f.hub)
	}
	f.cursors, f.leaving = nil, nil
}

// Ack takes a position out of those in flight, with cumulative all up to it, and so opens the
// window for Next. It reports whether the position was in flight, or lies before one that was
// acknowledged cumulatively.
func (f *Feed) Ack(c *Cursor, position uint64, cumulative bool) bool {
	return c.ack(position, cumulative)
}

// Beginning reports whether a subscription has its snapshot still to come.
func (f *Feed) Beginning() bool {
	return slices.ContainsFunc(f.cursors, func(c *Cursor) bool { return c.snapshot })
}

// Awaits reports whether the position is in flight.
func (f *Feed) Awaits(c *Cursor, position uint64) bool { return c.inFlight.has(position) }

// Wrote tells the feed that all it has appended so far was written.
func (f *Feed) Wrote() {
	f.hub.latency.observe(f.oldest, 1)
	f.oldest = time.Time{}
	f.last = max(f.last, f.taken)
	for _, c := range f.cursors {
		c.wrote()
	}
	for _, c := range f.leaving {
		c.wrote()
		c.close(f.hub)
	}
	f.leaving = nil
}

// Position returns where to resume: everything up to it was written, for all subscriptions.
func (f *Feed) Position() uint64 {
	f.hub.mu.RLock()
	defer f.hub.mu.RUnlock()
	p := f.last
	for _, c := range f.cursors {
		// Only a cursor for which something waits holds the position back: one in a quiet queue may
		// have stood still for long.
		if c.snapshot || c.written < c.ring.evicted || c.ring.after(c.written) < c.ring.tail {
			p = min(p, c.written)
		}
	}
	return p
}

// A Status is how one subscription stands.
type Status struct {
	Queue    string `json:"queue"`
	Filter   string `json:"filter,omitempty"` // the name of what it selects by
	Waiting  int64  `json:"waiting"`          // live entries that were published and are not dealt with
	Behind   bool   `json:"behind"`           // older entries that it asked for come first: a replay or a snapshot
	InFlight int    `json:"in_flight"`        // messages that wait for their acknowledgement
	Outcomes
}

func (s *Status) add(o Outcomes) {
	s.Outcomes = s.Outcomes.plus(1, o)
	s.Waiting -= o.sum()
}

// Status returns how the subscriptions stand, in the order in which they were made.
func (f *Feed) Status() []Status {
	f.hub.mu.RLock()
	defer f.hub.mu.RUnlock()
	all := make([]Status, len(f.cursors))
	for i, c := range f.cursors {
		all[i] = Status{Queue: c.queue, Waiting: int64(c.ring.tail - c.born), Behind: c.behind(), InFlight: c.inFlight.n}
		if c.filter != nil {
			all[i].Filter = c.filter.name
		}
		all[i].add(c.outcomes)
	}
	return all
}

// Lag raises most[queue] to how many entries wait for the subscription to it, as Status has it, for
// all subscriptions.
func (f *Feed) Lag(most map[string]int64) { f.lag(most, nil) }

// lag takes the cursors of the group whose member the feed is.
func (f *Feed) lag(most map[string]int64, shared []*Cursor) {
	f.hub.mu.RLock()
	defer f.hub.mu.RUnlock()
	for i, c := range f.cursors {
		waiting := int64(c.ring.tail-c.born) - c.outcomes.sum()
		if shared != nil {
			waiting -= shared[i].outcomes.sum()
		}
		most[c.queue] = max(most[c.queue], waiting)
	}
}
