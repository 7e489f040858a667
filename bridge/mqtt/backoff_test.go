package mqtt_test

import (
	"testing"
	"time"

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
