//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// median returns the median of each figure; what must not happen at all is added up.
func median(rounds []result) (m result) {
	m.connects = middle(rounds, func(r result) float64 { return r.connects })
	m.deliveries = middle(rounds, func(r result) float64 { return r.deliveries })
	m.bytes = middle(rounds, func(r result) float64 { return r.bytes })
	for i := range m.latency {
		m.latency[i] = middle(rounds, func(r result) time.Duration { return r.latency[i] })
	}
	m.server.cpu = middle(rounds, func(r result) time.Duration { return r.server.cpu })
	m.server.memory = middle(rounds, func(r result) int64 { return r.server.memory })
	m.broker = middle(rounds, func(r result) time.Duration { return r.broker })
	for _, r := range rounds {
		m.lost += r.lost
		m.duplicates += r.duplicates
		m.disorder += r.disorder
		m.unacked += r.unacked
	}
	return m
}

func middle[R any, T cmp.Ordered](rounds []R, figure func(R) T) T {
	all := make([]T, len(rounds))
	for i, r := range rounds {
		all[i] = figure(r)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// writeResults writes a table of the results, in the order of names.
func writeResults(w io.Writer, l load, names []string, results map[string]result) {
	g := grid{{count(l.sessions, "session"), "deliveries/s", "CPU s/M", "broker s/M", "bytes", "p50", "p90", "p99", "p99.9",
		"lost", "twice", "disorder", "unacked", "MiB", "connects/s"}}
	for _, name := range names {
		r := results[name]
		row := []string{name, fmt.Sprintf("%.0f", r.deliveries), figure(r.server.cpu.Seconds()), figure(r.broker.Seconds()), fmt.Sprintf("%.0f", r.bytes)}
		for _, d := range r.latency {
			row = append(row, milliseconds(d))
		}
		for _, n := range []int{r.lost, r.duplicates, r.disorder, r.unacked} {
			row = append(row, strconv.Itoa(n))
		}
		g.add(append(row, mebibytes(r.server.memory), fmt.Sprintf("%.0f", r.connects))...)
	}
	g.write(w)
	writeRatios(w, l, names, results)
}

// figure returns a figure, or a dash where there is none.
func figure(f float64) string {
	if f == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", f)
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// writeRatios writes what the first subject has for each one of the others; with one session also
// for its broker, which has done about as much.
func writeRatios(w io.Writer, l load, names []string, results map[string]result) {
	own := results[names[0]]
	besideBroker := l.sessions == 1 && own.broker > 0
	if len(names) < 2 && !besideBroker {
		return
	}
	g := grid{{names[0] + " to", "deliveries/s", "CPU", "p50", "p99", "memory", "connects/s"}}
	for _, name := range names[1:] {
		r := results[name]
		g.add(name, ratio(own.deliveries, r.deliveries), ratio(own.server.cpu, r.server.cpu), ratio(own.latency[0], r.latency[0]),
			ratio(own.latency[2], r.latency[2]), ratio(own.server.memory, r.server.memory), ratio(own.connects, r.connects))
	}
	if besideBroker {
		g.add(inFront, "", ratio(own.server.cpu, own.broker))
	}
	fmt.Fprintln(w)
	g.write(w)
}

func ratio[T int64 | float64 | time.Duration](a, b T) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fx", float64(a)/float64(b))
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2fms", d.Seconds()*1e3) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
