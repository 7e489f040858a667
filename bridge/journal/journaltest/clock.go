package journaltest

import (
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

func testMaxAge(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{MaxAge: time.Hour})
	defer mustClose(t, l)
	for n := range 5 {
		mustAppend(t, w, entry(queueMessage, "", n))
		time.Sleep(20 * time.Minute)
	}
	if b := l.Bounds(); b.First != 2 || b.Last != 5 {
		t.Errorf("80 minutes on: Bounds = %d to %d, want 2 to 5", b.First, b.Last)
	}
	time.Sleep(24 * time.Hour)
	mustRecord(t, w, journal.Record{Name: "m"})
	if b := l.Bounds(); b.First != 6 || b.Last != 5 {
		t.Errorf("a day on: Bounds = %d to %d, want 6 to 5", b.First, b.Last)
	}
	if _, err := l.Read(t.Context(), 4, 10); err == nil {
		t.Errorf("Read of what is no longer kept succeeded")
	}
	if page, err := l.Read(t.Context(), 5, 10); err != nil || len(page) != 0 {
		t.Errorf("Read at the end = %v, %v", page, err)
	}
	if e := mustAppend(t, w, entry(queueMessage, "", 5))[0]; e.Position != 6 {
		t.Errorf("Append after everything was trimmed gave position %d, want 6", e.Position)
	}
}

func testLatestMaxAge(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{MaxAge: time.Hour, Latest: journal.LatestOptions{MaxAge: 10 * time.Hour}})
	defer mustClose(t, l)
	old := mustAppend(t, w, entry(queueUnread, "old", 1), entry(queueConnected, "old too", 1))
	time.Sleep(5 * time.Hour)
	young := mustAppend(t, w, entry(queueUnread, "young", 2))
	check := func(wantUnread, wantConnected []journal.Entry) {
		t.Helper()
		if diff := diffEntries(wantUnread, latest(t, l, queueUnread, 100)); diff != "" {
			t.Errorf("unread (-want +got):\n%s", diff)
		}
		if diff := diffEntries(wantConnected, latest(t, l, queueConnected, 100)); diff != "" {
			t.Errorf("connected (-want +got):\n%s", diff)
		}
	}
	check([]journal.Entry{old[0], young[0]}, old[1:])
	time.Sleep(6 * time.Hour)
	mustAppend(t, w, entry(queueMessage, "", 3))
	check(young, nil)
	if b := l.Bounds(); b.First != 4 {
		t.Errorf("the log begins at %d, want 4", b.First)
	}
}

// wallClock returns a wall clock, and a function that sets it by so much.
func wallClock() (now func() time.Time, set func(time.Duration)) {
	var off time.Duration
	return func() time.Time { return time.Now().Round(0).Add(off) }, func(by time.Duration) { off += by }
}

func testClockForward(t *testing.T, open Opener) {
	now, set := wallClock()
	l, w := lead(t, open, "a", Options{MaxAge: time.Hour, Now: now})
	defer mustClose(t, l)
	for n := range 5 {
		mustAppend(t, w, entry(queueUnread, "k", n))
		time.Sleep(time.Minute)
	}
	set(20 * 365 * 24 * time.Hour)
	for n := range 30 {
		mustAppend(t, w, entry(queueMessage, "", n))
		time.Sleep(time.Minute)
	}
	set(-20 * 365 * 24 * time.Hour)
	mustAppend(t, w, entry(queueMessage, "", 0))
	if b := l.Bounds(); b.First != 1 || b.Last != 36 {
		t.Errorf("35 minutes on: Bounds = %d to %d, want 1 to 36", b.First, b.Last)
	}
	time.Sleep(40 * time.Minute)
	mustAppend(t, w, entry(queueMessage, "", 0))
	if b := l.Bounds(); b.First != 16 {
		t.Errorf("75 minutes on: the log begins at %d, want 16", b.First)
	}
}

func testClockBack(t *testing.T, open Opener) {
	now, set := wallClock()
	l, w := lead(t, open, "a", Options{MaxAge: time.Hour, Now: now})
	defer mustClose(t, l)
	mustAppend(t, w, entry(queueMessage, "", 0))
	set(-365 * 24 * time.Hour)
	time.Sleep(59 * time.Minute)
	mustAppend(t, w, entry(queueMessage, "", 0))
	if b := l.Bounds(); b.First != 1 {
		t.Errorf("59 minutes on: the log begins at %d, want 1", b.First)
	}
	time.Sleep(2 * time.Minute)
	mustAppend(t, w, entry(queueMessage, "", 0))
	if b := l.Bounds(); b.First != 2 {
		t.Errorf("61 minutes on: the log begins at %d, want 2", b.First)
	}
}
