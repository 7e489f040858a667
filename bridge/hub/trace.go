package hub

import "slices"

// A Trace is what a subscription has come through: enough to tell what became of an entry for it,
// without a note of each delivery. A subscription that began behind From and has dealt with all up
// to Written has got every entry in between, but for those that its audience and its filter leave
// out and those that a newer one had overtaken. It needs Config.Traces.
type Trace struct {
	Queue    string  `json:"queue"`
	Own      bool    `json:"own,omitempty"`      // see Options
	Filter   *Filter `json:"filter,omitempty"`   // nil: all
	From     uint64  `json:"from"`               // it began after this position
	Live     uint64  `json:"live"`               // the newest position at that moment
	Snapshot bool    `json:"snapshot,omitempty"` // up to Live it got the newest of each key alone
	Written  uint64  `json:"written"`            // all up to here is dealt with
	Ended    bool    `json:"ended,omitempty"`
	Until    uint64  `json:"until,omitempty"` // the newest position when it ended

	Tokens       []string `json:"tokens,omitempty"`        // of the client, now or at the end
	Former       []Tokens `json:"former,omitempty"`        // those that it had before, in their order
	TokensBehind uint64   `json:"tokens_behind,omitempty"` // up to here its tokens are not known any more
	Conflated    []uint64 `json:"conflated,omitempty"`     // positions skipped as overtaken, of those behind KnownBehind
	KnownBehind  uint64   `json:"known_behind,omitempty"`  // see Conflated
	Conflates    bool     `json:"conflates,omitempty"`
}

// Tokens are what a client had up to a position.
type Tokens struct {
	Until  uint64   `json:"until"`
	Tokens []string `json:"tokens"`
}

// Trace returns what a subscription of the feed has come through. The slices are the caller's to
// read only.
func (f *Feed) Trace(c *Cursor) Trace {
	t := Trace{
		Queue: c.queue, Own: c.own, From: c.from, Live: c.liveFrom, Snapshot: c.begun, Written: c.written,
		Ended: c.ended, Until: c.until, Tokens: f.tokens, Conflates: c.conflates,
	}
	if c.filter != nil {
		t.Filter = &Filter{Name: c.filter.name, Values: c.filter.values}
	}
	if p := c.past; p != nil {
		t.Former, t.TokensBehind = slices.Clone(p.tokens), p.forgotten
		t.Conflated, t.KnownBehind = p.conflated.positions(), p.conflated.base
	}
	return t
}

// Trace is Feed.Trace for a member.
func (g *Group) Trace(f *Feed, c *Cursor) Trace {
	i := slices.Index(f.cursors, c)
	if i < 0 {
		return f.Trace(c)
	}
	ours, with := g.feed.cursors[i], *c
	if c.past != nil { // of its own, or c would change
		with.past = &past{tokens: c.past.tokens, forgotten: c.past.forgotten, conflated: c.past.conflated}
		with.past.conflated.deltas = slices.Clone(c.past.conflated.deltas)
	}
	with.takeOver(ours)
	with.written = ours.written
	return f.Trace(&with)
}

// A Fate is what became of an entry for one subscription.
type Fate string

// The fates.
const (
	FateSent           Fate = "sent"
	FateSnapshot       Fate = "snapshot"        // sent if it was the newest of its key in the snapshot
	FateWaits          Fate = "waits"           // it comes when the client has read, or acknowledged, what comes before
	FateLeftBehind     Fate = "left behind"     // the subscription ended before it was sent
	FateConflated      Fate = "conflated"       // a newer one of its key had overtaken it
	FateMaybeConflated Fate = "maybe conflated" // sent or conflated, which is not known any more
	FateNotAddressed   Fate = "not addressed"   // the client is not of its audience
	FateFilteredOut    Fate = "filtered out"    // by the subscription's filter
	FateNotYet         Fate = "not yet"         // the subscription began after it
	FateNoLonger       Fate = "no longer"       // the subscription had ended before it
	FateUnknown        Fate = "unknown"         // the client's audiences at that time are not known any more
)

// Fate returns what became of an entry of the trace's queue.
func (h *Hub) Fate(t *Trace, e *Entry) Fate {
	switch {
	case e.Position <= t.From:
		return FateNotYet
	case t.Ended && e.Position > t.Until:
		return FateNoLonger
	case e.Audience != nil && e.Position <= t.TokensBehind:
		return FateUnknown
	case !t.addressed(e):
		return FateNotAddressed
	case t.Filter != nil && !h.ring(t.Queue).filter(t.Filter).selects(e):
		return FateFilteredOut
	case e.Position > t.Written && t.Ended:
		return FateLeftBehind
	case e.Position > t.Written:
		return FateWaits
	case t.Snapshot && e.Position <= t.Live:
		return FateSnapshot
	case slices.Contains(t.Conflated, e.Position):
		return FateConflated
	case t.Conflates && e.Key != "" && e.Position <= t.KnownBehind:
		return FateMaybeConflated
	}
	return FateSent
}

// addressed reports whether the client was of the entry's audience.
func (t *Trace) addressed(e *Entry) bool {
	if e.Audience == nil {
		return !t.Own
	}
	tokens := t.Tokens
	for _, former := range t.Former {
		if e.Position <= former.Until {
			tokens = former.Tokens
			break
		}
	}
	return (&Feed{tokens: tokens}).isOf(e.Audience)
}
