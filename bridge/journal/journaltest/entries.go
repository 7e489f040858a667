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
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	b := l.Bounds()
	if b.First != 1 || b.Last != 0 {
		t.Errorf("Bounds = %d to %d, want 1 to 0", b.First, b.Last)
	}
	for _, position := range []uint64{0, 1} {
		if epoch := l.Epoch(position); epoch == "" || strings.Trim(epoch, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("the epoch of position %d is %q, not [a-z0-9]+", position, epoch)
		}
	}
	for _, after := range []uint64{0, 1, 99} {
		if page, err := l.Read(t.Context(), after, 10); err != nil || len(page) != 0 {
			t.Errorf("Read(%d) = %v, %v, want none", after, page, err)
		}
	}
	if page, err := l.Latest(t.Context(), queueUnread, 0, 10); err != nil || len(page) != 0 {
		t.Errorf("Latest = %v, %v, want none", page, err)
	}
	if got := records(t, w, ""); len(got) != 0 {
		t.Errorf("records %v, want none", got)
	}

	other := open(t, "b", Options{})
	defer mustClose(t, other)
	for _, position := range []uint64{0, 1} {
		if epoch := l.Epoch(position); other.Epoch(position) == epoch {
			t.Errorf("two logs have position %d under the epoch %q", position, epoch)
		}
	}
}

func testReadBack(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	first := mustAppend(t, w,
		entry(queueMessage, "", 1),
		journal.Entry{Time: received, Queue: queueUnread, Key: "conversation/é\x00ß", Body: []byte("\x00\xff")},
		journal.Entry{Time: received.Add(time.Nanosecond), Queue: "q"},
		addressed(entry(queueMessage, "", 3), "u:ada"),
		addressed(entry(queueUnread, strings.Repeat("k", journal.MaxName), 4), "g:é\x00", "u:"+strings.Repeat("a", journal.MaxName-2)),
		addressed(journal.Entry{Time: received, Queue: "q"}, manyTokens(journal.MaxAudience)...),
		traced(entry(queueMessage, "", 5), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
		traced(addressed(journal.Entry{Time: received, Queue: "q"}, "u:ada"), strings.Repeat("-", journal.MaxTraceParent)),
	)
	second := mustAppend(t, w, entry(queueMessage, "", 2))
	mustAppend(t, w)

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
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	var want []journal.Entry
	for i := range 10 {
		want = append(want, mustAppend(t, w, sized(queueMessage, "", 300<<10), entry(queueMessage, "", i))...)
	}
	want = append(want, mustAppend(t, w, sized(queueMessage, "", 3<<20))...)
	for _, max := range []int{1, 3, 20, 1 << 30} {
		if diff := diffEntries(want, readAll(t, l, 0, max)); diff != "" {
			t.Errorf("in pages of %d: entries differ (-want +got):\n%s", max, diff)
		}
	}
	page, err := l.Read(t.Context(), 0, 3)
	if err != nil || len(page) != 3 {
		t.Errorf("Read(0, 3) gave %d entries, %v", len(page), err)
	}
	page, err = l.Read(t.Context(), 0, 1000)
	if err != nil || len(page) < 2 || len(page) > 12 {
		t.Errorf("Read(0, 1000) gave %d entries, %v; a page is about a megabyte", len(page), err)
	}
	if page, err := l.Read(t.Context(), 0, 0); err != nil || len(page) != 0 {
		t.Errorf("Read(0, 0) gave %d entries, %v", len(page), err)
	}
}

func testNothingOnError(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	l.Follow(func(e []journal.Entry) { t.Errorf("those who follow got %v", e) })
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	good := journal.Batch{
		Entries: []journal.Entry{entry(queueMessage, "k", 1)},
		Records: []journal.Record{{Name: "m"}},
	}
	with := func(e journal.Entry) journal.Batch {
		return journal.Batch{Entries: append(good.Entries, e), Records: good.Records}
	}
	long := strings.Repeat("k", journal.MaxName+1)
	for _, test := range []struct {
		name  string
		ctx   context.Context
		batch journal.Batch
	}{
		{"cancelled", cancelled, good},
		{"no queue", t.Context(), with(entry("", "", 1))},
		{"long queue", t.Context(), with(entry(long, "", 1))},
		{"long key", t.Context(), with(entry("q", long, 1))},
		{"long trace parent", t.Context(), with(traced(good.Entries[0], long))},
		{"an audience of nobody", t.Context(), with(addressed(good.Entries[0], []string{}...))},
		{"a large audience", t.Context(), with(addressed(good.Entries[0], manyTokens(journal.MaxAudience+1)...))},
		{"an empty token", t.Context(), with(addressed(good.Entries[0], "u:a", ""))},
		{"a long token", t.Context(), with(addressed(good.Entries[0], long))},
		{"no name", t.Context(), journal.Batch{Entries: good.Entries, Records: append(good.Records, journal.Record{})}},
		{"long name", t.Context(), journal.Batch{Entries: good.Entries, Records: append(good.Records, journal.Record{Name: long})}},
		{"long prefix", t.Context(), journal.Batch{Entries: good.Entries, Records: good.Records, Drop: []string{"", long}}},
	} {
		err := w.Append(test.ctx, test.batch)
		if err == nil {
			t.Errorf("%s: Append succeeded", test.name)
		}
		if test.ctx.Err() != nil && !errors.Is(err, test.ctx.Err()) {
			t.Errorf("%s: Append = %v, want the context's error", test.name, err)
		}
		if test.ctx.Err() == nil && !isClosed(w.Done()) {
			t.Errorf("%s: the turn goes on after %v", test.name, err)
		}
		w.Resign() // which changes nothing where the turn is over
		w = mustLead(t, l)
	}
	if b := l.Bounds(); b.Last != 0 {
		t.Errorf("the log has entries to %d", b.Last)
	}
	if got := records(t, w, ""); len(got) != 0 {
		t.Errorf("the log has records %v", got)
	}
	if got := latest(t, l, queueMessage, 10); len(got) != 0 {
		t.Errorf("the log has newest entries %v", got)
	}
}

func testConcurrent(t *testing.T, open Opener) {
	const writers, batches, size = 8, 25, 3
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	var followed []journal.Entry
	l.Follow(func(entries []journal.Entry) { followed = append(followed, entries...) })
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for k := range batches {
				var b journal.Batch
				for i := range size {
					b.Entries = append(b.Entries, entry(queueMessage, fmt.Sprint("writer/", n), k*size+i))
				}
				if err := w.Append(t.Context(), b); err != nil {
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
	if diff := diffEntries(all, followed); diff != "" {
		t.Errorf("followed otherwise than committed (-log +followed):\n%s", diff)
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
