package mapping_test

import (
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// maxCost is how much of the yardstick's time the work on one event may take: twice to eight times
// is what work costs that is charged, and what is not charged costs a hundred times as much.
const maxCost = 24

// A used is what something has cost.
type used struct {
	cpu   time.Duration // of the process, which passes no faster on a busy machine
	bytes uint64        // allocated in all
}

// cost runs f and returns what that has cost.
func cost(f func()) used {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := cpuTime()
	f()
	cpu := cpuTime() - began
	runtime.ReadMemStats(&after)
	return used{cpu, after.TotalAlloc - before.TotalAlloc}
}

func (u used) check(t *testing.T, maxBytes uint64) {
	t.Helper()
	if most := maxCost * yardstick(); u.cpu > most || u.bytes > maxBytes {
		t.Errorf("took %v of CPU time and %d MiB, want at most %v and %d MiB", u.cpu, u.bytes>>20, most, maxBytes>>20)
	}
}

// yardstick is the CPU time of a regular expression on 1 MiB: half of the costliest work that a
// rule may do on one event. It is longer on a slow machine and under the race detector, as that is.
var yardstick = sync.OnceValue(func() time.Duration {
	pattern, text := regexp.MustCompile("(a+)+b"), strings.Repeat("a", 1<<20)
	return cost(func() { pattern.MatchString(text) }).cpu
})

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
