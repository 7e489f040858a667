package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-stomp-bridge/mapping/topic"
)

const (
	retainedSuffix = "-retained"
	// refreshPause is the least time between two readings that only make sure: those after a
	// reconnect that has found the session present.
	refreshPause = time.Minute
	// A session that was present may have a queue. Its events are older than the retained messages
	// of their topics, so these wait until nothing has come for drainedAfter, but for drainedBy at
	// the longest.
	drainedAfter = 250 * time.Millisecond
	drainedBy    = 5 * time.Second
)

// errNotRead is State.Retained before the first attempt.
var errNotRead = errors.New("not read yet")

// retained is which topic filters' retained messages the rules want, and whether they are read.
//
// They are read when a process begins, since nobody knows what the journal lacks: it may be new, or
// the bridge have been away for longer than the broker's queue had room; when the broker has no
// session any more; when the rules have changed; when somebody asks. After any other reconnect they
// are read too, for the same doubt about the queue, but nobody waits for that.
type retained struct {
	live atomic.Int64  // time of the last live event, in Unix nanoseconds
	kick chan struct{} // capacity 1, never closed

	mu      sync.Mutex
	filters []string
	byHand  []string  // to be read besides, once
	asked   int       // reasons to read so far
	all     int       // the last of these that is about all filters
	owed    int       // the last of these that readiness waits for
	read    int       // reasons that a completed reading has answered
	err     error     // of the last reading
	begun   time.Time // the last reading
	notFor  time.Time // none before that
	done    chan struct{}
}

func newRetained(filters []string) *retained {
	return &retained{filters: filters, kick: make(chan struct{}, 1), err: errNotRead, done: make(chan struct{})}
}

// ask gives a reason to read all filters again; owed: readiness waits for it.
func (r *retained) ask(owed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.askLocked(owed)
	r.all = r.asked
}

func (r *retained) askLocked(owed bool) {
	r.asked++
	if owed {
		if r.owed <= r.read { // nothing was owed
			r.done, r.err = make(chan struct{}), errNotRead
		}
		r.owed = r.asked
	}
}

// replace asks for other filters. done is closed when they are read.
func (r *retained) replace(filters []string) (done <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filters = slices.Clone(filters)
	r.askLocked(true)
	r.all = r.asked
	return r.done
}

// lacking returns why readiness has to wait, nil when it has not.
func (r *retained) lacking() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read >= r.owed && r.owed > 0 || len(r.filters)+len(r.byHand) == 0 {
		return nil
	}
	return r.err
}

// due returns what to read now, and which reason is the last that this answers. Where there is
// nothing to do it returns how long to wait; 0: until the next kick.
func (r *retained) due(now time.Time) (filters []string, reason int, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read == r.asked {
		return nil, 0, 0
	}
	next := r.notFor
	if refresh := r.begun.Add(refreshPause); r.owed <= r.read && refresh.After(next) {
		next = refresh
	}
	if now.Before(next) {
		return nil, 0, next.Sub(now)
	}
	r.begun = now
	if r.all > r.read {
		filters = slices.Clone(r.filters)
	}
	return append(filters, r.byHand...), r.asked, 0
}

// finish notes how a reading of these filters has ended.
func (r *retained) finish(filters []string, reason int, err error, again time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.notFor = err, again
	if err != nil {
		return
	}
	owed := r.owed > r.read
	r.read = reason
	r.byHand = slices.DeleteFunc(r.byHand, func(f string) bool { return slices.Contains(filters, f) })
	if owed && r.owed <= r.read {
		close(r.done)
	}
}

// Reread reads the retained messages under the topic filter again, as far as Config.Retained or
// SetFilters have asked for them, and returns when they are committed.
func (c *Client) Reread(ctx context.Context, filter string) error {
	if err := topic.Check(filter); err != nil {
		return err
	}
	done := c.retained.askByHand(filter)
	if done == nil {
		return fmt.Errorf("topic filter %q: no rule with retained: deliver maps what matches it", filter)
	}
	c.changed()
	select {
	case <-done:
		return nil
	case <-c.stop:
		return errStopped
	case <-ctx.Done():
		return fmt.Errorf("reading retained messages: %w", ctx.Err())
	}
}

// askByHand asks for what both the filter and the filters of the rules match. done is closed when
// that is read; it is nil where there is nothing.
func (r *retained) askByHand(filter string) (done <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, f := range r.filters {
		switch {
		case topic.Covers(f, filter):
			found = append(found, filter)
		case topic.Covers(filter, f):
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return nil
	}
	for _, f := range found {
		if !slices.Contains(r.byHand, f) {
			r.byHand = append(r.byHand, f)
		}
	}
	r.askLocked(true)
	return r.done
}

// keepRead reads retained messages whenever there is a reason to. Their subscriptions are granted
// before, so that what changes later comes through these; those that the broker refuses wait.
func (c *Client) keepRead(ctx context.Context) {
	again := time.NewTimer(0)
	defer again.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.retained.kick:
		case <-again.C:
		}
		live := c.receiving.current()
		if live == nil || !c.subs.answered() {
			continue
		}
		filters, reason, wait := c.retained.due(time.Now())
		if reason == 0 {
			if wait > 0 {
				again.Reset(wait)
			}
			continue
		}
		filters = slices.DeleteFunc(filters, func(f string) bool { return !c.subs.covers(f) })
		var retry time.Time
		err := c.readRetained(ctx, live.conn, filters)
		if err != nil {
			failures++
			retry = time.Now().Add(pause(failures+2, 0))
			again.Reset(time.Until(retry))
		} else {
			failures = 0
		}
		c.retained.finish(filters, reason, err, retry)
		c.changed()
	}
}

// readRetained hands over the retained messages under the filters, between a beginning and an end,
// and returns when all of it is committed.
func (c *Client) readRetained(ctx context.Context, session *conn, filters []string) error {
	if len(filters) == 0 {
		return nil
	}
	if session.present {
		c.awaitDrained(ctx)
	}
	begin := time.Now()
	copies, err := c.handOverRetained(ctx, filters)
	if ctx.Err() != nil || errors.Is(err, errStopped) {
		return err
	}
	if err != nil {
		if times, say := c.refusals.due("retained "+errorKind(err), time.Now()); say {
			c.log.Warn("cannot read retained messages, will keep trying", "filters", filters, "error", err, "attempts", times)
		}
		return err
	}
	c.counters.readings.Add(1)
	c.log.Info("read retained messages", "filters", filters, "messages", copies, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// awaitDrained waits until the session has probably delivered its queue.
func (c *Client) awaitDrained(ctx context.Context) {
	begin := time.Now()
	tick := time.NewTicker(drainedAfter / 5)
	defer tick.Stop()
	for now := begin; now.Sub(begin) < drainedBy; {
		select {
		case <-ctx.Done():
			return
		case now = <-tick.C:
		}
		last := time.Unix(0, c.retained.live.Load())
		if now.Sub(begin) >= drainedAfter && now.Sub(last) >= drainedAfter && len(c.events) == 0 {
			return
		}
	}
}

func (c *Client) handOverRetained(ctx context.Context, filters []string) (copies int, err error) {
	visit, err := NewVisit(ctx, c.receiving.url(), c.cfg, VisitOptions{
		ClientID:  c.cfg.ClientID + retainedSuffix,
		ReadAhead: maxReadAhead,
	})
	if err != nil {
		return 0, err
	}
	defer visit.Close()
	if err := c.hand(ctx, &Event{Reading: ReadingBegins}); err != nil {
		return 0, err
	}
	r := newRetainedReader(visit, filters, func(e *Event) error { return c.hand(ctx, e) })
	if err := r.readAll(ctx); err != nil {
		return r.copies, err
	}
	end := &Event{Reading: ReadingEnds, ended: make(chan struct{})}
	if err := c.hand(ctx, end); err != nil {
		return r.copies, err
	}
	select {
	case <-end.ended:
		return r.copies, nil
	case <-ctx.Done():
		return r.copies, ctx.Err()
	}
}

// hand hands over an event that the session did not bring.
func (c *Client) hand(ctx context.Context, e *Event) error {
	c.handing.Lock()
	defer c.handing.Unlock()
	if c.stopping() {
		return errStopped
	}
	select {
	case c.events <- e:
		if e.Reading == ReadingCopy {
			c.counters.events.Add(1)
			c.counters.copies.Add(1)
		}
		return nil
	case <-c.stop:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errStopped = errors.New("the client is stopped")
