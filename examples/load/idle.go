package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"
)

// An idleStep is what a subject costs with so many sessions that get nothing.
type idleStep struct {
	sessions int
	connects float64       // sessions opened a second, from the step before
	opening  time.Duration // CPU for each of these
	idle     time.Duration // CPU a session and second afterwards
	memory   float64       // resident bytes a session, at the end
}

// measureIdle opens more and more sessions, lets each step settle, and looks at it for a while.
func (b *bench) measureIdle(ctx context.Context, name string) ([]idleStep, error) {
	s, err := b.start(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	ctx, fail := context.WithCancelCause(ctx)
	c := &crowd{open: s.open, atOnce: fewAtOnce, seen: newTally(0, 0, 0, 0), broken: fail}
	defer c.close()
	var beating sync.WaitGroup
	beating.Go(func() { c.keepAlive(ctx) })
	defer beating.Wait()
	defer fail(nil)
	empty, err := s.server.usage()
	if err != nil {
		return nil, err
	}
	var steps []idleStep
	for _, sessions := range b.idle {
		step, err := b.idleStep(ctx, s, c, sessions, empty)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// idleStep opens sessions until there are so many. empty is what the server took before the first.
func (b *bench) idleStep(ctx context.Context, s *subject, c *crowd, sessions int, empty usage) (idleStep, error) {
	before, err := s.server.usage()
	if err != nil {
		return idleStep{}, err
	}
	first, started := len(c.sessions), time.Now()
	if err := c.connect(ctx, first, sessions); err != nil {
		return idleStep{}, err
	}
	elapsed := time.Since(started)
	opened, err := s.server.usage()
	if err != nil {
		return idleStep{}, err
	}
	idle, after, err := b.watchIdle(ctx, s)
	n := float64(sessions - first)
	return idleStep{
		sessions: sessions,
		connects: n / elapsed.Seconds(),
		opening:  time.Duration(float64(opened.cpu-before.cpu) / n),
		idle:     time.Duration(float64(idle) / b.idleFor.Seconds() / float64(sessions)),
		memory:   float64(after.memory-empty.memory) / float64(sessions),
	}, err
}

// watchIdle returns the CPU that the server takes while nothing happens but heart-beats, and what it has taken at the end.
func (b *bench) watchIdle(ctx context.Context, s *subject) (idle time.Duration, after usage, err error) {
	if err := pause(ctx, b.settle); err != nil {
		return 0, usage{}, err
	}
	before, err := s.server.usage()
	if err != nil {
		return 0, usage{}, err
	}
	if err := pause(ctx, b.idleFor); err != nil {
		return 0, usage{}, err
	}
	after, err = s.server.usage()
	return after.cpu - before.cpu, after, err
}

// pause returns when the time has passed, or else with why ctx was ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// writeIdle writes a table of the steps, in the order of names.
func writeIdle(w io.Writer, names []string, steps map[string][]idleStep) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tsessions\tKiB a session\tCPU µs a session and second\tconnects/s\tCPU µs a connect\t")
	for _, name := range names {
		for _, s := range steps[name] {
			fmt.Fprintf(t, "%s\t%d\t%.1f\t%.2f\t%.0f\t%.0f\t\n", name, s.sessions, s.memory/1024, microseconds(s.idle), s.connects, microseconds(s.opening))
		}
	}
	t.Flush()
}
