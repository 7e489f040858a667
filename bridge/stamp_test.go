package bridge

import (
	"fmt"
	"testing"
	"time"
)

func TestStampsRiseByConversation(t *testing.T) {
	begin := time.Date(2026, 1, 27, 10, 0, 0, 0, time.UTC)
	at := func(micros int) time.Time { return begin.Add(time.Duration(micros) * time.Microsecond) }
	var s stamper
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

func TestStamperForgetsTheOldest(t *testing.T) {
	now := time.Now()
	var s stamper
	for i := range 5 * stampGeneration {
		s.next(fmt.Sprint(i), now)
	}
	if n := len(s.new) + len(s.old); n > 2*stampGeneration {
		t.Errorf("%d conversations remembered", n)
	}
	last := fmt.Sprint(5*stampGeneration - 1)
	if got := s.next(last, now); !got.After(now.Truncate(time.Millisecond)) {
		t.Errorf("a recent conversation was forgotten: %v", got)
	}
}
