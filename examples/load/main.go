// Load measures what it costs the bridge to bring events to many sessions, beside peers that do the same work and the limit
// of the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
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
	rounds   int
	broker   string
	journal  string
	sidecar  string
	profile  string
	timeout  time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "load:", err)
		}
		stop()
		os.Exit(1)
	}
}

// run does what the arguments ask for and writes tables to stdout, and what it is at to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done after %v (-timeout)", o.timeout))
	defer cancel()
	b := &bench{options: o}
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
	names := []string{"bridge"}
	results := map[string][]result{}
	for range o.rounds {
		for _, name := range names {
			r, err := b.measure(ctx, name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			results[name] = append(results[name], r)
		}
	}
	writeResults(stdout, names, results)
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
	f.IntVar(&o.rounds, "rounds", 1, "how often everything is measured; the tables have medians")
	f.StringVar(&o.broker, "broker", "mosquitto", "what is in front of the bridge: mosquitto, or embedded in this program")
	f.StringVar(&o.journal, "journal", "memory", "the bridge's journal: memory or disk")
	f.StringVar(&o.sidecar, "sidecar", "", "the bridge's binary; built when not given")
	f.StringVar(&o.profile, "profile", "", "file for a CPU profile of the bridge by Linux's perf")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "when to give up")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.distinct = *ids == "distinct"
	return o, nil
}

// mostSessions is how many sessions are open at one time.
func (o *options) mostSessions() int { return o.sessions }

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
