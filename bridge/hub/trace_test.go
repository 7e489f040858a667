package hub_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// A traced is a member with its subscriptions.
type traced struct {
	*member
	cursors map[string]*hub.Cursor // queue ->
}

// Whatever feeds go through, in a group and by themselves, their traces tell what they got and what
// they did not get.
func TestTraces(t *testing.T) {
	fates := map[hub.Fate]int{}
	for seed := range uint64(60) {
		traceCrowd(t, seed, fates)
	}
	for _, f := range []hub.Fate{hub.FateSent, hub.FateSnapshot, hub.FateWaits, hub.FateLeftBehind, hub.FateConflated, hub.FateMaybeConflated,
		hub.FateNotAddressed, hub.FateFilteredOut, hub.FateNotYet, hub.FateNoLonger, hub.FateUnknown} {
		if fates[f] == 0 {
			t.Errorf("nothing had the fate %q, of %v", f, fates)
		}
	}
}

func traceCrowd(t *testing.T, seed uint64, fates map[hub.Fate]int) {
	random := rand.New(rand.NewPCG(seed, 7))
	b := newBench(t, hub.Config{RingEntries: 16, Traces: true}, journal.MemoryOptions{})
	c := &crowd{t: t, random: random}
	for range 5 {
		c.publish(b)
	}
	var all []*traced
	for i := range 6 {
		m := &traced{&member{feed: b.feed()}, map[string]*hub.Cursor{}}
		m.tokens = []string{[]string{"g:even", "g:odd"}[i%2], fmt.Sprint("u:", i)}
		m.feed.SetTokens(m.tokens)
		o, filtered := hub.Options{Own: i == 5}, hub.Options{}
		if i > 3 {
			o.Resume = b.resume(2)
			o.Snapshot = i == 4 // which the resume makes needless
		}
		if i == 3 {
			o.Snapshot = true
		}
		if i%3 == 0 {
			filtered.Filter = &hub.Filter{Name: "body", Values: []string{"x", "z"}}
		}
		m.cursors[message], _ = m.feed.Subscribe(message, plain{name: "m"}, filtered)
		m.cursors[unread], _ = m.feed.Subscribe(unread, plain{name: "u"}, o)
		c.members, all = append(c.members, m.member), append(all, m)
	}
	m := all[0].member
	for m.feed.Beginning() {
		c.step(m)
	}
	c.group = m.feed.NewGroup(waker(nil))
	for range 100 + 200*(seed%3) {
		m := c.members[random.IntN(len(c.members))]
		switch n := random.IntN(20); {
		case n < 8:
			for range random.IntN(12) {
				c.publish(b)
			}
		case n < 11:
			c.next()
		case n < 12 && m.joined:
			c.leave(m)
		case n < 13 && !m.joined && seed%2 == 0: // in others the changes are too few to be forgotten
			m.tokens = []string{fmt.Sprint("u:", random.IntN(6)), "g:even"}[:1+random.IntN(2)]
			m.feed.SetTokens(slices.Clone(m.tokens))
		case !m.joined && n < 17 && m.pending == nil:
			c.join(m)
		case !m.joined:
			c.step(m)
		}
	}
	c.publish(b)
	for _, m := range all {
		if m.joined {
			m.check(b, fates, func(cur *hub.Cursor) hub.Trace { return c.group.Trace(m.feed, cur) })
			c.leave(m.member)
		}
		m.check(b, fates, m.feed.Trace)
		if m.pending != nil && random.IntN(2) == 0 {
			m.wrote()
		}
		m.feed.Close()
	}
	c.group.Close()
	c.publish(b)
	for _, m := range all {
		m.check(b, fates, m.feed.Trace)
	}
}

// check compares what the traces tell of all entries with what the member has got.
func (m *traced) check(b *bench, fates map[hub.Fate]int, trace func(*hub.Cursor) hub.Trace) {
	b.t.Helper()
	var entries []journal.Entry
	for {
		page, err := b.log.Read(b.t.Context(), uint64(len(entries)), 1<<20)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		entries = append(entries, page...)
	}
	got := map[string]bool{}
	for _, frame := range m.got {
		got[frame] = true
	}
	traces := map[string]hub.Trace{}
	for queue := range maps.Keys(m.cursors) {
		traces[queue] = trace(m.cursors[queue])
	}
	for i := range entries {
		e := &entries[i]
		t, there := traces[e.Queue]
		if !there {
			continue
		}
		fate := b.hub.Fate(&t, e)
		fates[fate]++
		written := got[fmt.Sprint(e.Queue[len("/queue/"):][:1], " ", e.Position)]
		switch {
		case fate == hub.FateMaybeConflated, fate == hub.FateUnknown, fate == hub.FateSnapshot: // see their comments
		case written != (fate == hub.FateSent):
			b.t.Fatalf("%s at %d: the fate is %q, written: %t\n%+v", e.Queue, e.Position, fate, written, t)
		}
	}
}
