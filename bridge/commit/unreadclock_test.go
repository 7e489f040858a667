package commit

import (
	"fmt"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

func TestUnreadClockRisesByConversation(t *testing.T) {
	begin := time.Date(2026, 1, 27, 10, 0, 0, 0, time.UTC)
	at := func(micros int) time.Time { return begin.Add(time.Duration(micros) * time.Microsecond) }
	var s UnreadClock
	for i, step := range []struct {
		conversation     string
		received, wanted int // microseconds
	}{
		{"a", 400, 0},
		{"a", 600, 1000}, // the same millisecond
		{"b", 700, 0},    // another conversation's does not matter
		{"a", 900, 2000},
		{"a", 9000, 9000},
		{"a", 5000, 10_000}, // a clock that was set back
	} {
		if got := s.next(step.conversation, at(step.received)); !got.Equal(at(step.wanted)) {
			t.Errorf("step %d: got %v, want %v", i, got, at(step.wanted))
		}
	}
}

// The clock of the machine is set back while no bridge runs: clients that have the last count must
// take the next.
func TestUnreadClockRisesOverRestarts(t *testing.T) {
	log := journal.NewMemory(journal.MemoryOptions{})
	w := lead(t, log)
	last := time.Date(2026, 1, 27, 10, 0, 0, 0, time.UTC)
	for i := range 3000 { // several pages
		body := fmt.Sprintf(`{"conversation_id":"%d","unread_message_count":1,"timestamp":"2026-01-27T10:00:00.000Z"}`, i)
		b := journal.Batch{Entries: []journal.Entry{{Time: last, Queue: "/queue/unread-count", Key: fmt.Sprint(i), Body: []byte(body)}}}
		if err := w.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	var s UnreadClock
	if err := s.Load(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	for _, conversation := range []string{"0", "2999"} {
		if got := s.next(conversation, last.Add(-time.Hour)); !got.After(last) {
			t.Errorf("conversation %s: %v is not after %v", conversation, got, last)
		}
	}
}

func TestUnreadClockForgetsTheOldest(t *testing.T) {
	now := time.Now()
	var s UnreadClock
	for i := range 5 * clockGeneration {
		s.next(fmt.Sprint(i), now)
	}
	if n := len(s.new) + len(s.old); n > 2*clockGeneration {
		t.Errorf("%d conversations remembered", n)
	}
	last := fmt.Sprint(5*clockGeneration - 1)
	if got := s.next(last, now); !got.After(now.Truncate(time.Millisecond)) {
		t.Errorf("a recent conversation was forgotten: %v", got)
	}
}

func counted(conversation string, at time.Time) []journal.Entry {
	body := fmt.Sprintf(`{"conversation_id":%q,"unread_message_count":1,"timestamp":%q}`, conversation, at.Format(time.RFC3339Nano))
	return []journal.Entry{{Time: at, Queue: "/queue/unread-count", Key: conversation, Body: []byte(body)}}
}

// Another replica led, whose clock is ahead. What it has committed is known when this one leads,
// and what it commits after that too, once this one has loaded again.
func TestUnreadClockFollowsOthers(t *testing.T) {
	log := journal.NewMemory(journal.MemoryOptions{})
	w := lead(t, log)
	now := time.Date(2026, 1, 27, 10, 0, 0, 0, time.UTC)
	var s UnreadClock
	log.Follow(s.Follow)
	load := func() {
		t.Helper()
		if err := s.Load(t.Context(), log); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(conversation string, at time.Time) {
		t.Helper()
		if err := w.Append(t.Context(), journal.Batch{Entries: counted(conversation, at)}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(conversation string, last time.Time) {
		t.Helper()
		if got := s.next(conversation, now); !got.Equal(last.Add(time.Millisecond)) {
			t.Errorf("conversation %s: %v, want a millisecond after %v", conversation, got, last)
		}
	}
	commit("before", now.Add(time.Hour))
	load()
	commit("after", now.Add(2*time.Hour))
	commit("after", now.Add(time.Hour)) // an event's own time
	check("before", now.Add(time.Hour))
	check("after", now.Add(2*time.Hour))

	s.Lead(true)
	commit("late", now.Add(3*time.Hour)) // by another, while this one does not know yet that it leads no more
	s.Lead(false)
	commit("later", now.Add(4*time.Hour))
	load()
	check("late", now.Add(3*time.Hour))
	check("later", now.Add(4*time.Hour))
}
