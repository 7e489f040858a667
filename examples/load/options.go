//go:build linux

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	loads      []load // one run for each
	warm       int
	rate       float64
	inFlight   int
	qos        int
	size       int
	distinct   bool
	subjects   []string // the bridge, then its peers
	idle       []int    // rising
	settle     time.Duration
	idleFor    time.Duration
	storm      os.Signal // that the bridge is ended by; nil: no storm
	notReading float64   // the percentage of sessions
	deafFor    time.Duration
	attacks    float64 // a second
	rounds     int
	turns      int // of each subject, all being there at once; 0: one subject at a time
	broker     string
	noDelay    bool
	tls        bool
	pin        bool
	heartBeat  time.Duration
	journal    string
	sidecar    string
	profile    string
	timeout    time.Duration
	tables     bool
}

// A load is how much work a run is.
type load struct{ sessions, events int }

// parseOptions reads the arguments; what is wrong with them it says to stderr, or returns.
func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(stderr)
	sessions := f.String("sessions", "", "number of sessions; several numbers with commas give one run each (default 1000, with -storm 10000)")
	events := f.String("events", "", "events that are published and measured, or missed in a -storm; one number, or one for each number of -sessions\n(default 1000, with -storm 200)")
	f.IntVar(&o.warm, "warm", 100, "warm-up events before these, not measured")
	f.Float64Var(&o.rate, "rate", 0, "events per second, 1 or more; 0: as fast as -inflight allows")
	f.IntVar(&o.inFlight, "inflight", 64, "events in flight at one time; 1: publish the next one when every session has the last")
	f.IntVar(&o.qos, "qos", 1, "quality of service, 0 or 1")
	f.IntVar(&o.size, "size", 100, "size of an event's content in bytes; the frame has 416 more")
	ids := f.String("ids", "shared", "subscription ids: shared by all sessions, or distinct")
	peers := f.String("peer", "", "peers that do the same work: "+strings.Join(peerNames(), ", ")+", or all; with commas")
	idle := f.String("idle", "", "measure sessions that get nothing, with these numbers of sessions, such as 1000,5000,10000")
	f.DurationVar(&o.settle, "settle", 5*time.Second, "pause before idle sessions are measured")
	f.DurationVar(&o.idleFor, "idle-for", 30*time.Second, "how long idle sessions are measured; heart-beats come every 30 s")
	storm := f.String("storm", "", "restart the bridge with term (SIGTERM) or kill (SIGKILL) while all sessions are connected, and let them resume all at once")
	f.Float64Var(&o.notReading, "not-reading", 0, "percentage of sessions that reconnect in a -storm and read nothing; measured in turns with a storm without them")
	f.DurationVar(&o.deafFor, "not-reading-for", 15*time.Second, "longest time to watch these sessions; the bridge gives a write 10 s")
	f.Float64Var(&o.attacks, "attacks", 167, "connections with a bad token per second to the peer bridge-attacked")
	f.BoolVar(&o.tables, "tables", false, "run a fixed list of command lines and sum them up; takes only -rounds, -sidecar and -timeout beside it")
	f.IntVar(&o.rounds, "rounds", 0, "number of times that everything is measured; the tables show medians (default 1, with -tables 3)")
	f.IntVar(&o.turns, "alternate", 0, "start all servers at once and bring -events to each in turn, this number of times: for small differences")
	f.StringVar(&o.broker, "broker", "mosquitto", "broker in front of the bridge: mosquitto, or embedded (in this program)")
	f.BoolVar(&o.noDelay, "nodelay", true, "let mosquitto set TCP_NODELAY, which is not its default")
	f.BoolVar(&o.tls, "tls", false, "sessions of the bridge and the loops use TLS")
	f.BoolVar(&o.pin, "pin", false, "run each measured server on one core alone, the last one")
	f.DurationVar(&o.heartBeat, "heart-beat", 30*time.Second, "how often sessions and server send heart-beats; with 1h there are next to none")
	f.StringVar(&o.journal, "journal", "", "the bridge's journal: memory, disk, or nats for three bridges that share one on NATS JetStream (default memory, with -storm disk)")
	f.StringVar(&o.sidecar, "sidecar", "", "binary of the bridge; built if not given")
	f.StringVar(&o.profile, "profile", "", "file for a CPU profile of the bridge, made with Linux's perf")
	f.DurationVar(&o.timeout, "timeout", 0, "when to give up, for all runs together but not what is built before (default 5m, with -tables 10m)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.tables {
		return o.completeTables(f)
	}
	o.rounds = cmp.Or(o.rounds, 1)
	o.timeout = cmp.Or(o.timeout, 5*time.Minute)
	o.distinct = *ids == "distinct"
	if o.idle, err = parseRising(*idle); err != nil {
		return o, fmt.Errorf("-idle %q: %w", *idle, err)
	}
	if o.storm, err = parseStorm(*storm); err != nil {
		return o, err
	}
	if o.loads, err = o.parseLoads(*sessions, *events); err != nil {
		return o, err
	}
	if o.subjects, err = parsePeers(*peers); err != nil {
		return o, err
	}
	if o.journal == "" {
		o.journal = o.usual("memory", "disk")
	}
	return o, cmp.Or(o.check(*ids), o.checkTLS(), o.checkStorm())
}

// usual returns the default of what differs in a storm.
func (o *options) usual(otherwise, storm string) string {
	if o.storm != nil {
		return storm
	}
	return otherwise
}

// check refuses what makes no sense.
func (o *options) check(ids string) error {
	switch {
	case o.mostSessions() > maxSessions:
		return fmt.Errorf("from 1 to %d sessions", maxSessions)
	case o.warm < 0 || slices.ContainsFunc(o.loads, func(l load) bool { return l.events*max(1, o.turns)+o.warm >= maxEvents }):
		return fmt.Errorf("from 1 to %d events, those for warming up included", maxEvents-1)
	case o.rate < 0 || o.rate > 0 && o.rate < 1 || o.attacks <= 0 || o.inFlight < 1 || o.rounds < 1 || o.size < 0 || o.size > maxSize || o.settle <= 0 || o.idleFor <= 0:
		return errors.New("-rate, -attacks, -inflight, -rounds, -size, -settle or -idle-for is out of its range")
	case o.heartBeat < time.Second || o.heartBeat > time.Hour:
		return fmt.Errorf("-heart-beat %v: from 1s to 1h", o.heartBeat)
	case o.qos != 0 && o.qos != 1:
		return fmt.Errorf("-qos %d: 0 or 1", o.qos)
	case o.turns < 0 || o.turns > 0 && (len(o.idle) > 0 || o.storm != nil || o.profile != ""):
		return errors.New("-alternate is 1 or more, and cannot be combined with -idle, -storm and -profile")
	case ids != "shared" && ids != "distinct":
		return fmt.Errorf("-ids %q: shared or distinct", ids)
	case o.broker != "mosquitto" && o.broker != "embedded":
		return fmt.Errorf("-broker %q: mosquitto or embedded", o.broker)
	case !slices.Contains([]string{"memory", "disk", "nats"}, o.journal):
		return fmt.Errorf("-journal %q: memory, disk or nats", o.journal)
	}
	return nil
}

// checkTLS refuses peers that would go without.
func (o *options) checkTLS() error {
	for _, name := range o.subjects {
		if o.tls && !strings.HasPrefix(name, "bridge") && name != "replicas" && !strings.HasPrefix(name, "loop") {
			return fmt.Errorf("-tls is for the bridge and the loops, not for %s", name)
		}
	}
	return nil
}

// checkStorm refuses what a storm cannot have, and what only a storm can.
func (o *options) checkStorm() error {
	switch {
	case o.storm == nil && o.notReading != 0:
		return errors.New("-not-reading is for a -storm")
	case o.storm == nil:
		return nil
	case o.notReading < 0 || o.notReading > 50:
		return errors.New("-not-reading is a percentage from 0 to 50")
	case o.qos != 1 || o.journal == "memory" || o.warm < 1:
		return errors.New("-storm needs -qos 1, -journal disk or nats, and a -warm of 1 or more; otherwise there is nothing to resume from")
	case o.broker != "mosquitto":
		return errors.New("-storm needs -broker mosquitto: the embedded broker mixes up the events that it keeps for a bridge that is away")
	case len(o.subjects) > 1 || len(o.idle) > 0 || o.rate > 0 || o.profile != "":
		return errors.New("-storm cannot be combined with -peer, -idle, -rate and -profile")
	}
	return nil
}

// parseStorm returns the signal.
func parseStorm(name string) (os.Signal, error) {
	switch name {
	case "":
		return nil, nil
	case "term":
		return syscall.SIGTERM, nil
	case "kill":
		return syscall.SIGKILL, nil
	}
	return nil, fmt.Errorf("-storm %q: term or kill", name)
}

// parseLoads returns a load for each number of sessions; events are as many numbers, or one for
// all.
func (o *options) parseLoads(sessions, events string) ([]load, error) {
	n, err := parseRising(cmp.Or(sessions, o.usual("1000", "10000")))
	if err != nil {
		return nil, fmt.Errorf("-sessions %q: %w", sessions, err)
	}
	m, err := parseCounts(cmp.Or(events, o.usual("1000", "200")))
	if err == nil && len(m) != 1 && len(m) != len(n) {
		err = errors.New("want one number, or one for each of -sessions")
	}
	if err != nil {
		return nil, fmt.Errorf("-events %q: %w", events, err)
	}
	loads := make([]load, len(n))
	for i := range loads {
		loads[i] = load{n[i], m[min(i, len(m)-1)]}
	}
	return loads, nil
}

// peerNames are the subjects beside the bridge.
func peerNames() []string {
	names := slices.Sorted(maps.Keys(subjects))
	return slices.DeleteFunc(names, func(n string) bool { return n == "bridge" })
}

// apart are peers that are not in "all": the bridge or a loop in another shape.
var apart = []string{"bridge-attacked", "bridge-untrailed", "bridge-watched", "loop-deflate", "replicas"}

// parsePeers returns the bridge and the named peers.
func parsePeers(list string) ([]string, error) {
	names := []string{"bridge"}
	switch list {
	case "":
		return names, nil
	case "all": // other servers
		return append(names, slices.DeleteFunc(peerNames(), func(n string) bool { return slices.Contains(apart, n) })...), nil
	}
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(peerNames(), name) {
			return nil, fmt.Errorf("-peer %q: one of %s", name, strings.Join(peerNames(), ", "))
		}
		names = append(names, name)
	}
	return names, nil
}

// parseCounts returns numbers from 1 on; of an empty list none.
func parseCounts(list string) (counts []int, err error) {
	if list == "" {
		return nil, nil
	}
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, errors.New("want numbers from 1 on, with commas")
		}
		counts = append(counts, n)
	}
	return counts, nil
}

// parseRising returns numbers each above the one before.
func parseRising(list string) ([]int, error) {
	counts, err := parseCounts(list)
	for i := range counts {
		if i > 0 && counts[i] <= counts[i-1] {
			return nil, errors.New("want rising numbers with commas")
		}
	}
	return counts, err
}

// mostSessions is how many sessions are open at one time.
func (o *options) mostSessions() int {
	if len(o.idle) > 0 {
		return o.idle[len(o.idle)-1]
	}
	return o.loads[len(o.loads)-1].sessions
}
