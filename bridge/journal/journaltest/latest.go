package journaltest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

func testLatest(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	all := mustAppend(t, w,
		entry(queueUnread, "conversation/1", 1),
		entry(queueUnread, "conversation/2", 2),
		entry(queueMessage, "", 3),
		entry(queueUnread, "conversation/1", 4),
	)
	all = append(all, mustAppend(t, w,
		entry(queueUnread, "conversation/3", 5),
		entry(queueMessage, "message/1", 6),
		entry(queueUnread, "conversation/2", 7),
		entry(queueUnread, "conversation/2", 8),
	)...)
	want := []journal.Entry{all[3], all[4], all[7]}
	if diff := diffEntries(want, latest(t, l, queueUnread, 100)); diff != "" {
		t.Errorf("newest per key (-want +got):\n%s", diff)
	}
	if diff := diffEntries(all[5:6], latest(t, l, queueMessage, 100)); diff != "" {
		t.Errorf("newest per key, entries without one are none (-want +got):\n%s", diff)
	}
	if got := latest(t, l, "/queue/none", 100); len(got) != 0 {
		t.Errorf("Latest of an unknown queue = %v", got)
	}
}

func testLatestPages(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	const keys, rounds = 40, 3
	var want []journal.Entry
	for round := range rounds {
		want = nil
		for k := range keys {
			want = append(want, mustAppend(t, w, entry(queueUnread, fmt.Sprint("conversation/", k), round*keys+k))...)
		}
	}
	for _, max := range []int{1, 7, keys, 1000} {
		if diff := diffEntries(want, latest(t, l, queueUnread, max)); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", max, diff)
		}
	}
	if page, err := l.Latest(t.Context(), queueUnread, 0, 7); err != nil || len(page) != 7 {
		t.Errorf("Latest(0, 7) gave %d entries, %v", len(page), err)
	}

	for k := range 10 {
		mustAppend(t, w, sized(queueMessage, fmt.Sprint("large/", k), 300<<10))
	}
	if page, err := l.Latest(t.Context(), queueMessage, 0, 1000); err != nil || len(page) < 2 || len(page) > 6 {
		t.Errorf("Latest gave %d entries of 300 KiB, %v; a page is about a megabyte", len(page), err)
	}
	if got := latest(t, l, queueMessage, 1000); len(got) != 10 {
		t.Errorf("Latest in pages gave %d entries, want 10", len(got))
	}
}

func testLatestFamily(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	all := mustAppend(t, w,
		entry(queueConnected, "channel/1", 1),
		entry(queueConnected, "channel/2", 2),
		entry(queueDisconnected, "channel/1", 3),
	)
	check := func(connected, disconnected []journal.Entry) {
		t.Helper()
		if diff := diffEntries(connected, latest(t, l, queueConnected, 100)); diff != "" {
			t.Errorf("connected (-want +got):\n%s", diff)
		}
		if diff := diffEntries(disconnected, latest(t, l, queueDisconnected, 100)); diff != "" {
			t.Errorf("disconnected (-want +got):\n%s", diff)
		}
	}
	check(all[1:2], all[2:3])
	again := mustAppend(t, w, entry(queueConnected, "channel/1", 4))
	check([]journal.Entry{all[1], again[0]}, nil)
}

// testLatestBeyondRetention fills a small log again and again, so that most keys' newest entries
// lie beyond retention.
func testLatestBeyondRetention(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{MaxBytes: 32 << 10})
	defer mustClose(t, l)
	newest := fillBeyondRetention(t, l, w)
	checkNewest(t, l, newest)
}

func fillBeyondRetention(t *testing.T, l journal.Log, w journal.Writer) map[string]journal.Entry {
	t.Helper()
	newest := map[string]journal.Entry{}
	put := func(e journal.Entry) { newest[e.Key] = mustAppend(t, w, e)[0] }
	put(entry(queueConnected, "channel/early", 0))
	put(entry(queueConnected, "channel/moves", 0))
	for n := range 300 {
		e := entry(queueUnread, fmt.Sprint("conversation/", n*7%20), n)
		if n%3 == 0 {
			e = addressed(e, "g:support", fmt.Sprint("u:", n))
		}
		put(e)
		mustAppend(t, w, sized(queueMessage, "", 1<<10))
		if n == 200 {
			put(entry(queueDisconnected, "channel/moves", n))
		}
	}
	if b := l.Bounds(); b.First <= newest["channel/moves"].Position {
		t.Fatalf("the log begins at %d, so nothing lies beyond retention", b.First)
	}
	return newest
}

func checkNewest(t *testing.T, l journal.Log, newest map[string]journal.Entry) {
	t.Helper()
	got := map[string]journal.Entry{}
	for _, q := range []string{queueUnread, queueConnected, queueDisconnected} {
		position := uint64(0)
		for _, e := range latest(t, l, q, 7) {
			if e.Position <= position || e.Queue != q {
				t.Errorf("Latest of %s gave position %d of %s after %d", q, e.Position, e.Queue, position)
			}
			position = e.Position
			got[e.Key] = e
		}
	}
	if diff := cmp.Diff(newest, got); diff != "" {
		t.Errorf("newest per key, beyond retention (-want +got):\n%s", diff)
	}
}

func testLatestMaxKeys(t *testing.T, open Opener) {
	const keys = 10
	l, w := lead(t, open, "a", Options{MaxBytes: 32 << 10, Latest: journal.LatestOptions{MaxKeys: keys}})
	defer mustClose(t, l)
	mustAppend(t, w, entry(queueUnread, "conversation/used again", 0))
	for n := range 50 {
		mustAppend(t, w, entry(queueUnread, fmt.Sprint("conversation/", n), n), sized(queueMessage, "", 4<<10))
	}
	mustAppend(t, w, entry(queueUnread, "conversation/used again", 1))
	mustAppend(t, w, sized(queueMessage, "", 4<<10))

	var got []string
	for _, e := range latest(t, l, queueUnread, 100) {
		got = append(got, strings.TrimPrefix(e.Key, "conversation/"))
	}
	if want := strings.Fields("41 42 43 44 45 46 47 48 49"); !cmp.Equal(append(want, "used again"), got) {
		t.Errorf("the newest of %v, want those used last, %v and the one used again", got, want)
	}
}
