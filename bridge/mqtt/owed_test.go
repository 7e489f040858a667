package mqtt_test

import (
	"testing"
	"testing/synctest"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// A disconnect waits for as many acknowledgements as may be sent: the longest acknowledged run of
// events, and not one more.
func TestDisconnectWaitsForAcknowledgements(t *testing.T) {
	tests := []struct {
		name string
		ack  []uint64 // of the events 1 to 4
		due  int
	}{
		{"none", nil, 0},
		{"a prefix", []uint64{1, 2}, 2},
		{"a prefix out of order", []uint64{2, 1}, 2},
		{"with a gap", []uint64{1, 3, 4}, 1},
		{"not the first", []uint64{2, 3, 4}, 0},
		{"all, backwards", []uint64{4, 3, 2, 1}, 4},
		{"one twice", []uint64{1, 1, 2, 1}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := mqtt.NewOwed(4)
				for _, n := range tt.ack {
					o.Acknowledged(n)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					o.AwaitSent(t.Context())
				}()
				over := func() bool {
					synctest.Wait()
					select {
					case <-done:
						return true
					default:
						return false
					}
				}
				for sent := range tt.due {
					if over() {
						t.Fatalf("the wait is over after %d, want %d", sent, tt.due)
					}
					o.Sent()
				}
				if !over() {
					t.Errorf("the wait goes on after %d", tt.due)
				}
			})
		})
	}
}
