// Load measures what it costs the bridge to bring events to many sessions, beside peers that do the same work and the limit
// of the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var inner *exec.ExitError // the program that ran in its own network has said it
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case !errors.As(err, &inner):
		fmt.Fprintln(os.Stderr, "load:", err)
	}
	os.Exit(1)
}

// run does what the arguments ask for and writes tables to stdout, and what it leaves out to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if mode := os.Getenv(loopMode); mode != "" {
		return runLoop(ctx, mode == "batched")
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if slices.Contains(o.subjects, "mosquitto-ws") && !inPrivateNetwork() && canGoPrivate() {
		return runPrivately(ctx, args, stdout, stderr)
	}
	if inPrivateNetwork() {
		if err := raiseLoopback(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done after %v (-timeout)", o.timeout))
	defer cancel()
	b := &bench{options: o, stderr: stderr}
	if err := raiseFileLimit(uint64(b.mostSessions()) + 1000); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "load-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if len(b.idle) > 0 {
		return b.runIdle(ctx, stdout)
	}
	return b.runEvents(ctx, stdout)
}

// runEvents measures every subject in turn, once a round, so that all rounds see the same machine.
func (b *bench) runEvents(ctx context.Context, stdout io.Writer) error {
	results := map[string][]result{}
	names := slices.Clone(b.subjects)
	for range b.rounds {
		for _, name := range slices.Clone(names) {
			r, err := b.measure(ctx, name)
			switch absent := (errAbsent{}); {
			case errors.As(err, &absent):
				fmt.Fprintf(b.stderr, "%s is left out: %v\n", name, err)
				names = slices.DeleteFunc(names, func(n string) bool { return n == name })
				continue
			case err != nil:
				return fmt.Errorf("%s: %w", name, err)
			}
			results[name] = append(results[name], r)
		}
	}
	writeResults(stdout, names, results)
	return nil
}

// runIdle measures what sessions cost that get nothing.
func (b *bench) runIdle(ctx context.Context, stdout io.Writer) error {
	steps := map[string][]idleStep{}
	for _, name := range b.subjects {
		var err error
		steps[name], err = b.measureIdle(ctx, name)
		switch absent := (errAbsent{}); {
		case errors.As(err, &absent):
			fmt.Fprintf(b.stderr, "%s is left out: %v\n", name, err)
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	writeIdle(stdout, b.subjects, steps)
	return nil
}

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.sessions, "sessions", 1000, "sessions that subscribe")
	f.IntVar(&o.events, "events", 1000, "events that are published and measured")
	f.IntVar(&o.warm, "warm", 100, "events before them, not measured")
	f.Float64Var(&o.rate, "rate", 0, "events a second; 0: as fast as -inflight lets them")
	f.IntVar(&o.inFlight, "inflight", 64, "events under way at one time; 1: the next one when every session has the last")
	f.IntVar(&o.qos, "qos", 1, "quality of service, 0 or 1")
	f.IntVar(&o.size, "size", 100, "bytes of an event's content; the frame has 370 more")
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
	case o.rate < 0 || o.inFlight < 1 || o.rounds < 1 || o.size < 0 || o.size > maxSize || o.settle <= 0:
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

// prepare makes what all subjects need.
func (b *bench) prepare(ctx context.Context) error {
	b.secret = newSecret()
	b.tokens = auth.JWTConfig{Secrets: [][]byte{[]byte(b.secret)}}
	if b.sidecar != "" {
		return nil
	}
	b.sidecar = filepath.Join(b.dir, "mqtt-stomp-bridge")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", b.sidecar, "mqtt-stomp-bridge/plugin/sidecar").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the bridge: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
