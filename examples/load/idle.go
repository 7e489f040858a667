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
	memory   float64       // resident bytes a session
	connects float64       // sessions opened a second, from the step before
	opening  time.Duration // CPU for each of these
	idle     time.Duration // CPU a second afterwards, of all sessions
}

// measureIdle opens more and more sessions and lets each step settle before it looks.
func (b *bench) measureIdle(ctx context.Context, name string) ([]idleStep, error) {
	s, err := b.start(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	ctx, fail := context.WithCancelCause(ctx)
	c := &crowd{open: s.open, tally: newTally(0, 0, 0, 0), fail: fail}
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
	select {
	case <-time.After(b.settle):
	case <-ctx.Done():
		return idleStep{}, context.Cause(ctx)
	}
	after, err := s.server.usage()
	n := float64(sessions - first)
	return idleStep{
		sessions: sessions,
		memory:   float64(after.memory-empty.memory) / float64(sessions),
		connects: n / elapsed.Seconds(),
		opening:  time.Duration(float64(opened.cpu-before.cpu) / n),
		idle:     time.Duration(float64(after.cpu-opened.cpu) / b.settle.Seconds()),
	}, err
}

// writeIdle writes a table of the steps, in the order of names.
func writeIdle(w io.Writer, names []string, steps map[string][]idleStep) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tsessions\tKiB a session\tconnects/s\tCPU µs a connect\tCPU ms/s idle\t")
	for _, name := range names {
		for _, s := range steps[name] {
			fmt.Fprintf(t, "%s\t%d\t%.1f\t%.0f\t%.0f\t%.1f\t\n", name, s.sessions, s.memory/1024, s.connects,
				float64(s.opening)/float64(time.Microsecond), float64(s.idle)/float64(time.Millisecond))
		}
	}
	t.Flush()
}
