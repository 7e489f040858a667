package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

func testReopen(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	var want []journal.Entry
	epochs := []string{l.Epoch(0)} // of positions from 0
	for n := range 5 {
		want = append(want, mustAppend(t, w, entry(queueMessage, "", n), entry(queueUnread, "k", n))...)
		mustRecord(t, w,
			journal.Record{Name: "round", Value: []byte{byte('0' + n)}, Expires: time.Now().Add(time.Hour)},
			journal.Record{Name: "dropped"})
		replace := journal.Batch{
			Entries: []journal.Entry{entry(queueMessage, "", 100+n)},
			Drop:    []string{"dropped", "replaced"},
			Records: []journal.Record{{Name: "replaced", Value: []byte{byte('0' + n)}}},
		}
		if err := w.Append(t.Context(), replace); err != nil {
			t.Fatalf("Append: %v", err)
		}
		want = append(want, replace.Entries...)
		for len(epochs) <= len(want) {
			epochs = append(epochs, l.Epoch(uint64(len(epochs))))
		}
		mustClose(t, l)

		l, w = lead(t, open, "a", Options{})
		if b := l.Bounds(); b != (journal.Bounds{First: 1, Last: uint64(len(want))}) {
			t.Errorf("opened again: Bounds = %v, want 1 to %d", b, len(want))
		}
		for position, epoch := range epochs {
			if got := l.Epoch(uint64(position)); got != epoch {
				t.Errorf("opened again: position %d has the epoch %q, and was given out under %q", position, got, epoch)
			}
		}
		if diff := diffEntries(want, readAll(t, l, 0, 3)); diff != "" {
			t.Fatalf("opened again: entries (-want +got):\n%s", diff)
		}
		digit := string('0' + rune(n))
		if diff := cmp.Diff(map[string]string{"round": digit, "replaced": digit}, records(t, w, "")); diff != "" {
			t.Errorf("opened again: records (-want +got):\n%s", diff)
		}
	}
	mustClose(t, l)
}

func testReopenLatest(t *testing.T, open Opener) {
	o := Options{MaxBytes: 32 << 10}
	l, w := lead(t, open, "a", o)
	newest := fillBeyondRetention(t, l, w)
	want, trimmed := l.Bounds(), l.Trimmed(queueUnread)
	mustClose(t, l)

	l, w = lead(t, open, "a", o)
	if got := l.Bounds(); got != want {
		t.Errorf("opened again: Bounds = %v, want %v", got, want)
	}
	if got := l.Trimmed(queueUnread); got < trimmed || got >= want.First {
		t.Errorf("opened again: Trimmed = %d, want %d or a later one that is no longer kept", got, trimmed)
	}
	checkNewest(t, l, newest)
	e := mustAppend(t, w, entry(queueUnread, "conversation/1", 1000), entry(queueConnected, "channel/moves", 1000))
	for _, e := range e {
		newest[e.Key] = e
	}
	checkNewest(t, l, newest)
	mustClose(t, l)
}
