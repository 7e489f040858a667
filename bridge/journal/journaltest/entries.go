package journaltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

func testEmpty(t *testing.T, open Opener) {
	l := open(t, "a", Options{})
	defer mustClose(t, l)
	b := l.Bounds()
	if b.First != 1 || b.Last != 0 {
		t.Errorf("Bounds = %d to %d, want 1 to 0", b.First, b.Last)
	}
	if b.Epoch == "" || strings.Trim(b.Epoch, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		t.Errorf("epoch %q is not [a-z0-9]+", b.Epoch)
	}
	for _, after := range []uint64{0, 1, 99} {
		if page, err := l.Read(after, 10); err != nil || len(page) != 0 {
			t.Errorf("Read(%d) = %v, %v, want none", after, page, err)
		}
	}
	if page, err := l.Latest(queueUnread, 0, 10); err != nil || len(page) != 0 {
		t.Errorf("Latest = %v, %v, want none", page, err)
	}
	if got := marks(t, l, ""); len(got) != 0 {
		t.Errorf("marks %v, want none", got)
	}

	other := open(t, "b", Options{})
	defer mustClose(t, other)
	if other.Bounds().Epoch == b.Epoch {
		t.Errorf("two logs have the epoch %q", b.Epoch)
	}
}

func testReadBack(t *testing.T, open Opener) {
	l := open(t, "a", Options{})
	defer mustClose(t, l)
	first := mustAppend(t, l,
		entry(queueMessage, "", 1),
		journal.Entry{Time: received, Queue: queueUnread, Key: "conversation/é\x00ß", Body: []byte("\x00\xff")},
		journal.Entry{Time: received.Add(time.Nanosecond), Queue: "q"},
		addressed(entry(queueMessage, "", 3), "u:ada"),
		addressed(entry(queueUnread, strings.Repeat("k", journal.MaxName), 4), "g:é\x00", "u:"+strings.Repeat("a", journal.MaxName-2)),
		addressed(journal.Entry{Time: received, Queue: "q"}, manyTokens(journal.MaxAudience)...),
		traced(entry(queueMessage, "", 5), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
		traced(addressed(journal.Entry{Time: received, Queue: "q"}, "u:ada"), strings.Repeat("-", journal.MaxTraceParent)),
	)
	second := mustAppend(t, l, entry(queueMessage, "", 2))
	mustAppend(t, l)

	want := slices.Concat(first, second)
	for i, e := range want {
		if e.Position != uint64(i+1) {
			t.Errorf("entry %d was given position %d", i, e.Position)
		}
	}
	if diff := diffEntries(want, readAll(t, l, 0, 100)); diff != "" {
		t.Errorf("Read gave other entries than were appended (-want +got):\n%s", diff)
	}
	if diff := diffEntries(want[2:], readAll(t, l, 2, 100)); diff != "" {
		t.Errorf("Read after 2 (-want +got):\n%s", diff)
	}
	if b := l.Bounds(); b.First != 1 || b.Last != 9 {
		t.Errorf("Bounds = %d to %d, want 1 to 9", b.First, b.Last)
	}
}

func testPages(t *testing.T, open Opener) {
	l := open(t, "a", Options{})
	defer mustClose(t, l)
	var want []journal.Entry
	for i := range 10 {
		want = append(want, mustAppend(t, l, sized(queueMessage, "", 300<<10), entry(queueMessage, "", i))...)
	}
	want = append(want, mustAppend(t, l, sized(queueMessage, "", 3<<20))...)
	for _, max := range []int{1, 3, 20, 1 << 30} {
		if diff := diffEntries(want, readAll(t, l, 0, max)); diff != "" {
			t.Errorf("in pages of %d: entries differ (-want +got):\n%s", max, diff)
		}
	}
	page, err := l.Read(0, 3)
	if err != nil || len(page) != 3 {
		t.Errorf("Read(0, 3) gave %d entries, %v", len(page), err)
	}
	page, err = l.Read(0, 1000)
	if err != nil || len(page) < 2 || len(page) > 12 {
		t.Errorf("Read(0, 1000) gave %d entries, %v; a page is about a megabyte", len(page), err)
	}
	if page, err := l.Read(0, 0); err != nil || len(page) != 0 {
		t.Errorf("Read(0, 0) gave %d entries, %v", len(page), err)
	}
}

func testNothingOnError(t *testing.T, open Opener) {
	l := open(t, "a", Options{})
	defer mustClose(t, l)
	l.Notify(func(e []journal.Entry) { t.Errorf("notified of %v", e) })
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	good := journal.Batch{
		Entries: []journal.Entry{entry(queueMessage, "k", 1)},
		Marks:   []journal.Mark{{Name: "m"}},
	}
	long := strings.Repeat("k", journal.MaxName+1)
	for _, test := range []struct {
		name  string
		ctx   context.Context
		batch journal.Batch
	}{
		{"cancelled", cancelled, good},
		{"no queue", t.Context(), journal.Batch{Entries: append(good.Entries, entry("", "", 1)), Marks: good.Marks}},
		{"long queue", t.Context(), journal.Batch{Entries: append(good.Entries, entry(long, "", 1)), Marks: good.Marks}},
		{"long key", t.Context(), journal.Batch{Entries: append(good.Entries, entry("q", long, 1)), Marks: good.Marks}},
		{"long trace parent", t.Context(), journal.Batch{Entries: append(good.Entries, traced(good.Entries[0], long)), Marks: good.Marks}},
		{"an audience of nobody", t.Context(), journal.Batch{Entries: append(good.Entries, addressed(good.Entries[0], []string{}...)), Marks: good.Marks}},
		{"a large audience", t.Context(), journal.Batch{Entries: append(good.Entries, addressed(good.Entries[0], manyTokens(journal.MaxAudience+1)...)), Marks: good.Marks}},
		{"an empty token", t.Context(), journal.Batch{Entries: append(good.Entries, addressed(good.Entries[0], "u:a", "")), Marks: good.Marks}},
		{"a long token", t.Context(), journal.Batch{Entries: append(good.Entries, addressed(good.Entries[0], long)), Marks: good.Marks}},
		{"no name", t.Context(), journal.Batch{Entries: good.Entries, Marks: append(good.Marks, journal.Mark{})}},
		{"long name", t.Context(), journal.Batch{Entries: good.Entries, Marks: append(good.Marks, journal.Mark{Name: long})}},
	} {
		err := l.Append(test.ctx, test.batch)
		if err == nil {
			t.Errorf("%s: Append succeeded", test.name)
		}
		if test.ctx.Err() != nil && !errors.Is(err, test.ctx.Err()) {
			t.Errorf("%s: Append = %v, want the context's error", test.name, err)
		}
	}
	if b := l.Bounds(); b.Last != 0 {
		t.Errorf("the log has entries to %d", b.Last)
	}
	if got := marks(t, l, ""); len(got) != 0 {
		t.Errorf("the log has marks %v", got)
	}
	if got := latest(t, l, queueMessage, 10); len(got) != 0 {
		t.Errorf("the log has newest entries %v", got)
	}
}

func testNotify(t *testing.T, open Opener) {
	l := open(t, "a", Options{})
	defer mustClose(t, l)
	var seen []journal.Entry
	l.Notify(func(entries []journal.Entry) {
		last := entries[len(entries)-1].Position
		if b := l.Bounds(); b.Last != last {
			t.Errorf("notified of %d while the log ends at %d", last, b.Last)
		}
		page, err := l.Read(entries[0].Position-1, 10)
		if err != nil {
			t.Errorf("Read of what was notified: %v", err)
		}
		if diff := diffEntries(entries, page); diff != "" {
			t.Errorf("Read of what was notified (-want +got):\n%s", diff)
		}
		seen = append(seen, entries...)
	})
	var want []journal.Entry
	for i := range 5 {
		want = append(want, mustAppend(t, l, entry(queueMessage, "", i), entry(queueUnread, "k", i))...)
		if diff := diffEntries(want, seen); diff != "" {
			t.Fatalf("notified when Append returned (-want +got):\n%s", diff)
		}
	}
	mustMark(t, l, journal.Mark{Name: "m"})
	if len(seen) != 10 {
		t.Errorf("notified of a batch without entries")
	}
}

func testConcurrent(t *testing.T, open Opener) {
	const writers, batches, size = 8, 25, 3
	l := open(t, "a", Options{})
	defer mustClose(t, l)
	var notified []journal.Entry
	l.Notify(func(entries []journal.Entry) { notified = append(notified, entries...) })
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range batches {
				var b journal.Batch
				for i := range size {
					b.Entries = append(b.Entries, entry(queueMessage, fmt.Sprint("writer/", w), n*size+i))
				}
				if err := l.Append(t.Context(), b); err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				for i, e := range b.Entries {
					if e.Position != b.Entries[0].Position+uint64(i) {
						t.Errorf("a batch was given positions %d and, %d later, %d", b.Entries[0].Position, i, e.Position)
					}
				}
			}
		})
	}
	wg.Wait()

	all := readAll(t, l, 0, 100)
	if len(all) != writers*batches*size {
		t.Fatalf("the log has %d entries, want %d", len(all), writers*batches*size)
	}
	if diff := diffEntries(all, notified); diff != "" {
		t.Errorf("notified otherwise than committed (-log +notified):\n%s", diff)
	}
	next := map[string]int{}
	for i, e := range all {
		if e.Position != uint64(i+1) {
			t.Fatalf("entry %d has position %d", i, e.Position)
		}
		if want := entry(queueMessage, e.Key, next[e.Key]); string(e.Body) != string(want.Body) {
			t.Fatalf("%s: got %s, want %s", e.Key, e.Body, want.Body)
		}
		next[e.Key]++
	}
}
