//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// In a storm, sessions that have subscribed and got some events lose the bridge, which is ended by
// a signal. More events go to the broker meanwhile. When the bridge is there again, all sessions
// set out at once and resume after the last message that they got.

// A stormResult is what one storm has measured.
type stormResult struct {
	restart    time.Duration    // from the start of the second bridge until it is ready, which is when the sessions set out
	connects   float64          // sessions a second, until the last one's RECEIPT
	caughtUp   [2]time.Duration // from setting out until a session has all that it has missed: half of them, and 99 of 100
	live       time.Duration    // until the last one has an event that was published when all had caught up; 0: never
	server     usage            // CPU and peak memory of the second bridge until then
	cut        int              // sessions that were refused or ended, of those that read
	lost       int
	duplicates int
	disorder   int
	deaf       int            // sessions that do not read
	ends       map[string]int // cause -> sessions that the bridge has ended
}

// measureStorm has the sessions of a load come back, of which a percentage reads nothing then.
func (b *bench) measureStorm(ctx context.Context, l load, deaf float64) (stormResult, error) {
	s, err := b.start(ctx, "bridge")
	if err != nil {
		return stormResult{}, err
	}
	defer s.stop()
	defer b.quote("bridge", s)
	p, err := s.publisher()
	if err != nil {
		return stormResult{}, err
	}
	defer p.close()
	defer context.AfterFunc(ctx, p.close)()
	sessions, err := b.beforeStorm(ctx, s, p, l.sessions)
	if err != nil {
		return stormResult{}, fmt.Errorf("before the storm: %w", err)
	}
	c, err := newComeback(s, sessions, b.warm+l.events, deaf)
	if err != nil {
		return stormResult{}, err
	}
	if err := publishAtOnce(ctx, p, b.warm, b.warm+l.events); err != nil {
		return stormResult{}, err
	}
	started := time.Now()
	if err := s.serve(ctx); err != nil {
		return stormResult{}, err
	}
	r := stormResult{restart: time.Since(started), deaf: l.sessions - c.readers}
	err = b.comeBack(ctx, s, p, c, &r)
	return r, err
}

// beforeStorm returns the sessions as they were when they had got the first events and the bridge
// has ended.
func (b *bench) beforeStorm(ctx context.Context, s *subject, p publisher, sessions int) ([]*session, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var ended atomic.Bool
	t := newTally(sessions, b.warm, 0, 0)
	c := &crowd{open: s.open, atOnce: fewAtOnce, seen: t, beat: b.heartBeat, broken: func(err error) {
		if !ended.Load() {
			fail(err)
		}
	}}
	defer c.close()
	if err := c.connect(ctx, 0, sessions); err != nil {
		return nil, err
	}
	if err := publishAtOnce(ctx, p, 0, b.warm); err != nil {
		return nil, err
	}
	if err := wait(ctx, t.done); err != nil {
		return nil, err
	}
	ended.Store(true)
	if err := s.server.endBy(ctx, b.storm); err != nil {
		return nil, err
	}
	c.close()
	slices.SortFunc(c.sessions, func(x, y *session) int { return cmp.Compare(x.index, y.index) })
	return c.sessions, nil
}

// publishAtOnce publishes the events from first to before last and waits until the broker has
// accepted them.
func publishAtOnce(ctx context.Context, p publisher, first, last int) error {
	for n := first; n < last; n++ {
		if err := p.publish(n); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	for p.acknowledged() < last {
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// comeBack lets the sessions go, and measures until the last of them is live.
func (b *bench) comeBack(ctx context.Context, s *subject, p publisher, back *comeback, r *stormResult) error {
	c := &crowd{open: back.open, atOnce: len(back.returners), seen: back, beat: b.heartBeat, broken: func(err error) {
		back.cut.Add(1)
		back.firstCut.Do(func() { fmt.Fprintln(b.stderr, "cut:", err) })
	}}
	defer c.close()
	beating, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { c.keepAlive(beating) })
	defer beside.Wait()
	defer stop()
	before, err := s.server.usage()
	if err != nil {
		return err
	}
	err = back.run(ctx, c, p, r)
	if stall := (stalled{}); errors.As(err, &stall) { // it has figures too
		fmt.Fprintln(b.stderr, err)
	} else if err != nil {
		return err
	}
	if r.server, err = s.server.usage(); err != nil {
		return err
	}
	r.server.cpu -= before.cpu
	if r.ends, err = s.awaitEnds(ctx, r.deaf, b.deafFor); err != nil {
		return err
	}
	c.close()
	back.count(c.sessions, r)
	return nil
}

// runStorm measures each load, once a round, without and with sessions that do not read.
func (b *bench) runStorm(ctx context.Context, stdout io.Writer) error {
	shares := []float64{0}
	if b.notReading > 0 {
		shares = append(shares, b.notReading)
	}
	var faults error
	for i, l := range b.loads {
		results := make([][]stormResult, len(shares))
		for range b.rounds {
			for k, share := range shares {
				r, err := b.measureStorm(ctx, l, share)
				if err != nil {
					return err
				}
				results[k] = append(results[k], r)
				faults = cmp.Or(faults, r.faults())
			}
		}
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		writeStorms(stdout, l, shares, results, b.deafFor)
	}
	return faults
}

// faults says what the bridge has broken of its promises.
func (r *stormResult) faults() error {
	if r.live == 0 || r.cut+r.lost+r.duplicates+r.disorder > 0 {
		return errors.New("the bridge has cut sessions, or lost, repeated or reordered events")
	}
	return nil
}
