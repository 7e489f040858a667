package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	sessions int
	events   int
	warm     int
	rate     float64
	inFlight int
	qos      int
	size     int
	distinct bool
	subjects []string // the bridge, then its peers
	idle     []int    // rising
	settle   time.Duration
	rounds   int
	broker   string
	noDelay  bool
	journal  string
	sidecar  string
	profile  string
	timeout  time.Duration
}

// parseOptions reads the arguments; what is wrong with them it says to stderr, or returns.
func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.sessions, "sessions", 1000, "sessions that subscribe")
	f.IntVar(&o.events, "events", 1000, "events that are published and measured")
	f.IntVar(&o.warm, "warm", 100, "events before them, not measured")
	f.Float64Var(&o.rate, "rate", 0, "events a second, 1 or more; 0: as fast as -inflight lets them")
	f.IntVar(&o.inFlight, "inflight", 64, "events under way at one time; 1: the next one when every session has the last")
	f.IntVar(&o.qos, "qos", 1, "quality of service, 0 or 1")
	f.IntVar(&o.size, "size", 100, "bytes of an event's content; the frame has 416 more")
	ids := f.String("ids", "shared", "subscription ids: shared by all sessions, or distinct")
	peers := f.String("peer", "", "what does the same work: "+strings.Join(peerNames(), ", ")+", or all; with commas")
	idle := f.String("idle", "", "measure sessions that get nothing, at these numbers of them, such as 1000,5000,10000")
	f.DurationVar(&o.settle, "settle", 5*time.Second, "pause before idle sessions are looked at")
	f.IntVar(&o.rounds, "rounds", 1, "how often everything is measured; the tables have medians")
	f.StringVar(&o.broker, "broker", "mosquitto", "what is in front of the bridge: mosquitto, or embedded in this program")
	f.BoolVar(&o.noDelay, "nodelay", true, "have mosquitto set TCP_NODELAY, which is not its default")
	f.StringVar(&o.journal, "journal", "memory", "the bridge's journal: memory or disk")
	f.StringVar(&o.sidecar, "sidecar", "", "the bridge's binary; built when not given")
	f.StringVar(&o.profile, "profile", "", "file for a CPU profile of the bridge by Linux's perf")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "when to give up")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.distinct = *ids == "distinct"
	if o.idle, err = parseCounts(*idle); err != nil {
		return o, fmt.Errorf("-idle %q: %w", *idle, err)
	}
	if o.subjects, err = parsePeers(*peers); err != nil {
		return o, err
	}
	return o, o.check(*ids)
}

// check refuses what makes no sense.
func (o *options) check(ids string) error {
	switch {
	case o.sessions < 1 || o.mostSessions() > maxSessions:
		return fmt.Errorf("from 1 to %d sessions", maxSessions)
	case o.events < 1 || o.warm < 0 || o.events+o.warm > maxEvents:
		return fmt.Errorf("from 1 to %d events", maxEvents)
	case o.rate < 0 || o.rate > 0 && o.rate < 1 || o.inFlight < 1 || o.rounds < 1 || o.size < 0 || o.size > maxSize || o.settle <= 0:
		return errors.New("-rate, -inflight, -rounds, -size or -settle is out of its range")
	case o.qos != 0 && o.qos != 1:
		return fmt.Errorf("-qos %d: 0 or 1", o.qos)
	case ids != "shared" && ids != "distinct":
		return fmt.Errorf("-ids %q: shared or distinct", ids)
	case o.broker != "mosquitto" && o.broker != "embedded":
		return fmt.Errorf("-broker %q: mosquitto or embedded", o.broker)
	case o.journal != "memory" && o.journal != "disk":
		return fmt.Errorf("-journal %q: memory or disk", o.journal)
	}
	return nil
}

// peerNames are the subjects beside the bridge.
func peerNames() []string {
	names := slices.Sorted(maps.Keys(subjects))
	return slices.DeleteFunc(names, func(n string) bool { return n == "bridge" })
}

// parsePeers returns the bridge and the named peers.
func parsePeers(list string) ([]string, error) {
	names := []string{"bridge"}
	switch list {
	case "":
		return names, nil
	case "all":
		return append(names, peerNames()...), nil
	}
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(peerNames(), name) {
			return nil, fmt.Errorf("-peer %q: one of %s", name, strings.Join(peerNames(), ", "))
		}
		names = append(names, name)
	}
	return names, nil
}

// parseCounts returns rising numbers.
func parseCounts(list string) (counts []int, err error) {
	if list == "" {
		return nil, nil
	}
	last := 0
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n <= last {
			return nil, errors.New("want rising numbers with commas")
		}
		counts, last = append(counts, n), n
	}
	return counts, nil
}

// mostSessions is how many sessions are open at one time.
func (o *options) mostSessions() int { return max(o.sessions, slices.Max(append(o.idle, 0))) }
