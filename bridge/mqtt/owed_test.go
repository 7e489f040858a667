package mqtt_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// What may be sent, and a disconnect waits for, is the longest acknowledged run of events.
func TestDisconnectWaitsForAcknowledgements(t *testing.T) {
	tests := []struct {
		name string
		ack  []uint64 // of the events 1 to 4
		due  []byte   // packet identifiers
	}{
		{"none", nil, nil},
		{"a prefix", []uint64{1, 2}, []byte{1, 2}},
		{"a prefix out of order", []uint64{2, 1}, []byte{1, 2}},
		{"with a gap", []uint64{1, 3, 4}, []byte{1}},
		{"not the first", []uint64{2, 3, 4}, nil},
		{"all, backwards", []uint64{4, 3, 2, 1}, []byte{1, 2, 3, 4}},
		{"one twice", []uint64{1, 1, 2, 1}, []byte{1, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := mqtt.NewOwed()
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
				if over() != (len(tt.due) == 0) {
					t.Fatal("the wait does not depend on what is due")
				}
				var want []byte
				for _, id := range tt.due {
					want = append(want, 0x40, 2, 0, id)
				}
				if diff := cmp.Diff(want, append([]byte(nil), o.Take()...)); diff != "" {
					t.Errorf("due (-want +got):\n%s", diff)
				}
				if len(tt.due) > 0 && over() {
					t.Fatal("the wait is over before it is sent")
				}
				o.Sent()
				if !over() {
					t.Error("the wait goes on when all is sent")
				}
			})
		})
	}
}
