//go:build linux

// Load measures what it costs the bridge to bring events to many sessions, beside peers that do the
// same work and the limit of the machine.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"mqtt-stomp-bridge/bridge/auth"
)

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

// run does what the arguments ask for and writes tables to stdout, and what it leaves out to
// stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if mode := os.Getenv(loopMode); mode != "" {
		return runLoop(ctx, mode)
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	b := &bench{options: o, stderr: stderr}
	if err := raiseFileLimit(uint64(b.mostSessions()) + 1000); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "load-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.programs = os.Getenv(privateNetwork); b.programs != "" {
		return cmp.Or(raiseLoopback(), b.run(ctx, stdout))
	}
	b.programs = b.dir
	if err := b.build(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(b.subjects, wantsPrivateNetwork) {
		err := runPrivately(ctx, b.programs, args, stdout, stderr)
		if !errors.Is(err, errNoPrivateNetwork) {
			return err
		}
	}
	return b.run(ctx, stdout)
}

// run measures what the options say, with what was built.
func (b *bench) run(ctx context.Context, stdout io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.timeout, fmt.Errorf("not done after %v (-timeout)", b.timeout))
	defer cancel()
	if err := b.prepare(); err != nil {
		return err
	}
	switch {
	case b.tables:
		return b.runTables(ctx, stdout)
	case len(b.idle) > 0:
		return b.runIdle(ctx, stdout)
	case b.turns > 0:
		return b.runAlternate(ctx, stdout)
	case b.storm != nil:
		return b.runStorm(ctx, stdout)
	}
	return b.runEvents(ctx, stdout)
}

// runEvents measures load after load.
func (b *bench) runEvents(ctx context.Context, stdout io.Writer) error {
	var faults error
	for i, l := range b.loads {
		results, err := b.measureAll(ctx, l)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		medians := map[string]result{}
		for name, rounds := range results {
			medians[name] = median(rounds)
		}
		b.measured = append(b.measured, measured{l, medians})
		writeResults(stdout, l, b.subjects, medians)
		faults = cmp.Or(faults, b.faults(medians["bridge"]))
	}
	return faults
}

// measureAll measures every subject in turn, once a round, so that all rounds see the same machine.
// It takes those that are absent out of the bench.
func (b *bench) measureAll(ctx context.Context, l load) (map[string][]result, error) {
	results := map[string][]result{}
	for range b.rounds {
		for _, name := range slices.Clone(b.subjects) {
			r, err := b.measure(ctx, name, l)
			switch absent := (errAbsent{}); {
			case errors.As(err, &absent) && name != "bridge":
				fmt.Fprintf(b.stderr, "%s is left out: %v\n", name, err)
				b.subjects = slices.DeleteFunc(b.subjects, func(n string) bool { return n == name })
				continue
			case err != nil:
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			results[name] = append(results[name], r)
		}
	}
	return results, nil
}

// errBroken is what a run ends with that has figures all the same.
type errBroken struct{}

func (errBroken) Error() string { return "the bridge has lost, repeated or reordered events" }

// faults says what the bridge has broken of its promises, of which QoS 0 has fewer.
func (b *bench) faults(r result) error {
	if b.qos == 1 && r.lost+r.unacked > 0 || r.duplicates+r.disorder > 0 {
		return errBroken{}
	}
	return nil
}

// runIdle measures what sessions cost that get nothing.
func (b *bench) runIdle(ctx context.Context, stdout io.Writer) error {
	steps := map[string][]idleStep{}
	for _, name := range b.subjects {
		var err error
		steps[name], err = b.measureIdle(ctx, name)
		switch absent := (errAbsent{}); {
		case errors.As(err, &absent) && name != "bridge":
			fmt.Fprintf(b.stderr, "%s is left out: %v\n", name, err)
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	writeIdle(stdout, b.subjects, steps)
	return nil
}

// prepare makes what all subjects need.
func (b *bench) prepare() error {
	b.secret = newSecret()
	b.tokens = auth.JWTConfig{Secrets: [][]byte{[]byte(b.secret)}}
	if b.tls {
		return b.makeCertificate()
	}
	return nil
}
