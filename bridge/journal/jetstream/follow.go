package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

const (
	askTimeout  = 2 * time.Second        // of one request to the store
	lookEvery   = time.Second            // for blocks that nobody has told of
	awayPause   = 100 * time.Millisecond // between two attempts while the store cannot be reached
	lagPause    = 20 * time.Millisecond  // between two attempts to read what who was asked does not have yet
	lagAttempts = 100
	shortFor    = 15 * time.Second // for how long a stream is shorter than it was before that is believed
)

// load reads what the stream holds.
func (l *Log) load(ctx context.Context) error {
	for {
		err := l.loadAll(ctx)
		switch {
		case err == nil && l.state.importing():
			return errImporting
		case err == nil:
			l.state.newest.loaded()
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("journal: reading the stream: %w", errors.Join(ctx.Err(), err))
		case stays(err):
			return err
		}
		l.logger.Warn("reading the journal's stream again from its beginning", "error", err)
		if err := pause(ctx, awayPause); err != nil {
			return err
		}
	}
}

// loadAll reads the stream to where it ends now. After an error the state is to be thrown away.
func (l *Log) loadAll(ctx context.Context) error {
	first, last, err := l.ends(ctx)
	if err != nil {
		return err
	}
	l.state = newState(first-1, journal.NewEpoch())
	return l.scan(ctx, first, last, func(sequence uint64, b *block) error {
		if err := l.state.apply(sequence, b); err != nil {
			return fmt.Errorf("at sequence %d: %w", sequence, err)
		}
		l.cache.put(sequence, b)
		return nil
	})
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (l *Log) ends(ctx context.Context) (first, last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return l.store.ends(ctx)
}

func (l *Log) read(ctx context.Context, r row) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return l.store.read(ctx, r.first, r.max, 2*rowBytes)
}

func (l *Log) readRow(ctx context.Context, r row) ([]*block, error) {
	messages, err := l.read(ctx, r)
	if err != nil {
		return nil, err
	}
	blocks := make([]*block, len(messages))
	for i, m := range messages {
		if blocks[i], err = l.decode(m); err != nil {
			return nil, fmt.Errorf("at sequence %d: %w", r.first+uint64(i), err)
		}
	}
	return blocks, nil
}

// run returns the block of the sequence and those after it that are at hand, until they have so many
// entries. The error is as of block.
func (l *Log) run(ctx context.Context, sequence uint64, entries int) ([]*block, error) {
	if blocks := l.atHand(sequence, entries); len(blocks) > 0 {
		return blocks, nil
	}
	b, err := l.block(ctx, sequence)
	return []*block{b}, err
}

// atHand returns the blocks from the sequence on that need not be read, and are in the stream, until
// they have so many entries.
func (l *Log) atHand(sequence uint64, entries int) []*block {
	blocks := l.cache.peek(sequence, entries)
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := l.state
	for i, b := range blocks {
		at := sequence + uint64(i)
		if at < s.head || at > s.sequence || s.block(at).sum != b.sum {
			return blocks[:i]
		}
	}
	return blocks
}

// block returns the block of the sequence: ErrTrimmed when it has left the stream, ErrAway while it
// cannot be had.
func (l *Log) block(ctx context.Context, sequence uint64) (*block, error) {
	if blocks := l.atHand(sequence, 1); len(blocks) > 0 {
		return blocks[0], nil
	}
	for attempt := 0; ; attempt++ {
		r, sum := l.row(sequence)
		if r.max == 0 {
			return nil, journal.ErrTrimmed
		}
		if attempt > 0 && sequence > r.first { // fewer than asked for came
			r = row{sequence, r.max - int(sequence-r.first)}
		}
		b, err := l.cache.get(ctx, sequence, r)
		switch {
		case b != nil && b.sum == sum:
			return b, nil
		case b != nil:
			return nil, fmt.Errorf("%w: another block at sequence %d", errRestored, sequence)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, errDamaged):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("%w: %w", journal.ErrAway, err)
		case attempt == lagAttempts:
			return nil, fmt.Errorf("%w: sequence %d is missing", journal.ErrAway, sequence)
		}
		if err := pause(ctx, lagPause); err != nil {
			return nil, err
		}
	}
}

// row returns the row that the sequence lies in, with the block's checksum; a row of 0 where the
// sequence has left the stream. Whoever asks at about the same time and place gets the same row.
func (l *Log) row(sequence uint64) (r row, sum uint32) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := l.state
	if sequence < s.head || sequence > s.sequence {
		return row{}, 0
	}
	aligned := sequence - sequence%rowBlocks
	r.first = max(aligned, s.head)
	bytes := int64(0)
	for i := r.first; i <= s.sequence && i < aligned+rowBlocks; i++ {
		if size := s.block(i).size; bytes > 0 && bytes+size > rowBytes {
			if i > sequence {
				break
			}
			r, bytes = row{first: i}, 0
		}
		bytes += s.block(i).size
		r.max++
	}
	return r, s.block(sequence).sum
}

// tail takes a message as it was committed. It is only a quicker way: where it is not what comes
// next, the stream itself tells what does.
func (l *Log) tail(sequence uint64, data []byte) {
	l.mu.RLock()
	next, sum := l.state.sequence+1, l.state.sum
	l.mu.RUnlock()
	if sequence < next {
		return
	}
	b, err := l.decode(data)
	if sequence > next || err != nil || b.previous != sum {
		l.look()
		return
	}
	l.apply(sequence, b, b.copied())
}

// copied returns the entries with bodies of their own: those who keep some would keep the whole
// block, of which they may have little.
func (b *block) copied() []journal.Entry {
	entries := slices.Clone(b.entries)
	for i := range entries {
		entries[i].Body = slices.Clone(entries[i].Body)
	}
	return entries
}

// apply applies the block if it is the next one, and calls those who follow with its entries.
func (l *Log) apply(sequence uint64, b *block, entries []journal.Entry) {
	l.applying.Lock()
	defer l.applying.Unlock()
	if l.Err() != nil || !l.advance(sequence, b) {
		return
	}
	l.cache.put(sequence, b)
	if len(entries) == 0 {
		return
	}
	for _, f := range l.follow {
		f(entries)
	}
	last := entries[len(entries)-1].Position
	l.release(func(w waiter) bool { return w.position <= last })
}

func (l *Log) advance(sequence uint64, b *block) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sequence != l.state.sequence+1 {
		return false
	}
	err := l.state.apply(sequence, b)
	if err == nil && l.state.importing() {
		err = errImporting
	}
	if err != nil {
		l.end(err)
		return false
	}
	return true
}

// look has keepUp look at once.
func (l *Log) look() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// A waiter waits until the position is applied, or all that was in the stream when it came.
type waiter struct {
	position uint64
	looks    uint64 // begun before it came: the next one tells
	done     chan struct{}
}

// sync returns when all is applied that was in the stream when it was called. While the store
// cannot be reached it waits.
func (l *Log) sync(ctx context.Context) error { return l.await(ctx, math.MaxUint64) }

// await is sync, and returns as soon as the position is applied: the tail may tell of that before
// the servers say where the stream ends.
func (l *Log) await(ctx context.Context, position uint64) error {
	done := make(chan struct{})
	l.mu.Lock()
	if position <= l.state.last {
		l.mu.Unlock()
		return nil
	}
	l.waiting = append(l.waiting, waiter{position, l.looks, done})
	l.mu.Unlock()
	l.look()
	select {
	case <-ctx.Done():
		l.release(func(w waiter) bool { return w.done == done })
		return ctx.Err()
	case <-l.Done():
		return l.Err()
	case <-done:
		return nil
	}
}

// keepUp reads what the tail has missed, until the log ends: at once where that shows or somebody
// waits, and every second in any case.
func (l *Log) keepUp() {
	var short time.Time // since when the stream has been shorter than it was; zero: it is not
	var p purger
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for l.Err() == nil {
		ticked := false
		select {
		case <-l.ctx.Done():
			return
		case <-l.wake:
		case <-tick.C:
			ticked = true
		}
		looks := l.beginLook()
		began := time.Now()
		err := l.catchUp(&short)
		l.looked(began, err)
		if err != nil {
			l.look()
			pause(l.ctx, awayPause)
			continue
		}
		l.release(func(w waiter) bool { return w.looks < looks })
		if ticked && (l.leading() || l.full.Load()) {
			l.purge(&p)
		}
	}
}

// beginLook returns how many looks have begun, this one too.
func (l *Log) beginLook() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks++
	return l.looks
}

// release lets those go on who wait for nothing more.
func (l *Log) release(over func(w waiter) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = slices.DeleteFunc(l.waiting, func(w waiter) bool {
		if over(w) {
			close(w.done)
			return true
		}
		return false
	})
}

// errShort says that the stream seems to end before what was applied. Who has just begun or ceased
// to lead the servers may say so for a while.
var errShort = errors.New("journal: the stream is shorter than it was")

// catchUp applies what the stream has.
func (l *Log) catchUp(short *time.Time) error {
	applied := l.applied()
	_, last, err := l.ends(l.ctx)
	switch {
	case err != nil:
		return err
	case last >= applied:
		*short = time.Time{}
		return l.readTo(last)
	case short.IsZero():
		*short = time.Now()
		return errShort
	case time.Since(*short) < shortFor:
		return errShort
	}
	l.end(fmt.Errorf("%w (it ends at sequence %d, and did at %d)", errRestored, last, applied))
	return errRestored
}

// applied returns the sequence of the newest block that was applied.
func (l *Log) applied() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.sequence
}

// readTo reads and applies up to the sequence.
func (l *Log) readTo(last uint64) error {
	err := l.scan(l.ctx, l.applied()+1, last, func(sequence uint64, b *block) error {
		l.apply(sequence, b, b.copied())
		return l.Err()
	})
	if stays(err) || errors.Is(err, errLeft) {
		l.end(err)
	}
	return err
}
