package journaltest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

func testReach(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	mustAppend(t, w, entry(queueMessage, "", 1), entry(queueMessage, "", 2))
	for _, position := range []uint64{0, 1, 2, 3, 1 << 60} {
		if err := l.Reach(t.Context(), position); err != nil {
			t.Errorf("Reach(%d) = %v", position, err)
		}
	}
	if b := l.Bounds(); b.Last != 2 {
		t.Errorf("Bounds = %v", b)
	}
}

// testReachUnderAppends asks one log for each position that the other has just given out.
func testReachUnderAppends(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	other := open(t, "a", Options{})
	defer mustClose(t, other)
	var followed []journal.Entry
	var mu sync.Mutex
	other.Follow(func(entries []journal.Entry) {
		mu.Lock()
		defer mu.Unlock()
		followed = append(followed, entries...)
	})
	var want []journal.Entry
	for n := range 100 {
		want = append(want, mustAppend(t, w, entry(queueMessage, "", n), entry(queueUnread, fmt.Sprint(n%7), n))...)
		last := want[len(want)-1].Position
		if err := other.Reach(t.Context(), last); err != nil {
			t.Fatalf("Reach(%d) = %v", last, err)
		}
		if b := other.Bounds(); b.Last < last {
			t.Fatalf("after Reach(%d): Bounds = %v", last, b)
		}
		if got, want := other.Epoch(last), l.Epoch(last); got != want {
			t.Fatalf("position %d has the epoch %q in one log and %q in the other", last, got, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := diffEntries(want, followed); diff != "" {
		t.Errorf("followed in the other log (-want +got):\n%s", diff)
	}
	checkSame(t, l, other)
}

// testHandOver has two logs lead by turns while entries are appended: each entry whose Append
// succeeded is there once, in order.
func testHandOver(t *testing.T, open Opener) {
	logs := [2]journal.Log{open(t, "a", Options{}), open(t, "a", Options{})}
	for _, l := range logs {
		defer mustClose(t, l)
	}
	var mu sync.Mutex
	var followed [2][]journal.Entry
	for i, l := range logs {
		l.Follow(func(entries []journal.Entry) {
			mu.Lock()
			defer mu.Unlock()
			followed[i] = append(followed[i], entries...)
		})
	}
	committed := map[string]bool{}
	for turn := range 6 {
		w := mustLead(t, logs[turn%2])
		if got := records(t, w, "turn"); turn > 0 && got["turn"] != fmt.Sprint(turn-1) {
			t.Errorf("turn %d begins with the records %v", turn, got)
		}
		mustRecord(t, w, journal.Record{Name: "turn", Value: fmt.Append(nil, turn)})
		appended := make(chan struct{}, 1000)
		var appending sync.WaitGroup
		for worker := range 3 {
			appending.Go(func() {
				for n := 0; ; n++ {
					e := entry(queueMessage, "", 0)
					e.Body = fmt.Appendf(nil, "%d %d %d", turn, worker, n)
					if err := w.Append(t.Context(), journal.Batch{Entries: []journal.Entry{e}}); err != nil {
						return
					}
					mu.Lock()
					committed[string(e.Body)] = true
					mu.Unlock()
					appended <- struct{}{}
				}
			})
		}
		for range 10 {
			<-appended
		}
		w.Resign() // while they append
		appending.Wait()
	}
	last := logs[1].Bounds().Last
	if err := logs[0].Reach(t.Context(), last+1); err != nil {
		t.Fatalf("Reach: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	all := readAll(t, logs[0], 0, 100)
	if len(all) != len(committed) {
		t.Errorf("%d entries, and %d Appends succeeded", len(all), len(committed))
	}
	for _, e := range all {
		delete(committed, string(e.Body))
	}
	if len(committed) > 0 {
		t.Errorf("missing: %v", committed)
	}
	for i := range logs {
		if diff := diffEntries(all, followed[i]); diff != "" {
			t.Errorf("log %d followed (-want +got):\n%s", i, diff)
		}
	}
	checkSame(t, logs[0], logs[1])
}

// checkSame compares what two logs that share their entries have.
func checkSame(t *testing.T, a, b journal.Log) {
	t.Helper()
	if diff := cmp.Diff(a.Bounds(), b.Bounds()); diff != "" {
		t.Errorf("Bounds differ (-a +b):\n%s", diff)
	}
	if diff := diffEntries(readAll(t, a, 0, 50), readAll(t, b, 0, 50)); diff != "" {
		t.Errorf("entries differ (-a +b):\n%s", diff)
	}
	if diff := diffEntries(latest(t, a, queueUnread, 50), latest(t, b, queueUnread, 50)); diff != "" {
		t.Errorf("the newest differ (-a +b):\n%s", diff)
	}
	for position := range a.Bounds().Last + 2 {
		if x, y := a.Epoch(position), b.Epoch(position); x != y {
			t.Errorf("position %d has the epochs %q and %q", position, x, y)
		}
	}
}
