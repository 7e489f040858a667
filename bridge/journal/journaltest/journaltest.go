// Package journaltest tests that a journal.Log is one.
package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

// Options are what a test asks of a log; see journal.MemoryOptions.
type Options struct {
	MaxAge   time.Duration
	MaxBytes int64
	Latest   journal.LatestOptions
	Now      func() time.Time
}

// An Opener opens the log of the name, which it creates when the test has not opened it before. The log is closed by the
// test, as a rule.
type Opener func(t *testing.T, name string, o Options) journal.Log

const (
	queueMessage      = "/queue/message"
	queueUnread       = "/queue/unread-count"
	queueConnected    = "/queue/channel/connected"
	queueDisconnected = "/queue/channel/disconnected"
)

var received = time.Date(2026, 3, 4, 5, 6, 7, 891_000_000, time.UTC)

// Run tests what every log does.
func Run(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"empty":               testEmpty,
		"read back":           testReadBack,
		"pages":               testPages,
		"nothing on error":    testNothingOnError,
		"notify":              testNotify,
		"concurrent":          testConcurrent,
		"retention by bytes":  testMaxBytes,
		"trimmed by queue":    testTrimmed,
		"readers and trimmer": testReadWhileTrimming,
		"latest":              testLatest,
		"latest in pages":     testLatestPages,
		"audiences":           testAudiences,
		"audiences count":     testAudienceSize,
		"latest of two":       testLatestFamily,
		"latest beyond":       testLatestBeyondRetention,
		"latest, few keys":    testLatestMaxKeys,
		"marks":               testMarks,
		"close":               testClose,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// RunDurable tests what a log does that outlives its process, when it is closed and opened again.
func RunDurable(t *testing.T, open Opener) {
	t.Run("entries and marks", func(t *testing.T) { testReopen(t, open) })
	t.Run("newest per key", func(t *testing.T) { testReopenLatest(t, open) })
}

// RunClock tests what a log in this process does as time passes. The time is synthetic, and Options.Now a wall clock that
// is set forward and back.
func RunClock(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"retention by age":    testMaxAge,
		"latest, old keys":    testLatestMaxAge,
		"a clock set forward": testClockForward,
		"a clock set back":    testClockBack,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, open) })
		})
	}
}

func entry(queue, key string, n int) journal.Entry {
	return journal.Entry{
		Time:  received.Add(time.Duration(n) * time.Millisecond),
		Queue: queue, Key: key,
		Body: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}

func sized(queue, key string, size int) journal.Entry {
	return journal.Entry{Time: received, Queue: queue, Key: key, Body: []byte(strings.Repeat("x", size))}
}

// addressed returns the entry for those alone.
func addressed(e journal.Entry, tokens ...string) journal.Entry {
	e.Audience = tokens
	return e
}

// traced returns the entry with that trace parent.
func traced(e journal.Entry, parent string) journal.Entry {
	e.TraceParent = parent
	return e
}

func manyTokens(n int) []string {
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = fmt.Sprint("u:", i)
	}
	return tokens
}

func mustAppend(t *testing.T, l journal.Log, entries ...journal.Entry) []journal.Entry {
	t.Helper()
	if err := l.Append(t.Context(), journal.Batch{Entries: entries}); err != nil {
		t.Fatalf("Append: %v", err)
	}
	return entries
}

func mustMark(t *testing.T, l journal.Log, marks ...journal.Mark) {
	t.Helper()
	if err := l.Append(t.Context(), journal.Batch{Marks: marks}); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// readAll reads in pages of max until the end.
func readAll(t *testing.T, l journal.Log, after uint64, max int) []journal.Entry {
	t.Helper()
	return pages(t, after, func(after uint64) ([]journal.Entry, error) { return l.Read(after, max) })
}

func latest(t *testing.T, l journal.Log, queue string, max int) []journal.Entry {
	t.Helper()
	return pages(t, 0, func(after uint64) ([]journal.Entry, error) { return l.Latest(queue, after, max) })
}

func pages(t *testing.T, after uint64, read func(uint64) ([]journal.Entry, error)) (all []journal.Entry) {
	t.Helper()
	for {
		page, err := read(after)
		if err != nil {
			t.Fatalf("reading after %d: %v", after, err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Position
	}
}

func marks(t *testing.T, l journal.Log, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := l.Marks(prefix, func(m journal.Mark) bool {
		found[m.Name] = string(m.Value)
		return true
	}); err != nil {
		t.Fatalf("Marks(%q): %v", prefix, err)
	}
	return found
}

func diffEntries(want, got []journal.Entry) string {
	if len(want) == 0 && len(got) == 0 {
		return ""
	}
	return cmp.Diff(want, got, cmp.Comparer(bytes.Equal))
}

func mustClose(t *testing.T, l journal.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

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

func testMaxBytes(t *testing.T, open Opener) {
	const limit, size = 256 << 10, 4 << 10
	l := open(t, "a", Options{MaxBytes: limit})
	defer mustClose(t, l)
	for n := range 300 {
		e := mustAppend(t, l, sized(queueMessage, "", size))[0]
		if page, err := l.Read(e.Position-1, 10); err != nil || len(page) != 1 {
			t.Fatalf("entry %d: Read = %d entries, %v", n, len(page), err)
		}
	}
	b := l.Bounds()
	if b.Last != 300 {
		t.Fatalf("Last = %d, want 300", b.Last)
	}
	all := readAll(t, l, b.First-1, 100)
	if all[0].Position != b.First || len(all) != int(b.Last-b.First+1) {
		t.Errorf("Bounds = %d to %d, but %d entries from %d", b.First, b.Last, len(all), all[0].Position)
	}
	if got := len(all) * size; got > limit || got < limit/2 {
		t.Errorf("the log keeps %d bytes with a limit of %d", got, limit)
	}
	if got, most := l.Size(); got < int64(len(all)*size) || got > most || most != limit {
		t.Errorf("Size = %d, %d for %d entries of %d bytes with a limit of %d", got, most, len(all), size, limit)
	}
	for _, after := range []uint64{0, b.First - 2} {
		if _, err := l.Read(after, 10); !errors.Is(err, journal.ErrTrimmed) {
			t.Errorf("Read(%d) = %v, want ErrTrimmed; the log begins at %d", after, err, b.First)
		}
	}

	e := mustAppend(t, l, sized(queueMessage, "", 2*limit))[0]
	if page, err := l.Read(e.Position-1, 10); err != nil || len(page) != 1 {
		t.Errorf("an entry larger than the log: Read = %d entries, %v; want the entry", len(page), err)
	}
	e = mustAppend(t, l, sized(queueMessage, "", size))[0]
	if b := l.Bounds(); b.First != e.Position || b.Last != e.Position {
		t.Errorf("after an entry larger than the log, and one more: %d to %d, want only %d", b.First, b.Last, e.Position)
	}
}

// testTrimmed trims a busy queue, a quiet one and both at once.
func testTrimmed(t *testing.T, open Opener) {
	const limit, size = 64 << 10, 4 << 10
	l := open(t, "a", Options{MaxBytes: limit})
	defer mustClose(t, l)
	queues := []string{queueMessage, queueConnected, queueUnread} // nothing comes to the last
	var all []journal.Entry
	for n := range 100 {
		all = append(all, mustAppend(t, l, sized(queueMessage, "", size))...)
		if n%40 == 0 {
			all = append(all, mustAppend(t, l, sized(queueConnected, fmt.Sprint("channel/", n), size))...)
		}
		want, got := map[string]uint64{}, map[string]uint64{}
		for _, e := range all[:l.Bounds().First-1] {
			want[e.Queue] = e.Position
		}
		for _, q := range queues {
			if p := l.Trimmed(q); p > 0 {
				got[q] = p
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("entry %d: trimmed (-want +got):\n%s", n, diff)
		}
	}
}

// testAudiences looks where an audience, or a trace parent, could get lost: in what is notified, read, and found as the newest, also beyond retention.
func testAudiences(t *testing.T, open Opener) {
	l := open(t, "a", Options{MaxBytes: 32 << 10})
	defer mustClose(t, l)
	var notified []journal.Entry
	l.Notify(func(entries []journal.Entry) { notified = append(notified, entries...) })
	want := mustAppend(t, l,
		entry(queueUnread, "conversation/1", 1),
		addressed(entry(queueUnread, "conversation/1/ada", 2), "u:ada"),
		traced(addressed(entry(queueUnread, "conversation/1/both", 3), "g:support", "u:ada"), "00-0-0-00"),
	)
	check := func(when string) {
		t.Helper()
		if diff := diffEntries(want, latest(t, l, queueUnread, 2)); diff != "" {
			t.Errorf("%s: newest (-want +got):\n%s", when, diff)
		}
	}
	if diff := diffEntries(want, notified); diff != "" {
		t.Errorf("notified (-want +got):\n%s", diff)
	}
	if diff := diffEntries(want, readAll(t, l, 0, 100)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	check("at first")
	for range 100 {
		mustAppend(t, l, sized(queueMessage, "", 4<<10))
	}
	if b := l.Bounds(); b.First <= want[2].Position {
		t.Fatalf("the log begins at %d, so nothing lies beyond retention", b.First)
	}
	check("beyond retention")
}

// testAudienceSize fills a log with audiences alone.
func testAudienceSize(t *testing.T, open Opener) {
	const limit = 256 << 10
	l := open(t, "a", Options{MaxBytes: limit})
	defer mustClose(t, l)
	tokens := []string{"g:" + strings.Repeat("g", 2000), "u:" + strings.Repeat("u", 2000)}
	for range 300 {
		mustAppend(t, l, addressed(journal.Entry{Time: received, Queue: queueMessage}, tokens...))
	}
	if b := l.Bounds(); b.Last-b.First+1 > limit/4000 || b.Last-b.First+1 < limit/8000 {
		t.Errorf("a log of %d bytes keeps %d entries with 4000 bytes of audience", limit, b.Last-b.First+1)
	}
}

func testReadWhileTrimming(t *testing.T, open Opener) {
	l := open(t, "a", Options{MaxBytes: 64 << 10})
	defer mustClose(t, l)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			after := uint64(0)
			for {
				select {
				case <-done:
					return
				default:
				}
				page, err := l.Read(after, 7)
				if errors.Is(err, journal.ErrTrimmed) {
					after = l.Bounds().First - 1
					continue
				}
				if err != nil {
					t.Errorf("Read: %v", err)
					return
				}
				for _, e := range page {
					if after++; e.Position != after {
						t.Errorf("Read gave position %d, want %d", e.Position, after)
						return
					}
				}
			}
		})
	}
	for range 200 {
		mustAppend(t, l, sized(queueMessage, "", 500), sized(queueMessage, "", 1500))
	}
	close(done)
	wg.Wait()
}

func testClose(t *testing.T, open Opener) {
	l := open(t, "a", Options{})
	mustAppend(t, l, entry(queueMessage, "k", 1))
	want := l.Bounds()
	mustClose(t, l)
	_, read := l.Read(0, 1)
	_, newest := l.Latest(queueMessage, 0, 1)
	for name, err := range map[string]error{
		"Append":    l.Append(t.Context(), journal.Batch{Entries: []journal.Entry{entry(queueMessage, "", 1)}}),
		"Read":      read,
		"Latest":    newest,
		"Marks":     l.Marks("", func(journal.Mark) bool { return true }),
		"DropMarks": l.DropMarks(""),
		"Close":     l.Close(),
	} {
		if err == nil {
			t.Errorf("%s succeeded on a closed log", name)
		}
	}
	if got := l.Bounds(); got != want {
		t.Errorf("Bounds = %v, want %v as before Close", got, want)
	}
}
