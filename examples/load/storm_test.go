//go:build linux

package main

import (
	"bytes"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// All sessions come back after the bridge was ended either way, some of them deaf, and none misses
// or repeats anything.
func TestStorm(t *testing.T) {
	for _, tt := range []struct {
		name    string
		signal  syscall.Signal
		journal string
		tls     bool
	}{
		{"term", syscall.SIGTERM, "disk", false},
		{"kill", syscall.SIGKILL, "disk", false},
		{"kill of all replicas", syscall.SIGKILL, "nats", false},
		{"term, with TLS", syscall.SIGTERM, "disk", true}, // ending a session there was taken for a cut
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newTestBench(t)
			if b.tls = tt.tls; b.tls {
				if err := b.makeCertificate(); err != nil {
					t.Fatal(err)
				}
			}
			b.storm, b.journal, b.deafFor = tt.signal, tt.journal, time.Millisecond
			r, err := b.measureStorm(t.Context(), load{40, 30}, 10)
			skipAbsent(t, err)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.faults(); err != nil {
				t.Errorf("%v: %+v", err, r)
			}
			latest := r.live + r.live/32 // a quantile is known to a bucket of the histogram
			if r.deaf != 4 || r.connects == 0 || r.caughtUp[0] == 0 || r.caughtUp[1] > latest || r.server.cpu == 0 || r.server.peak == 0 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// A bridge that lost its journal says so, and then no session counts as come back.
func TestStormWithoutJournal(t *testing.T) {
	b := newTestBench(t)
	b.storm, b.journal = syscall.SIGKILL, "memory"
	r, err := b.measureStorm(t.Context(), load{5, 10}, 0)
	skipAbsent(t, err)
	if err != nil {
		t.Fatal(err)
	}
	if r.cut != 5 || r.faults() == nil {
		t.Errorf("got %+v, want 5 sessions cut", r)
	}
}

func TestParseEnds(t *testing.T) {
	ends, err := parseEnds(strings.NewReader(`# HELP mqtt_stomp_bridge_session_ends_total Sessions that have ended, by cause.
mqtt_stomp_bridge_session_ends_total{cause="write timeout"} 3
mqtt_stomp_bridge_session_ends_total{cause="too slow"} 1e+02
mqtt_stomp_bridge_sessions 7
`))
	if d := cmp.Diff(map[string]int{"write timeout": 3, "too slow": 100}, ends); d != "" || err != nil {
		t.Errorf("error %v, ends (-want +got):\n%s", err, d)
	}
	if _, err := parseEnds(strings.NewReader(`mqtt_stomp_bridge_session_ends_total{cause="x"} many`)); err == nil {
		t.Error("many: no error")
	}
}

func TestWriteStorms(t *testing.T) {
	read := stormResult{restart: 20 * time.Millisecond, connects: 5000, caughtUp: [2]time.Duration{time.Second, 2 * time.Second}, live: 3 * time.Second,
		server: usage{cpu: 2 * time.Second, peak: 100 << 20}}
	deaf := read
	deaf.live, deaf.cut, deaf.deaf, deaf.ends = 6*time.Second, 1, 10, map[string]int{"write timeout": 7}
	var out bytes.Buffer
	writeStorms(&out, load{1000, 100}, []float64{0, 1}, [][]stormResult{{read}, {deaf}}, 15*time.Second)
	want := `| 1000 sessions |  all live |       p50 |       p99 | connects/s | CPU s | peak MiB | cut | lost | twice | disorder | restart |
| ------------- | --------: | --------: | --------: | ---------: | ----: | -------: | --: | ---: | ----: | -------: | ------: |
| all read      | 3000.00ms | 1000.00ms | 2000.00ms |       5000 |  2.00 |    100.0 |   0 |    0 |     0 |        0 | 20.00ms |
| 1% do not     | 6000.00ms | 1000.00ms | 2000.00ms |       5000 |  2.00 |    100.0 |   1 |    0 |     0 |        0 | 20.00ms |

| 1% do not to | all live |   p50 |   p99 | connects/s |   CPU |  peak |
| ------------ | -------: | ----: | ----: | ---------: | ----: | ----: |
| all read     |    2.00x | 1.00x | 1.00x |      1.00x | 1.00x | 1.00x |

of 10 that do not read: 7 ended by "write timeout", 3 still open after 15s
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}

// Sessions that do not read are spread over all.
func TestComebackShare(t *testing.T) {
	b := newTestBench(t)
	s := &subject{target: b.targets(endpoint{})}
	sessions := make([]*session, 200)
	for i := range sessions {
		sessions[i] = &session{last: []byte("e-1")}
	}
	for deaf, want := range map[float64]map[int]bool{0: {}, 1: {99: true, 199: true}, 1.5: {66: true, 133: true, 199: true}} {
		c, err := newComeback(s, sessions, 10, deaf)
		if err != nil {
			t.Fatal(err)
		}
		got := map[int]bool{}
		for i, r := range c.returners {
			if r.deaf {
				got[i] = true
			}
		}
		if !maps.Equal(got, want) || c.readers != 200-len(want) {
			t.Errorf("%g%%: %v are deaf of all but %d readers, want %v", deaf, got, c.readers, want)
		}
	}
	if _, err := newComeback(s, []*session{{}}, 10, 0); err == nil {
		t.Error("no message-id: no error")
	}
}
