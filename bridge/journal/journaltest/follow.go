package journaltest

import (
	"sync"
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
)

func testFollow(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	var seen []journal.Entry
	l.Follow(func(entries []journal.Entry) {
		last := entries[len(entries)-1].Position
		if b := l.Bounds(); b.Last != last {
			t.Errorf("called with entries to %d while the log ends at %d", last, b.Last)
		}
		page, err := l.Read(t.Context(), entries[0].Position-1, 10)
		if err != nil {
			t.Errorf("Read of what is followed: %v", err)
		}
		if diff := diffEntries(entries, page); diff != "" {
			t.Errorf("Read of what is followed (-want +got):\n%s", diff)
		}
		seen = append(seen, entries...)
	})
	var want []journal.Entry
	for i := range 5 {
		want = append(want, mustAppend(t, w, entry(queueMessage, "", i), entry(queueUnread, "k", i))...)
		if diff := diffEntries(want, seen); diff != "" {
			t.Fatalf("followed when Append returned (-want +got):\n%s", diff)
		}
	}
	mustRecord(t, w, journal.Record{Name: "r"})
	if len(seen) != 10 {
		t.Errorf("called with a batch without entries")
	}
}

// testFollowUnderAppends begins to follow again and again while entries are appended: what Follow
// returns and what it calls with must meet.
func testFollowUnderAppends(t *testing.T, open Opener) {
	const followers = 50
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	appends, done := make(chan struct{}), make(chan struct{})
	var appending sync.WaitGroup
	for range 4 {
		appending.Go(func() {
			for n := 0; !isClosed(done); n++ {
				select {
				case appends <- struct{}{}: // and Follow is called
				default:
				}
				b := journal.Batch{Entries: []journal.Entry{entry(queueMessage, "", n), entry(queueMessage, "", n)}}
				if err := w.Append(t.Context(), b); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	var next [followers]uint64 // what each is to be called with, written by the log alone once Follow has returned
	var begun [followers]uint64
	for i := range followers {
		first := true
		<-appends
		b := l.Follow(func(entries []journal.Entry) {
			if first {
				begun[i], next[i], first = entries[0].Position, entries[0].Position, false
			}
			for _, e := range entries {
				if e.Position != next[i] {
					t.Errorf("follower %d is called with %d after %d", i, e.Position, next[i]-1)
				}
				next[i] = e.Position + 1
			}
		})
		defer func() {
			if begun[i] != b.Last+1 {
				t.Errorf("follower %d was given the bounds %d to %d and called first with %d", i, b.First, b.Last, begun[i])
			}
			if last := l.Bounds().Last; next[i] != last+1 {
				t.Errorf("follower %d was called to %d, the log ends at %d", i, next[i]-1, last)
			}
		}()
	}
	mustAppend(t, w, entry(queueMessage, "", 0)) // for the last one
	close(done)
	appending.Wait()
}
