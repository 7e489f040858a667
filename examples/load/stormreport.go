//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// medianStorm returns the median of each figure; what must not happen at all is added up, and so
// are the ends.
func medianStorm(rounds []stormResult) (m stormResult) {
	m.ends = map[string]int{}
	m.restart = middle(rounds, func(r stormResult) time.Duration { return r.restart })
	m.connects = middle(rounds, func(r stormResult) float64 { return r.connects })
	for i := range m.caughtUp {
		m.caughtUp[i] = middle(rounds, func(r stormResult) time.Duration { return r.caughtUp[i] })
	}
	m.live = middle(rounds, func(r stormResult) time.Duration { return r.live })
	m.server.cpu = middle(rounds, func(r stormResult) time.Duration { return r.server.cpu })
	m.server.peak = middle(rounds, func(r stormResult) int64 { return r.server.peak })
	for _, r := range rounds {
		m.cut += r.cut
		m.lost += r.lost
		m.duplicates += r.duplicates
		m.disorder += r.disorder
		m.deaf += r.deaf
		for cause, n := range r.ends {
			m.ends[cause] += n
		}
	}
	return m
}

// writeStorms writes a table of the results, by the percentage of sessions that do not read, of
// which the first is 0; they were watched for so long.
func writeStorms(w io.Writer, l load, shares []float64, results [][]stormResult, deafFor time.Duration) {
	g := grid{{count(l.sessions, "session"), "all live", "p50", "p99", "connects/s", "CPU s", "peak MiB", "cut", "lost", "twice", "disorder", "restart"}}
	for i, share := range shares {
		r := medianStorm(results[i])
		g.add(stormName(share), milliseconds(r.live), milliseconds(r.caughtUp[0]), milliseconds(r.caughtUp[1]), fmt.Sprintf("%.0f", r.connects),
			fmt.Sprintf("%.2f", r.server.cpu.Seconds()), mebibytes(r.server.peak), strconv.Itoa(r.cut), strconv.Itoa(r.lost), strconv.Itoa(r.duplicates),
			strconv.Itoa(r.disorder), milliseconds(r.restart))
	}
	g.write(w)
	for i, share := range shares[1:] {
		all, some := medianStorm(results[0]), medianStorm(results[i+1])
		g := grid{{stormName(share) + " to", "all live", "p50", "p99", "connects/s", "CPU", "peak"}}
		g.add(stormName(0), ratio(some.live, all.live), ratio(some.caughtUp[0], all.caughtUp[0]), ratio(some.caughtUp[1], all.caughtUp[1]),
			ratio(some.connects, all.connects), ratio(some.server.cpu, all.server.cpu), ratio(some.server.peak, all.server.peak))
		fmt.Fprintln(w)
		g.write(w)
		fmt.Fprintf(w, "\nof %d that do not read: %s\n", some.deaf, some.fates(deafFor))
	}
}

func stormName(notReading float64) string {
	if notReading == 0 {
		return "all read"
	}
	return fmt.Sprintf("%g%% do not", notReading)
}

// fates says what became of the sessions that do not read.
func (r *stormResult) fates(deafFor time.Duration) string {
	open := r.deaf
	var said []string
	for _, cause := range slices.Sorted(maps.Keys(r.ends)) {
		said = append(said, fmt.Sprintf("%d ended by %q", r.ends[cause], cause))
		open -= r.ends[cause]
	}
	if open > 0 {
		said = append(said, fmt.Sprintf("%d still open after %v", open, deafFor))
	}
	return strings.Join(said, ", ")
}
