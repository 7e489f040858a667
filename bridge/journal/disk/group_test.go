package disk_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

func one(text string) journal.Batch {
	return journal.Batch{Entries: []journal.Entry{{Time: received, Queue: "q", Body: []byte(text)}}}
}

// TestGroup holds up one commit: those that come meanwhile are committed together, without the one
// that gave up.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, disk.Options{Dir: t.TempDir()})
		w := mustLead(t, l)
		hold := make(chan struct{})
		var commits []int
		l.Follow(func(e []journal.Entry) {
			commits = append(commits, len(e))
			<-hold
		})
		appended := make(chan error, 9)
		go func() { appended <- w.Append(t.Context(), one("first")) }()
		synctest.Wait()
		for i := range 8 {
			go func() { appended <- w.Append(t.Context(), one(fmt.Sprint(i))) }()
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() { gaveUp <- w.Append(ctx, one("gave up")) }()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("the Append that gave up: %v", err)
		}
		close(hold)
		for range 9 {
			if err := <-appended; err != nil {
				t.Errorf("Append: %v", err)
			}
		}
		if len(commits) != 2 || commits[0] != 1 || commits[1] != 8 {
			t.Errorf("commits of %v entries, want 1 and 8", commits)
		}
		if b := l.Bounds(); b.Last != 9 {
			t.Errorf("the log ends at %d, want 9", b.Last)
		}
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestTimeClosed closes a log for longer than entries are kept.
func TestTimeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := disk.Options{Dir: t.TempDir(), MaxAge: time.Hour}
		l := mustOpen(t, o)
		add := func(first uint64) {
			t.Helper()
			if err := appendTo(t.Context(), l, one("x")); err != nil {
				t.Fatal(err)
			}
			if b := l.Bounds(); b.First != first {
				t.Errorf("the log begins at %d, want %d", b.First, first)
			}
		}
		add(1)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		l = mustOpen(t, o)
		add(1)
		time.Sleep(11 * time.Minute)
		add(2)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
