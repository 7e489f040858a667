package mqtt_test

import (
	"errors"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// A reading that somebody waits for begins at once, again after a pause when it failed. One that
// only makes sure, after a reconnect, begins a minute after the one before at the earliest, so that
// a connection that comes and goes does not have everything read each time.
func TestWhenRetainedAreRead(t *testing.T) {
	now := time.Unix(0, 0)
	r := mqtt.NewReadings("a")
	step := func(what string, err error, wantDue bool, wantWait time.Duration, wantReady bool) {
		t.Helper()
		due, wait := r.Try(now, err, 5*time.Second)
		if due != wantDue || wait != wantWait || r.Ready() != wantReady {
			t.Errorf("%s: due %v, wait %v, ready %v; want %v, %v, %v", what, due, wait, r.Ready(), wantDue, wantWait, wantReady)
		}
	}
	step("not connected yet", nil, false, 0, false)
	r.Ask(true)
	step("first connect", errors.New("refused"), true, 0, false)
	step("after a failure", nil, false, 5*time.Second, false)
	now = now.Add(5 * time.Second)
	step("after the pause", nil, true, 0, true)
	step("nothing to do", nil, false, 0, true)
	now = now.Add(10 * time.Second)
	r.Ask(false)
	step("reconnect with the session present", nil, false, 50*time.Second, true)
	r.Ask(true)
	step("reconnect without", nil, true, 0, true)
	r.Ask(false)
	now = now.Add(time.Minute)
	step("reconnect a minute later", nil, true, 0, true)
	step("all done", nil, false, 0, true)
}
