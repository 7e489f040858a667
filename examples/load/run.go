//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
)

// A bench measures subjects, all in the same way.
type bench struct {
	options
	stderr    io.Writer
	dir       string // for all that lives no longer than the program
	programs  string // the directory with what was built
	tokens    auth.JWTConfig
	secret    string      // that the tokens are signed with
	clientTLS *tls.Config // of sessions; nil: without TLS
	measured  []measured  // by runEvents
}

// A result is what one run has measured.
type result struct {
	connects   float64 // sessions opened a second, subscription and all
	deliveries float64 // a second
	bytes      float64 // of WebSocket frames, for each delivery
	latency    [4]time.Duration
	lost       int
	duplicates int
	disorder   int
	unacked    int           // events at QoS 1 that the broker has not acknowledged
	server     usage         // CPU per million deliveries; memory at the end
	broker     time.Duration // CPU per million deliveries
}

// A measured load has a result for each subject.
type measured struct {
	load
	results map[string]result
}

// quantiles are those of result.latency.
var quantiles = [4]float64{0.5, 0.9, 0.99, 0.999}

// measure brings the load to a new instance of the named subject.
func (b *bench) measure(ctx context.Context, name string, l load) (result, error) {
	s, err := b.start(ctx, name)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	defer b.quote(name, s)
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	t := newTally(l.sessions, l.events+b.warm, b.warm, b.bound())
	c := &crowd{open: s.open, atOnce: fewAtOnce, seen: t, beat: b.heartBeat, broken: fail}
	defer c.close()
	connecting := time.Now()
	if err := c.connect(ctx, 0, l.sessions); err != nil {
		return result{}, err
	}
	r := result{connects: float64(l.sessions) / time.Since(connecting).Seconds()}
	p, err := s.publisher()
	if err != nil {
		return result{}, err
	}
	defer p.close()
	defer context.AfterFunc(ctx, p.close)()
	var beside sync.WaitGroup
	beside.Go(func() { t.watch(ctx, fail) })
	beside.Go(func() { c.keepAlive(ctx) })
	err = b.drive(ctx, name, s, p, t, l.events, &r)
	fail(nil)
	beside.Wait()
	c.close()
	if stall := (stalled{}); err != nil && !errors.As(err, &stall) { // what has stalled has figures too
		return result{}, err
	}
	for i, q := range quantiles {
		r.latency[i] = t.quantile(q)
	}
	var bytes int64
	for _, x := range c.sessions {
		bytes += x.bytes
		r.lost += x.ledger.lost(l.events + b.warm)
		r.duplicates += x.ledger.duplicates
		r.disorder += x.ledger.disorder
	}
	r.bytes = float64(bytes) / float64(max(t.arrivals.Load(), 1))
	return r, nil
}

// quote shows what the bridge and its broker have to say, which is nothing when all is well.
func (b *bench) quote(name string, s *subject) {
	for _, p := range []*process{s.server, s.broker} {
		if p == nil || name != "bridge" {
			continue
		}
		if words := p.lastWords(); words != "" {
			fmt.Fprintf(b.stderr, "%s says: %s\n", p.name, words)
		}
	}
}

// bound is how many events may be under way: with a rate of its own the publisher waits for nobody.
func (b *bench) bound() int {
	if b.rate > 0 {
		return 0
	}
	return b.inFlight
}

// drive publishes all events and waits for them, and measures what happens after those for warming
// up.
func (b *bench) drive(ctx context.Context, name string, s *subject, p publisher, t *tally, events int, r *result) error {
	if err := b.publish(ctx, p, t, 0, b.warm); err != nil {
		return err
	}
	if err := wait(ctx, t.warmed); err != nil {
		return err
	}
	stopProfile, err := b.profileServer(name, s)
	if err != nil {
		return err
	}
	before, err := s.usages()
	if err != nil {
		return err
	}
	started := time.Now()
	err = b.publish(ctx, p, t, b.warm, b.warm+events)
	if err == nil {
		err = wait(ctx, t.done)
	}
	elapsed := time.Since(started)
	after, usageErr := s.usages()
	stopProfile()
	if usageErr != nil {
		return usageErr
	}
	deliveries := float64(t.deliveries())
	r.deliveries = deliveries / elapsed.Seconds()
	r.server = usage{cpu: perMillion(after[0].cpu-before[0].cpu, deliveries), memory: after[0].memory}
	r.broker = perMillion(after[1].cpu-before[1].cpu, deliveries)
	r.unacked = unacknowledged(p, b.warm+events)
	return err
}

func perMillion(d time.Duration, n float64) time.Duration {
	return time.Duration(float64(d) * 1e6 / max(n, 1))
}

// usages returns the figures of the server and of the broker.
func (s *subject) usages() (u [2]usage, err error) {
	for i, p := range []*process{s.server, s.broker} {
		var each error
		u[i], each = p.usage()
		err = errors.Join(err, each)
	}
	return u, err
}

// unacknowledged gives the last acknowledgements a moment and returns how many are missing.
func unacknowledged(p publisher, events int) int {
	if p.acknowledged() < 0 {
		return 0
	}
	for range 100 {
		if p.acknowledged() >= events {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return events - p.acknowledged()
}

// wait returns when the channel is closed, or else with why ctx was ended.
func wait(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
