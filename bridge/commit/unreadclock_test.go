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
	var s unreadClock
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
	var s unreadClock
	if err := s.load(t.Context(), log); err != nil {
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
	var s unreadClock
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
