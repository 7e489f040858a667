package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// Append implements Writer.
func (w *writer) Append(ctx context.Context, b journal.Batch) error {
	end, err := w.Begin()
	if err != nil {
		return err
	}
	defer end()
	if err := b.Validate(w.MaxBatch()); err != nil {
		if !errors.Is(err, journal.ErrTooLarge) {
			w.Resign()
		}
		return err
	}
	w.appending.Lock()
	defer w.appending.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	err = w.write(ctx, b)
	if err != nil && !errors.Is(err, journal.ErrFull) {
		w.Resign()
	}
	return err
}

// write appends the batch, behind what this writer has appended before. The error is ErrFull where
// nothing was committed and the turn may go on, errFenced where nothing was and somebody else
// leads; after any other it is not known.
func (w *writer) write(ctx context.Context, batch journal.Batch) error {
	p, err := w.plan(ctx, batch)
	if err == nil && p.stuck {
		// What must be carried has no room beside the batch, so it goes first.
		if err = w.write(ctx, journal.Batch{}); err == nil {
			p, err = w.plan(ctx, batch)
		}
	}
	if err != nil {
		return err
	}
	if err := w.commit(ctx, p.block, p.behind); err != nil {
		return err
	}
	w.log.apply(p.behind+1, p.block, batch.Entries)
	return nil
}

// plan returns the plan of the next block.
func (w *writer) plan(ctx context.Context, batch journal.Batch) (*plan, error) {
	l, now := w.log, w.clock.Read()
	c := clock{lived: now.Lived, appendedAt: now.AppendedAt, began: now.Began, ahead: now.Ahead, left: now.Left}
	l.mu.RLock()
	p := l.state.plan(l.limits, w.term, c, l.now(), batch)
	l.mu.RUnlock()
	for {
		wanted, ok := l.carry(p)
		switch {
		case !ok:
			return nil, errFenced
		case wanted == 0:
			return p, nil
		}
		b, err := l.soon(ctx, wanted)
		if err != nil {
			return p, nil // it is carried another time
		}
		p.read = b
	}
}

// carry goes on with the plan, and returns which block it wants to read. It reports false where the
// plan is another writer's turn.
func (l *Log) carry(p *plan) (wanted uint64, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := l.state
	if s.sequence != p.behind || s.term > p.block.term || s.term == p.block.term && s.epoch(s.last+1) != p.block.epoch {
		return 0, false
	}
	return p.carry(), true
}

// carryTimeout bounds the reading of what is to be carried: that may wait, a batch may not.
const carryTimeout = 500 * time.Millisecond

func (l *Log) soon(ctx context.Context, sequence uint64) (*block, error) {
	ctx, cancel := context.WithTimeout(ctx, carryTimeout)
	defer cancel()
	return l.block(ctx, sequence)
}

// commit stores the block behind the sequence. Where the answer is lost, what stands there tells
// whether it was stored.
func (w *writer) commit(ctx context.Context, b *block, behind uint64) error {
	if w.log.mutate != nil {
		w.log.mutate(b)
	}
	data := b.encode(w.log.format())
	var denied *deniedError
	for attempt := 1; ; attempt++ {
		err := w.log.append(ctx, behind, data)
		switch {
		case err == nil:
			return nil
		case errors.As(err, &denied):
			return fmt.Errorf("journal: the batch is not stored: %w", err)
		case errors.Is(err, errFull) && attempt == 1: // later, an earlier attempt may be on its way
			w.log.full.Store(true)
			return fmt.Errorf("%w: %w", journal.ErrFull, err)
		}
		if settled := w.log.sync(ctx); settled != nil {
			return fmt.Errorf("journal: whether the batch is stored is not known: %w", errors.Join(settled, err))
		}
		switch sum, there := w.log.sumAt(behind + 1); {
		case there && sum == b.sum:
			return nil
		case there:
			return errFenced
		}
		if err := pause(ctx, awayPause); err != nil {
			return fmt.Errorf("journal: whether the batch is stored is not known: %w", err)
		}
	}
}

func (l *Log) append(ctx context.Context, behind uint64, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return l.store.append(ctx, behind, data)
}

// sumAt returns the checksum of the block of the sequence, if it is there; 0 where it has left the
// stream already.
func (l *Log) sumAt(sequence uint64) (sum uint32, there bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case sequence > l.state.sequence:
		return 0, false
	case sequence < l.state.head:
		return 0, true
	}
	return l.state.block(sequence).sum, true
}
