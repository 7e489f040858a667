//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A table is one command line of those that -tables runs, and the peer that is its limit: no server
// can take less.
type table struct{ title, args, limit string }

// tables take less than ten minutes on two cores that have nothing else to do.
var tables = []table{
	{"flat out", "-pin -qos 0 -sessions 100,1000 -events 8000,1000 -peer loop-batched,nats,centrifuge,mosquitto-ws", "loop-batched"},
	{"one at a time", "-pin -qos 0 -inflight 1 -sessions 100,1000 -events 2000,300 -warm 20 -peer loop,nats,centrifuge,mosquitto-ws", "loop"},
	{"one to one, QoS 0", "-pin -qos 0 -sessions 1 -events 30000 -warm 3000", inFront},
	{"one to one, QoS 1, journal on disk, 10,000/s", "-pin -journal disk -rate 10000 -sessions 1 -events 30000 -warm 3000", inFront},
	{"TLS, flat out", "-pin -tls -qos 0 -sessions 1000 -events 1000 -peer loop-batched", "loop-batched"},
	{"TLS, one at a time", "-pin -tls -qos 0 -inflight 1 -sessions 1000 -events 200 -warm 20 -peer loop", "loop"},
	{"compression, flat out", "-pin -qos 0 -sessions 1000 -events 2000 -peer loop-batched,loop-deflate", "loop-batched"},
	{"compression, one at a time", "-pin -qos 0 -inflight 1 -sessions 1000 -events 200 -warm 20 -peer loop-batched,loop-deflate", "loop-batched"},
	{"idle, without heart-beats", "-pin -idle 1000 -heart-beat 1h -settle 3s -idle-for 10s -peer loop", ""},
	{"idle with TLS, without heart-beats", "-pin -tls -idle 1000 -heart-beat 1h -settle 3s -idle-for 10s -peer loop", ""},
}

// inFront stands for the mosquitto in front of the bridge.
const inFront = "mosquitto in front"

// tableSubjects are those of the summary, beside the limit.
var tableSubjects = []string{"bridge", "nats", "centrifuge", "mosquitto-ws"}

// completeTables returns the options of all tables together. Where other flags than a few are given,
// they would mean nothing.
func (o options) completeTables(f *flag.FlagSet) (options, error) {
	var err error
	f.Visit(func(given *flag.Flag) {
		if !slices.Contains([]string{"tables", "rounds", "sidecar", "timeout"}, given.Name) {
			err = errors.Join(err, fmt.Errorf("-tables cannot be combined with -%s", given.Name))
		}
	})
	o.rounds, o.timeout = cmp.Or(o.rounds, 3), cmp.Or(o.timeout, 10*time.Minute)
	for _, t := range tables {
		own, tableErr := o.of(t)
		err = cmp.Or(err, tableErr)
		o.subjects = append(o.subjects, own.subjects...)
		o.loads = append(o.loads, own.loads...)
	}
	slices.Sort(o.subjects)
	o.subjects = slices.Compact(o.subjects)
	slices.SortFunc(o.loads, func(x, y load) int { return cmp.Compare(x.sessions, y.sessions) }) // the last is the largest
	return o, err
}

// of returns the options of a table, with what was said beside -tables.
func (o options) of(t table) (options, error) {
	own, err := parseOptions(append(strings.Fields(t.args), "-rounds", strconv.Itoa(o.rounds)), io.Discard)
	own.sidecar, own.timeout = o.sidecar, o.timeout
	return own, err
}

// runTables runs all tables and then sums them up, also where the bridge has broken a promise. Where
// one cannot be run, it sums up those before.
func (b *bench) runTables(ctx context.Context, stdout io.Writer) error {
	var faults error
	sums := newSummary()
	for _, t := range tables {
		fmt.Fprintf(stdout, "### %s%s\n\n`go run . -rounds %d %s`\n\n", strings.ToUpper(t.title[:1]), t.title[1:], b.rounds, t.args)
		measured, err := b.runTable(ctx, t, stdout)
		for _, m := range measured {
			sums.add(t, m)
		}
		if err != nil {
			faults = cmp.Or(faults, fmt.Errorf("%s: %w", t.title, err))
		}
		if fault := (errBroken{}); err != nil && !errors.As(err, &fault) {
			break
		}
		fmt.Fprintln(stdout)
	}
	sums.write(stdout)
	return faults
}

// runTable runs one table in a bench of its own.
func (b *bench) runTable(ctx context.Context, t table, stdout io.Writer) ([]measured, error) {
	own := &bench{stderr: b.stderr, dir: b.dir, programs: b.programs}
	var err error
	if own.options, err = b.of(t); err != nil {
		return nil, err
	}
	err = own.run(ctx, stdout)
	return own.measured, err
}

// A summary has what all tables say of CPU. newSummary makes one.
type summary struct {
	servers     grid
	compression grid // what it takes and saves
}

func newSummary() *summary {
	return &summary{
		servers:     grid{slices.Concat([]string{"CPU s/M", "limit"}, tableSubjects, []string{"bridge to limit", "to nats", "to centrifuge"})},
		compression: grid{{"loop-deflate to loop-batched", "bytes", "CPU"}},
	}
}

// add adds a row for one load of a table.
func (s *summary) add(t table, m measured) {
	what := fmt.Sprintf("%s, to %s", t.title, count(m.sessions, "session"))
	if deflated, found := m.results["loop-deflate"]; found {
		plain := m.results["loop-batched"]
		s.compression.add(what, ratio(deflated.bytes, plain.bytes), ratio(deflated.server.cpu, plain.server.cpu))
		return
	}
	cpu := map[string]float64{inFront: m.results["bridge"].broker.Seconds()}
	for name, r := range m.results {
		cpu[name] = r.server.cpu.Seconds()
	}
	row := []string{what, figure(cpu[t.limit])}
	for _, name := range tableSubjects {
		row = append(row, figure(cpu[name]))
	}
	for _, name := range []string{t.limit, "nats", "centrifuge"} {
		row = append(row, ratio(cpu["bridge"], cpu[name]))
	}
	s.servers.add(row...)
}

func (s *summary) write(w io.Writer) {
	fmt.Fprint(w, "### Summary\n\n")
	s.servers.write(w)
	fmt.Fprintln(w)
	s.compression.write(w)
}
