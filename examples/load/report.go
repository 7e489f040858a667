//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
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
func writeResults(w io.Writer, l load, names []string, results map[string][]result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\tdeliveries/s\tCPU s/M\tbroker s/M\tbytes\tp50\tp90\tp99\tp99.9\tlost\ttwice\tdisorder\tunacked\tMiB\tconnects/s\t\n", count(l.sessions, "session"))
	for _, name := range names {
		r := median(results[name])
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.2f\t%.0f\t", name, r.deliveries, r.server.cpu.Seconds(), r.broker.Seconds(), r.bytes)
		for _, d := range r.latency {
			fmt.Fprintf(t, "%s\t", milliseconds(d))
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%.1f\t%.0f\t\n", r.lost, r.duplicates, r.disorder, r.unacked, float64(r.server.memory)/(1<<20), r.connects)
	}
	t.Flush()
	writeRatios(w, l, names, results)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// writeRatios writes what the first subject has for each one of the others; with one session also
// for its broker, which has done about as much.
func writeRatios(w io.Writer, l load, names []string, results map[string][]result) {
	own := median(results[names[0]])
	besideBroker := l.sessions == 1 && own.broker > 0
	if len(names) < 2 && !besideBroker {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\n%s to\tdeliveries/s\tCPU\tp50\tp99\tmemory\tconnects/s\t\n", names[0])
	for _, name := range names[1:] {
		r := median(results[name])
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, ratio(own.deliveries, r.deliveries), ratio(own.server.cpu, r.server.cpu),
			ratio(own.latency[0], r.latency[0]), ratio(own.latency[2], r.latency[2]), ratio(own.server.memory, r.server.memory), ratio(own.connects, r.connects))
	}
	if besideBroker {
		fmt.Fprintf(t, "mosquitto in front of it\t\t%s\t\t\t\t\t\n", ratio(own.server.cpu, own.broker))
	}
	t.Flush()
}

func ratio[T int64 | float64 | time.Duration](a, b T) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fx", float64(a)/float64(b))
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2fms", d.Seconds()*1e3) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
