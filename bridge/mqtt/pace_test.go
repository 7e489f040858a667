package mqtt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt"
)

func TestPauseGrows(t *testing.T) {
	tests := []struct {
		n      int
		jitter float64
		want   time.Duration
	}{
		{-1, 0, 0},
		{0, 0.9, 0},
		{1, 0, 250 * time.Millisecond},
		{1, 0.5, 187500 * time.Microsecond},
		{2, 0, 500 * time.Millisecond},
		{6, 0, 8 * time.Second},
		{7, 0, 10 * time.Second},
		{7, 0.999999, 5 * time.Second},
		{1000000, 0, 10 * time.Second},
	}
	for _, tt := range tests {
		got := mqtt.Pause(tt.n, tt.jitter).Round(time.Millisecond / 2)
		if got != tt.want {
			t.Errorf("pause before attempt %d with jitter %v: %v, want %v", tt.n, tt.jitter, got, tt.want)
		}
	}
}

func TestHerald(t *testing.T) {
	var h mqtt.Herald
	now := time.Now()
	var said []string
	for minute := range 200 {
		if times, say := h.Due("a", now.Add(time.Duration(minute)*time.Minute)); say {
			said = append(said, fmt.Sprintf("minute %d: %d times", minute, times))
		}
	}
	want := []string{
		"minute 0: 1 times", "minute 1: 2 times", "minute 3: 4 times", "minute 7: 8 times", "minute 15: 16 times",
		"minute 31: 32 times", "minute 63: 64 times", "minute 123: 124 times", "minute 183: 184 times",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if _, say := h.Due("b", now); !say {
		t.Error("something new is not said")
	}
	h.Forget()
	if times, say := h.Due("a", now); !say || times != 1 {
		t.Error("what was forgotten is not new")
	}
}
