// Package journaltest tests that a journal.Log is one.
package journaltest

import (
	"bytes"
	"fmt"
	"strings"
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
