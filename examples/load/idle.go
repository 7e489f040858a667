//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// An idleStep is what a subject costs with so many sessions that get nothing. The first step has
// none: what each session costs is what the server takes above that.
type idleStep struct {
	sessions int
	connects float64       // sessions opened a second, from the step before
	opening  time.Duration // CPU for each of these
	idle     time.Duration // CPU a second afterwards
	memory   int64         // resident bytes at the end
}

// measureIdle opens more and more sessions, lets each step settle, and looks at it for a while.
func (b *bench) measureIdle(ctx context.Context, name string) ([]idleStep, error) {
	s, err := b.start(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	ctx, fail := context.WithCancelCause(ctx)
	c := &crowd{open: s.open, atOnce: fewAtOnce, seen: newTally(0, 0, 0, 0), beat: b.heartBeat, broken: fail}
	defer c.close()
	var beating sync.WaitGroup
	beating.Go(func() { c.keepAlive(ctx) })
	defer beating.Wait()
	defer fail(nil)
	var steps []idleStep
	for _, sessions := range append([]int{0}, b.idle...) {
		step, err := b.idleStep(ctx, s, c, sessions)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// idleStep opens sessions until there are so many.
func (b *bench) idleStep(ctx context.Context, s *subject, c *crowd, sessions int) (idleStep, error) {
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
	step := idleStep{sessions: sessions}
	if n := float64(sessions - first); n > 0 {
		step.connects, step.opening = n/elapsed.Seconds(), time.Duration(float64(opened.cpu-before.cpu)/n)
	}
	err = b.watchIdle(ctx, s, &step)
	return step, err
}

// watchIdle notes what the server takes while nothing happens but heart-beats.
func (b *bench) watchIdle(ctx context.Context, s *subject, step *idleStep) error {
	if err := pause(ctx, b.settle); err != nil {
		return err
	}
	before, err := s.server.usage()
	if err != nil {
		return err
	}
	if err := pause(ctx, b.idleFor); err != nil {
		return err
	}
	after, err := s.server.usage()
	step.idle = time.Duration(float64(after.cpu-before.cpu) / b.idleFor.Seconds())
	step.memory = after.memory
	return err
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
	g := grid{{"", "sessions", "MiB", "KiB a session", "CPU ms/s", "CPU µs/s a session", "connects/s", "CPU µs a connect"}}
	for _, name := range names {
		for i, s := range steps[name] {
			row := []string{name, strconv.Itoa(s.sessions), mebibytes(s.memory)}
			if i == 0 {
				g.add(append(row, "", fmt.Sprintf("%.2f", microseconds(s.idle)/1000))...)
				continue
			}
			empty, n := steps[name][0], float64(s.sessions)
			g.add(append(row, fmt.Sprintf("%.1f", float64(s.memory-empty.memory)/1024/n), fmt.Sprintf("%.2f", microseconds(s.idle)/1000),
				fmt.Sprintf("%.2f", microseconds(s.idle-empty.idle)/n), fmt.Sprintf("%.0f", s.connects), fmt.Sprintf("%.0f", microseconds(s.opening)))...)
		}
	}
	g.write(w)
}
