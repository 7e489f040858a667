package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

func testRecords(t *testing.T, open Opener) {
	now := received
	l, w := lead(t, open, "a", Options{Now: func() time.Time { return now }})
	defer mustClose(t, l)
	mustRecord(t, w,
		journal.Record{Name: "a/1", Value: []byte("one")},
		journal.Record{Name: "a/2", Value: []byte("two"), Expires: now.Add(time.Minute)},
		journal.Record{Name: "a/3", Value: []byte("gone"), Expires: now},
		journal.Record{Name: "b/1"},
		journal.Record{Name: "a", Value: []byte("\x00\xff")},
	)
	mustRecord(t, w, journal.Record{Name: "a/1", Value: []byte("one again"), Expires: now.Add(time.Hour)})
	if b := l.Bounds(); b.Last != 0 {
		t.Errorf("records took positions: Last = %d", b.Last)
	}
	check := func(prefix string, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, records(t, w, prefix)); diff != "" {
			t.Errorf("Records(%q) (-want +got):\n%s", prefix, diff)
		}
	}
	check("a/", map[string]string{"a/1": "one again", "a/2": "two"})
	check("", map[string]string{"a": "\x00\xff", "a/1": "one again", "a/2": "two", "b/1": ""})
	check("c", map[string]string{})

	now = now.Add(time.Minute)
	check("a/", map[string]string{"a/1": "one again"})
	mustAppend(t, w, entry(queueMessage, "", 1))
	check("a/", map[string]string{"a/1": "one again"})
	mustRecord(t, w, journal.Record{Name: "a/2", Value: []byte("back")})
	check("a/2", map[string]string{"a/2": "back"})

	calls := 0
	if err := w.Records("", func(journal.Record) bool { calls++; return false }); err != nil || calls != 1 {
		t.Errorf("Records called yield %d times after it returned false, %v", calls, err)
	}
	if err := w.Records("a/", func(r journal.Record) bool {
		mustDrop(t, w, r.Name) // from within
		return true
	}); err != nil {
		t.Errorf("Records: %v", err)
	}
	check("", map[string]string{"a": "\x00\xff", "b/1": ""})
	if b := l.Bounds(); b.Last != 1 {
		t.Errorf("dropping records left Last at %d, want 1", b.Last)
	}
}

// testDrop drops by prefix, before the batch's own records are kept, and beside its entries.
func testDrop(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	mustRecord(t, w, journal.Record{Name: "a/1"}, journal.Record{Name: "a/2"}, journal.Record{Name: "a"}, journal.Record{Name: "b/1"})
	check := func(when string, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, records(t, w, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	b := journal.Batch{
		Entries: []journal.Entry{entry(queueMessage, "", 1)},
		Drop:    []string{"a/", "none"},
		Records: []journal.Record{{Name: "a/2", Value: []byte("kept")}},
	}
	if err := w.Append(t.Context(), b); err != nil {
		t.Fatalf("Append: %v", err)
	}
	check("with an entry", map[string]string{"a": "", "a/2": "kept", "b/1": ""})
	if l.Bounds().Last != 1 {
		t.Errorf("the entry of a batch that drops is missing")
	}
	if w.Append(t.Context(), journal.Batch{Drop: []string{""}, Entries: []journal.Entry{{}}}) == nil {
		t.Errorf("Append of an entry without a queue succeeded")
	}
	w = mustLead(t, l)
	check("what was refused dropped something", map[string]string{"a": "", "a/2": "kept", "b/1": ""})
	mustDrop(t, w, "")
	check("all", map[string]string{})

	mustRecord(t, w, journal.Record{Name: "a/1/1"}, journal.Record{Name: "a/1/2"}, journal.Record{Name: "a/2"}, journal.Record{Name: "ab/1"},
		journal.Record{Name: "b"}, journal.Record{Name: "ba"})
	mustDrop(t, w, "a/1/2")
	check("one", map[string]string{"a/1/1": "", "a/2": "", "ab/1": "", "b": "", "ba": ""})
	mustDrop(t, w, "a/1")
	check("below a slash", map[string]string{"a/2": "", "ab/1": "", "b": "", "ba": ""})
	mustDrop(t, w, "a", "ba")
	check("two", map[string]string{"b": ""})
}

func mustDrop(t *testing.T, w journal.Writer, prefixes ...string) {
	t.Helper()
	if err := w.Append(t.Context(), journal.Batch{Drop: prefixes}); err != nil {
		t.Fatalf("Append of a batch that only drops: %v", err)
	}
}
