package journaltest

import (
	"fmt"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
)

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

// testAudiences looks where an audience, or a trace parent, could get lost: in what is followed,
// read, and found as the newest, also beyond retention.
func testAudiences(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{MaxBytes: 32 << 10})
	defer mustClose(t, l)
	var followed []journal.Entry
	l.Follow(func(entries []journal.Entry) { followed = append(followed, entries...) })
	want := mustAppend(t, w,
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
	if diff := diffEntries(want, followed); diff != "" {
		t.Errorf("followed (-want +got):\n%s", diff)
	}
	if diff := diffEntries(want, readAll(t, l, 0, 100)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	check("at first")
	for range 100 {
		mustAppend(t, w, sized(queueMessage, "", 4<<10))
	}
	if b := l.Bounds(); b.First <= want[2].Position {
		t.Fatalf("the log begins at %d, so nothing lies beyond retention", b.First)
	}
	check("beyond retention")
}

// testAudienceSize fills a log with audiences alone.
func testAudienceSize(t *testing.T, open Opener) {
	const limit = 256 << 10
	l, w := lead(t, open, "a", Options{MaxBytes: limit})
	defer mustClose(t, l)
	tokens := []string{"g:" + strings.Repeat("g", 2000), "u:" + strings.Repeat("u", 2000)}
	for range 300 {
		mustAppend(t, w, addressed(journal.Entry{Time: received, Queue: queueMessage}, tokens...))
	}
	if b := l.Bounds(); b.Last-b.First+1 > limit/4000 || b.Last-b.First+1 < limit/8000 {
		t.Errorf("a log of %d bytes keeps %d entries with 4000 bytes of audience", limit, b.Last-b.First+1)
	}
}
