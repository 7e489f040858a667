package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

func testMarks(t *testing.T, open Opener) {
	now := received
	l := open(t, "a", Options{Now: func() time.Time { return now }})
	defer mustClose(t, l)
	mustMark(t, l,
		journal.Mark{Name: "a/1", Value: []byte("one")},
		journal.Mark{Name: "a/2", Value: []byte("two"), Expires: now.Add(time.Minute)},
		journal.Mark{Name: "a/3", Value: []byte("gone"), Expires: now},
		journal.Mark{Name: "b/1"},
		journal.Mark{Name: "a", Value: []byte("\x00\xff")},
	)
	mustMark(t, l, journal.Mark{Name: "a/1", Value: []byte("one again"), Expires: now.Add(time.Hour)})
	if b := l.Bounds(); b.Last != 0 {
		t.Errorf("marks took positions: Last = %d", b.Last)
	}
	check := func(prefix string, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, marks(t, l, prefix)); diff != "" {
			t.Errorf("Marks(%q) (-want +got):\n%s", prefix, diff)
		}
	}
	check("a/", map[string]string{"a/1": "one again", "a/2": "two"})
	check("", map[string]string{"a": "\x00\xff", "a/1": "one again", "a/2": "two", "b/1": ""})
	check("c", map[string]string{})

	now = now.Add(time.Minute)
	check("a/", map[string]string{"a/1": "one again"})
	mustAppend(t, l, entry(queueMessage, "", 1))
	check("a/", map[string]string{"a/1": "one again"})
	mustMark(t, l, journal.Mark{Name: "a/2", Value: []byte("back")})
	check("a/2", map[string]string{"a/2": "back"})

	calls := 0
	if err := l.Marks("", func(journal.Mark) bool { calls++; return false }); err != nil || calls != 1 {
		t.Errorf("Marks called yield %d times after it returned false, %v", calls, err)
	}
	if err := l.Marks("a/", func(m journal.Mark) bool {
		if err := l.DropMarks(m.Name); err != nil {
			t.Errorf("DropMarks from within Marks: %v", err)
		}
		return true
	}); err != nil {
		t.Errorf("Marks: %v", err)
	}
	check("", map[string]string{"a": "\x00\xff", "b/1": ""})
	if err := l.DropMarks(""); err != nil {
		t.Errorf("DropMarks: %v", err)
	}
	check("", map[string]string{})
	if b := l.Bounds(); b.Last != 1 {
		t.Errorf("dropping marks left Last at %d, want 1", b.Last)
	}
}
