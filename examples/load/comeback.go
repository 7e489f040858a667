//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A comeback is sessions that come back after the bridge was away, and what they get then. It is
// their observer.
type comeback struct {
	returners []returner // by session
	missed    int        // events that the bridge has by then; the sessions know the first of them
	readers   int        // returners that read

	started  time.Time
	times    histogram    // from started until a session had caught up
	caughtUp atomic.Int64 // sessions that have all that they have missed
	live     atomic.Int64 // sessions that have the event after it
	arrivals atomic.Int64
	cut      atomic.Int64 // sessions that were refused or ended
	firstCut sync.Once
}

// A returner is one session: where it goes, and what it has got so far.
type returner struct {
	target stompTarget
	deaf   bool // it reads nothing but the answers to its own frames
	ledger ledger
}

// newComeback prepares the return of sessions, of which a percentage will be deaf, after missed
// events in all.
func newComeback(s *subject, sessions []*session, missed int, deaf float64) (*comeback, error) {
	c := &comeback{returners: make([]returner, len(sessions)), missed: missed}
	for i, x := range sessions {
		target, err := s.target(i)
		if err != nil {
			return nil, err
		}
		if target.resume = string(x.last); target.resume == "" {
			return nil, fmt.Errorf("session %d has got no message-id to resume from", i)
		}
		r := returner{target: target, ledger: x.ledger}
		if share := deaf / 100; int(float64(i+1)*share) > int(float64(i)*share) { // spread over all
			r.deaf = true
			r.target.dialer.Control = narrow
		} else {
			c.readers++
		}
		c.returners[i] = r
	}
	return c, nil
}

// narrow keeps the buffers between the server and a session small: this side's, and by a segment
// size as on an Ethernet the server's too, for which Linux provides megabytes where segments have
// loopback's 64 KiB.
func narrow(_, _ string, conn syscall.RawConn) error {
	var err1, err2 error
	err := conn.Control(func(fd uintptr) {
		err1 = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		err2 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1460)
	})
	return errors.Join(err, err1, err2)
}

// open opens session i where it left off: its RECEIPT has said that nothing is missed.
func (c *comeback) open(ctx context.Context, i int) (*session, error) {
	r := c.returners[i]
	s, err := openStomp(ctx, i, r.target)
	if err != nil {
		return nil, err
	}
	s.ledger, s.deaf = r.ledger, r.deaf
	return s, nil
}

func (c *comeback) expects() int { return c.missed + 1 }

func (c *comeback) heard(arrivals int) { c.arrivals.Add(int64(arrivals)) }

// arrived takes the last event that was missed for all of them; whether it was, the ledger says in
// the end.
func (c *comeback) arrived(_, n int, at time.Time) {
	switch n {
	case c.missed - 1:
		c.times.add(at.Sub(c.started))
		c.caughtUp.Add(1)
	case c.missed:
		c.live.Add(1)
	}
}

// run connects all sessions, waits until they have caught up, and publishes one event more.
func (c *comeback) run(ctx context.Context, crowd *crowd, p publisher, r *stormResult) error {
	c.started = time.Now()
	if err := crowd.connect(ctx, 0, len(c.returners)); err != nil {
		return err
	}
	r.connects = float64(len(c.returners)) / time.Since(c.started).Seconds()
	if err := c.await(ctx, &c.caughtUp); err != nil {
		return err
	}
	if err := cmp.Or(p.publish(c.missed), p.flush()); err != nil {
		return err
	}
	if err := c.await(ctx, &c.live); err != nil {
		return err
	}
	r.live = time.Since(c.started)
	return nil
}

// await returns when the counter has come to the number of readers but those that were cut, or
// fails when nothing arrives any more.
func (c *comeback) await(ctx context.Context, counter *atomic.Int64) error {
	seen, since := int64(-1), time.Now()
	for counter.Load()+c.cut.Load() < int64(c.readers) {
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
		if now := c.arrivals.Load(); now != seen {
			seen, since = now, time.Now()
		} else if time.Since(since) > stallTime {
			return stalled{int(counter.Load()), c.readers, "sessions"}
		}
	}
	return nil
}

// count notes what has become of the sessions, which are closed.
func (c *comeback) count(sessions []*session, r *stormResult) {
	r.caughtUp = [2]time.Duration{c.times.quantile(0.5), c.times.quantile(0.99)}
	r.cut = int(c.cut.Load())
	for _, x := range sessions {
		if !x.deaf {
			r.lost += x.ledger.lost(c.expects())
			r.duplicates += x.ledger.duplicates
			r.disorder += x.ledger.disorder
		}
	}
}
