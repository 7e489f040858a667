//go:build linux

package main

import (
	"cmp"
	"context"
	"syscall"
	"time"
)

// publish publishes the events from first to before last, at the rate or as the bound lets it.
func (b *bench) publish(ctx context.Context, p publisher, t *tally, first, last int) error {
	started := time.Now()
	for n := first; n < last; n++ {
		at, err := b.turn(ctx, p, t, started, n-first)
		if err == nil {
			t.departed(n, at)
			err = p.publish(n)
		}
		if err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
	}
	err := p.flush()
	return cmp.Or(context.Cause(ctx), err)
}

// turn waits until the i-th event after started may go, and returns when it should have gone.
// Before it waits it flushes.
func (b *bench) turn(ctx context.Context, p publisher, t *tally, started time.Time, i int) (time.Time, error) {
	if b.rate > 0 {
		due := started.Add(time.Duration(float64(i) / b.rate * float64(time.Second)))
		if time.Until(due) <= 0 {
			return due, nil
		}
		err := p.flush()
		sleep(ctx, due)
		return due, cmp.Or(err, context.Cause(ctx))
	}
	select {
	case t.inFlight <- struct{}{}:
		return time.Now(), nil
	default:
	}
	if err := p.flush(); err != nil {
		return time.Time{}, err
	}
	select {
	case t.inFlight <- struct{}{}:
		return time.Now(), nil
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

// sleep waits until due. The runtime's timers are late by up to a millisecond in an idle process,
// so the kernel's have the last two.
func sleep(ctx context.Context, due time.Time) {
	const coarse = 2 * time.Millisecond
	if d := time.Until(due) - coarse; d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return
		}
	}
	if d := time.Until(due); d > 0 {
		rest := syscall.NsecToTimespec(int64(d))
		syscall.Nanosleep(&rest, nil)
	}
}
