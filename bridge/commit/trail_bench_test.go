//go:build linux

package commit_test

import (
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// What a trail costs an event, which is shared by all of its deliveries, and what it costs while
// somebody watches: the CPU time of the same events without a trail, with one and with one that is
// watched, in turns, since whatever else the machine does disturbs the three alike.
func BenchmarkTrail(b *testing.B) {
	const events = 10_000 // of a turn
	watched := commit.NewTrail(12 << 20)
	defer watched.Watch()()
	trails := []*commit.Trail{nil, commit.NewTrail(12 << 20), watched}
	var flows []*flow
	for _, t := range trails {
		flows = append(flows, newFlowWith(b, journal.NewMemory(journal.MemoryOptions{}), rules, t))
	}
	took := make([]time.Duration, len(flows))
	turns := 0
	for b.Loop() {
		turns++
		for i, f := range flows {
			before := cpuTime(b)
			for range events {
				f.events <- &mqtt.Event{Topic: "t", Payload: []byte("7"), Received: time.Now()}
			}
			for f.Counts().Events < int64(turns*events) {
				time.Sleep(100 * time.Microsecond)
			}
			took[i] += cpuTime(b) - before
		}
	}
	for i, name := range []string{"without", "with", "watched"} {
		b.ReportMetric(float64(took[i].Nanoseconds())/float64(turns*events), name+"-ns/event")
		flows[i].end(b)
	}
}

// cpuTime returns the CPU time that this process has taken.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
