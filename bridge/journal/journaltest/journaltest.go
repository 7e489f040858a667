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

// An Opener opens the log of the name, which it creates when the test has not opened it before. The
// log is closed by the test, as a rule.
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
		"records":             testRecords,
		"drop":                testDrop,
		"follow":              testFollow,
		"follow, in between":  testFollowUnderAppends,
		"reach":               testReach,
		"too large":           testTooLarge,
		"resign":              testResign,
		"close":               testClose,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// RunDurable tests what a log does that outlives its process, when it is closed and opened again.
func RunDurable(t *testing.T, open Opener) {
	t.Run("entries and records", func(t *testing.T) { testReopen(t, open) })
	t.Run("newest per key", func(t *testing.T) { testReopenLatest(t, open) })
}

// RunReplicas tests what logs do that are opened under one name at the same time, and so share
// their entries.
func RunReplicas(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"reach under appends": testReachUnderAppends,
		"hand over":           testHandOver,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// RunLead tests how the turns to write a log in this process follow one another.
func RunLead(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"one at a time":        testLeadWaits,
		"while Append runs":    testLeadWhileAppending,
		"until the log ends":   testLeadUntilClose,
		"ctx ends the waiting": testLeadGivesUp,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, open) })
		})
	}
}

// RunClock tests what a log in this process does as time passes. The time is synthetic, and
// Options.Now a wall clock that is set forward and back.
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

// RunDurableClock tests what RunClock tests of a log that is closed and opened again meanwhile.
func RunDurableClock(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"a clock ahead at the start":             testClockAhead,
		"a clock ahead at the start, and newest": testClockAheadLatest,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
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

// lead opens the log, and leads at once.
func lead(t *testing.T, open Opener, name string, o Options) (journal.Log, journal.Writer) {
	t.Helper()
	l := open(t, name, o)
	return l, mustLead(t, l)
}

func mustLead(t *testing.T, l journal.Log) journal.Writer {
	t.Helper()
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatalf("Lead: %v", err)
	}
	return w
}

func mustAppend(t *testing.T, w journal.Writer, entries ...journal.Entry) []journal.Entry {
	t.Helper()
	if err := w.Append(t.Context(), journal.Batch{Entries: entries}); err != nil {
		t.Fatalf("Append: %v", err)
	}
	return entries
}

func mustRecord(t *testing.T, w journal.Writer, records ...journal.Record) {
	t.Helper()
	if err := w.Append(t.Context(), journal.Batch{Records: records}); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// readAll reads in pages of max until the end.
func readAll(t *testing.T, l journal.Log, after uint64, max int) []journal.Entry {
	t.Helper()
	return pages(t, after, func(after uint64) ([]journal.Entry, error) { return l.Read(t.Context(), after, max) })
}

func latest(t *testing.T, l journal.Log, queue string, max int) []journal.Entry {
	t.Helper()
	return pages(t, 0, func(after uint64) ([]journal.Entry, error) { return l.Latest(t.Context(), queue, after, max) })
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

func records(t *testing.T, w journal.Writer, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := w.Records(prefix, func(r journal.Record) bool {
		found[r.Name] = string(r.Value)
		return true
	}); err != nil {
		t.Fatalf("Records(%q): %v", prefix, err)
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
	l, w := lead(t, open, "a", Options{})
	mustAppend(t, w, entry(queueMessage, "k", 1))
	want := l.Bounds()
	if err := l.Err(); err != nil || isClosed(l.Done()) || isClosed(w.Done()) {
		t.Errorf("before Close the log is done: %v", err)
	}
	mustClose(t, l)
	_, read := l.Read(t.Context(), 0, 1)
	_, newest := l.Latest(t.Context(), queueMessage, 0, 1)
	_, led := l.Lead(t.Context())
	for name, err := range map[string]error{
		"Append":  w.Append(t.Context(), journal.Batch{Entries: []journal.Entry{entry(queueMessage, "", 1)}}),
		"Read":    read,
		"Reach":   l.Reach(t.Context(), 99),
		"Latest":  newest,
		"Records": w.Records("", func(journal.Record) bool { return true }),
		"Lead":    led,
		"Close":   l.Close(),
	} {
		if err == nil {
			t.Errorf("%s succeeded on a closed log", name)
		}
	}
	if l.Err() == nil || !isClosed(l.Done()) || !isClosed(w.Done()) {
		t.Errorf("after Close the log is not done: %v", l.Err())
	}
	if got := l.Bounds(); got != want {
		t.Errorf("Bounds = %v, want %v as before Close", got, want)
	}
	w.Resign()
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
