package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

func testReopen(t *testing.T, open Opener) {
	l := open(t, "a", Options{})
	epoch := l.Bounds().Epoch
	var want []journal.Entry
	for n := range 5 {
		want = append(want, mustAppend(t, l, entry(queueMessage, "", n), entry(queueUnread, "k", n))...)
		mustMark(t, l,
			journal.Mark{Name: "round", Value: []byte{byte('0' + n)}, Expires: time.Now().Add(time.Hour)},
			journal.Mark{Name: "dropped"})
		if err := l.DropMarks("dropped"); err != nil {
			t.Fatalf("DropMarks: %v", err)
		}
		mustClose(t, l)

		l = open(t, "a", Options{})
		if b := l.Bounds(); b != (journal.Bounds{Epoch: epoch, First: 1, Last: uint64(len(want))}) {
			t.Errorf("opened again: Bounds = %v, want 1 to %d in %s", b, len(want), epoch)
		}
		if diff := diffEntries(want, readAll(t, l, 0, 3)); diff != "" {
			t.Fatalf("opened again: entries (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"round": string('0' + rune(n))}, marks(t, l, "")); diff != "" {
			t.Errorf("opened again: marks (-want +got):\n%s", diff)
		}
	}
	mustClose(t, l)
}

func testReopenLatest(t *testing.T, open Opener) {
	o := Options{MaxBytes: 32 << 10}
	l := open(t, "a", o)
	newest := fillBeyondRetention(t, l)
	want := l.Bounds()
	mustClose(t, l)

	l = open(t, "a", o)
	if got := l.Bounds(); got != want {
		t.Errorf("opened again: Bounds = %v, want %v", got, want)
	}
	if got := l.Trimmed(queueUnread); got != want.First-1 {
		t.Errorf("opened again: Trimmed = %d, want %d: what had left the log is not known any more", got, want.First-1)
	}
	checkNewest(t, l, newest)
	e := mustAppend(t, l, entry(queueUnread, "conversation/1", 1000), entry(queueConnected, "channel/moves", 1000))
	for _, e := range e {
		newest[e.Key] = e
	}
	checkNewest(t, l, newest)
	mustClose(t, l)
}
