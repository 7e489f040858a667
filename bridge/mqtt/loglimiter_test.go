package mqtt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt"
)

func TestLogLimiter(t *testing.T) {
	var l mqtt.LogLimiter
	now := time.Now()
	var said []string
	for minute := range 200 {
		if times, say := l.Due("a", now.Add(time.Duration(minute)*time.Minute)); say {
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
	if _, say := l.Due("b", now); !say {
		t.Error("something new is not said")
	}
	l.Forget()
	if times, say := l.Due("a", now); !say || times != 1 {
		t.Error("what was forgotten is not new")
	}
}
