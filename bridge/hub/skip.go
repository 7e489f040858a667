package hub

import "encoding/binary"

// A Watcher is told of the entries that its subscription does not get, as long as Config.Watching
// says so: a call for each entry and subscription, which is only for somebody who looks for one.
type Watcher interface {
	// Skipped is called while the feed is locked by its owner: it must call neither the hub nor the
	// feed.
	Skipped(Skip)
}

// A Skip is an entry that a subscription does not get, or all of those that it has not got at its
// end.
type Skip struct {
	Reason   SkipReason
	Position uint64 // of the entry; of LeftBehind the last position that was dealt with
	By       uint64 // of Conflated: the position of a newer entry of the same key
	Entries  int64  // of LeftBehind: how many
}

// A SkipReason is an outcome other than delivered, by the name that it has in the metrics.
type SkipReason string

// The reasons.
const (
	NotAddressed SkipReason = "not addressed"
	Conflated    SkipReason = "conflated"
	LeftBehind   SkipReason = "left behind"
)

// skip has the cursor go past an entry that is not sent.
func (f *Feed) skip(c *Cursor, why fate, e *Entry) {
	s := Skip{Reason: NotAddressed, Position: e.Position}
	if why == overtaken {
		c.conflated(e.Position)
		s.Reason = Conflated
	} else {
		c.passed(e.Position)
	}
	if !f.watching {
		return
	}
	if why == overtaken {
		s.By = f.hub.newestOf(c.ring, e.Key)
	}
	if f.group != nil {
		f.group.tell(c, s)
		return
	}
	c.tell(s)
}

// tell tells all members what the group's cursor has skipped.
func (g *Group) tell(c *Cursor, s Skip) {
	for i, other := range g.feed.cursors {
		if other != c {
			continue
		}
		for f := range g.members {
			f.cursors[i].tell(s)
		}
	}
}

// tellOthers tells the members that do not get an addressed frame. The lists are
// distribute's.
func (g *Group) tellOthers(lists map[*Feed][]byte) {
	for f := range g.members {
		list := lists[f]
		for i, a := range g.addressed {
			if len(list) > 0 && binary.BigEndian.Uint32(list) == uint32(i) {
				list = list[4:]
				continue
			}
			f.cursors[a.cursor].tell(Skip{Reason: NotAddressed, Position: a.entry.Position})
		}
	}
}

func (c *Cursor) tell(s Skip) {
	if c.watcher != nil {
		c.watcher.Skipped(s)
	}
}

func (h *Hub) newestOf(r *ring, key string) uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return r.newest.position(key)
}
