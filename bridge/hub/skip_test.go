package hub_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// A notebook is a Watcher of one subscription.
type notebook struct{ lines []string }

func (n *notebook) Skipped(s hub.Skip) {
	n.lines = append(n.lines, fmt.Sprintf("%s %d by %d, %d", s.Reason, s.Position, s.By, s.Entries))
}

// addressed publishes an entry for the users.
func (b *bench) addressed(queue string, tokens ...string) {
	b.t.Helper()
	batch := journal.Batch{Entries: []journal.Entry{{Queue: queue, Audience: tokens, Body: []byte("x")}}}
	if err := b.writer.Append(b.t.Context(), batch); err != nil {
		b.t.Fatal(err)
	}
}

// A subscription's Watcher learns of every entry that it does not get, and why.
func TestWatcherLearnsWhyAnEntryIsNotSent(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 4, Watching: func() bool { return true }}, journal.MemoryOptions{})
	var got notebook
	f := b.hub.NewFeed(waker(nil))
	f.SetTokens([]string{"u:a"})
	f.Subscribe(unread, plain{name: "u"}, hub.Options{Watcher: &got})
	b.addressed(unread, "u:b") // 1
	b.addressed(unread, "u:a")
	drain(t, f)
	b.publish(unread+" k", unread+" k", unread+" k") // 3, 4 and 5: more than half of the ring
	drain(t, f)
	b.publish(unread) // 6
	f.Next(nil, 1000) // not written
	f.Close()
	want := []string{"not addressed 1 by 0, 0", "conflated 3 by 5, 0", "conflated 4 by 5, 0", "left behind 5 by 0, 1"}
	if diff := cmp.Diff(want, got.lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The members of a group are told each for itself.
func TestWatchersOfAGroup(t *testing.T) {
	for _, watching := range []bool{true, false} {
		b := newBench(t, hub.Config{RingEntries: 4, Watching: func() bool { return watching }}, journal.MemoryOptions{})
		books := make([]notebook, 3)
		var feeds []*hub.Feed
		for i := range books {
			f := b.feed()
			f.SetTokens([]string{fmt.Sprint("u:", i)})
			f.Subscribe(unread, plain{name: "u"}, hub.Options{Watcher: &books[i]})
			feeds = append(feeds, f)
		}
		g := feeds[0].NewGroup(waker(nil))
		for _, f := range feeds {
			if !g.Join(f) {
				t.Fatal("a feed does not join")
			}
		}
		next := func() {
			if _, err := g.Next(1 << 20); err != nil {
				t.Fatal(err)
			}
			g.Wrote(feeds)
			g.Release()
		}
		b.addressed(unread, "u:0") // 1
		b.publish(unread)
		b.addressed(unread, "u:0", "u:2") // 3
		next()
		b.publish(unread+" k", unread+" k", unread+" k") // 4, 5 and 6
		next()
		for _, f := range feeds {
			g.Leave(f, true)
		}
		g.Close()
		conflated := []string{"conflated 4 by 6, 0", "conflated 5 by 6, 0"}
		for i, before := range [][]string{nil, {"not addressed 1 by 0, 0", "not addressed 3 by 0, 0"}, {"not addressed 1 by 0, 0"}} {
			want := slices.Concat(before, conflated)
			if !watching {
				want = nil
			}
			if diff := cmp.Diff(want, books[i].lines); diff != "" {
				t.Errorf("watching %t, member %d (-want +got):\n%s", watching, i, diff)
			}
		}
	}
}
