package journaltest

import (
	"slices"
	"testing"
	"testing/synctest"
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

// testClockAhead opens a log again while the wall clock is ahead, as that of a machine may be that
// has just started. Entries that come before it is put right go when they are an hour old, whether
// the log is opened again meanwhile or not.
func testClockAhead(t *testing.T, open Opener) {
	const right, end = 5, 150 // minutes since the log was opened
	for _, test := range []struct {
		name     string
		ahead    time.Duration
		reopened []int // minutes
		late     int   // by so many minutes may the oldest entry outlive its hour
	}{
		{"by an hour", time.Hour, nil, 0},
		{"by a year", 365 * 24 * time.Hour, nil, 0},
		{"by ten minutes", 10 * time.Minute, nil, 0},
		{"opened again", time.Hour, []int{30}, 0},
		{"opened again and again", time.Hour, []int{30, 35, 40, 70}, 1}, // the minute after its last commit counts when the clock has settled
		{"opened again before it is put right", time.Hour, []int{2}, 8}, // the time closed is only known of all together
		{"opened again when it is put right", 365 * 24 * time.Hour, []int{6}, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now, set := wallClock()
				o := Options{MaxAge: time.Hour, Now: now}
				l, w := lead(t, open, "a", o)
				mustAppend(t, w, entry(queueMessage, "", 0))
				mustClose(t, l)
				set(test.ahead)
				l, w = lead(t, open, "a", o)
				for minute := range end { // the entry of minute 0 has position 2
					if minute == right {
						set(-test.ahead)
					}
					if slices.Contains(test.reopened, minute) {
						mustClose(t, l)
						l, w = lead(t, open, "a", o)
					}
					mustAppend(t, w, entry(queueMessage, "", minute))
					first := int(l.Bounds().First) - 2
					if want := minute - 60; minute > 60 && (first > want || first < want-test.late) || first > max(want, 0) {
						t.Errorf("%d minutes on, the log begins with the entry of minute %d, want %d", minute, first, want)
					}
					time.Sleep(time.Minute)
				}
				mustClose(t, l)
			})
		})
	}
}

// testClockAheadLatest looks at the newest of a key instead.
func testClockAheadLatest(t *testing.T, open Opener) {
	for _, reopened := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			now, set := wallClock()
			o := Options{MaxAge: time.Hour, Latest: journal.LatestOptions{MaxAge: 2 * time.Hour}, Now: now}
			l, _ := lead(t, open, "a", o)
			mustClose(t, l)
			set(24 * time.Hour)
			l, w := lead(t, open, "a", o)
			mustAppend(t, w, entry(queueUnread, "k", 0))
			set(-24 * time.Hour)
			for range 13 {
				if reopened {
					mustClose(t, l)
					l, w = lead(t, open, "a", o)
				}
				if got := latest(t, l, queueUnread, 10); len(got) != 1 {
					t.Errorf("reopened %v: newest %v, want the one there is", reopened, got)
				}
				time.Sleep(10 * time.Minute)
				mustAppend(t, w, entry(queueMessage, "", 0))
			}
			if got := latest(t, l, queueUnread, 10); len(got) != 0 {
				t.Errorf("reopened %v: after its age the newest is still %v", reopened, got)
			}
			mustClose(t, l)
		})
	}
}
