package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/lead"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// Lead implements Log.
func (l *Log) Lead(ctx context.Context) (journal.Writer, error) {
	for {
		turn, err := l.seat.Take(ctx)
		if err != nil {
			return nil, err
		}
		w := &writer{Turn: turn, log: l}
		err = w.begin(ctx)
		if err == nil {
			return w, nil
		}
		turn.Resign()
		var denied *deniedError
		if !errors.As(err, &denied) {
			return nil, cmp.Or(l.Err(), err)
		}
		// Others may have the rights that this one lacks.
		if err := pause(ctx, deniedPause); err != nil {
			return nil, err
		}
	}
}

// deniedPause is how long the lease is left to others by one that cannot lead: longer than they look.
const deniedPause = 3 * time.Second

// begin has the lease, and then fences off who led before.
func (w *writer) begin(ctx context.Context) error {
	l := w.log
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	l.lease.Lock() // until the turn before has given it up
	lease, err := l.store.lease(ctx, l.roster.mayLead)
	if err == nil && l.Err() != nil { // Close waits for the mutex, and for nothing that begins later
		lease.release()
		err = l.Err()
	}
	if err != nil {
		l.lease.Unlock()
		return fmt.Errorf("journal: waiting for the lease: %w", err)
	}
	l.wg.Go(func() {
		defer l.lease.Unlock()
		w.keep(lease)
	})
	return w.fence(ctx)
}

// keep ends the turn when the lease is lost or it turns out that this replica must not lead, and
// releases the lease when the turn is over.
func (w *writer) keep(lease lease) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-w.Done():
			over = true
		case <-lease.lost():
			w.log.logger.Warn("the lease to lead the journal is lost")
			over = true
		case <-tick.C:
			over = w.log.roster.barred() != nil
		}
	}
	w.Resign()
	w.log.change()
	<-w.Left()
	lease.release()
}

// over reports whether the turn is.
func (w *writer) over() bool {
	select {
	case <-w.Done():
		return true
	default:
		return false
	}
}

// fence appends the first block of the term, behind all there is.
func (w *writer) fence(ctx context.Context) error {
	l := w.log
	w.appending.Lock()
	defer w.appending.Unlock()
	for {
		if err := l.sync(ctx); err != nil {
			return err
		}
		l.mu.RLock()
		w.term = l.state.next(journal.NewEpoch())
		w.clock = l.state.newClock(l.now)
		l.mu.RUnlock()
		err := w.write(ctx, journal.Batch{})
		if err == nil {
			l.turn.Store(w)
			l.turns.Add(1)
			l.change()
			l.logger.Info("leading the journal", "term", w.term.number, "position", w.term.since-1)
			return nil
		}
		switch {
		case errors.Is(err, errFenced): // by the one before, which still appends
		case errors.Is(err, journal.ErrFull): // until something is purged
			if err := pause(ctx, lookEvery); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// newClock returns the log's clock as it goes on.
func (s *state) newClock(wall func() time.Time) *retention.Clock {
	if !s.begun {
		return retention.NewClock(wall, 0, wall())
	}
	return retention.NewClock(wall, s.clock.lived, s.clock.left)
}

// A writer is a journal.Writer for one turn.
type writer struct {
	*lead.Turn
	log *Log

	appending sync.Mutex // one append at a time; guards the rest
	term      term
	clock     *retention.Clock
}

// MaxBatch implements Writer.
func (w *writer) MaxBatch() int { return w.log.limits.block - headerSize }

// Records implements Writer.
func (w *writer) Records(prefix string, yield func(journal.Record) bool) error {
	end, err := w.Begin()
	if err != nil {
		return err
	}
	defer end()
	for _, r := range w.log.records(prefix) {
		if !yield(r) {
			break
		}
	}
	return nil
}

func (l *Log) records(prefix string) (found []journal.Record) {
	now := l.now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	for name, m := range l.state.records {
		if m.home >= l.state.head && strings.HasPrefix(name, prefix) && !m.Expired(now) {
			found = append(found, m.Record)
		}
	}
	return found
}
