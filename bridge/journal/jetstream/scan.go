package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A scan reads blocks in order, and some rows ahead of where they are taken: one request after
// another would mostly wait.
type scan struct {
	log   *Log
	ctx   context.Context
	wg    sync.WaitGroup
	ahead []*pending // in order
	next  uint64     // sequence, of the row to be asked for next
	last  uint64     // sequence
	max   int        // blocks of the row to be asked for next
}

// A pending row is asked for.
type pending struct {
	row
	flight
}

// Of a row of a scan, at most. Rows that are on their way share the connection, and each has to
// bring something within askTimeout.
const (
	scanBlocks = 512
	scanBytes  = 1 << 20 // about
)

// scan reads the blocks from the sequence next to last, and calls take with each.
func (l *Log) scan(ctx context.Context, next, last uint64, take func(sequence uint64, b *block) error) error {
	ctx, cancel := context.WithCancel(ctx)
	s := scan{log: l, ctx: ctx, next: next, last: last, max: rowBlocks}
	defer s.wg.Wait()
	defer cancel()
	for s.askAhead() {
		if err := s.takeRow(take); err != nil {
			return err
		}
	}
	return nil
}

// askAhead has as many rows on their way as may be. It reports false where there is none.
func (s *scan) askAhead() bool {
	for len(s.ahead) < readers && s.next <= s.last {
		p := &pending{row{s.next, int(min(uint64(s.max), s.last-s.next+1))}, flight{done: make(chan struct{})}}
		s.next += uint64(p.max)
		s.ahead = append(s.ahead, p)
		r := p.row
		s.wg.Go(func() {
			defer close(p.done)
			p.blocks, p.err = s.log.readRow(s.ctx, r)
		})
	}
	return len(s.ahead) > 0
}

// takeRow waits for the row in front, and calls take with its blocks.
func (s *scan) takeRow(take func(sequence uint64, b *block) error) error {
	p := s.ahead[0]
	s.ahead = s.ahead[1:]
	<-p.done
	blocks, err := p.blocks, p.err
	if err != nil && !stays(err) {
		s.max, err = max(1, s.max/4), nil // the servers are slow, or the way to them is
	}
	for {
		if err != nil {
			return err
		}
		for _, b := range blocks {
			if err := take(p.first, b); err != nil {
				return err
			}
			p.first++
			p.max--
		}
		s.learn(blocks)
		if p.max == 0 {
			return nil
		}
		blocks, err = s.log.readPatiently(s.ctx, p.row) // fewer than asked for came
	}
}

// learn makes the next rows as long as scanBytes allows for blocks like these.
func (s *scan) learn(blocks []*block) {
	bytes := 0
	for _, b := range blocks {
		bytes += b.size
	}
	if bytes > 0 {
		s.max = min(max(1, len(blocks)*scanBytes/bytes), scanBlocks)
	}
}

// readPatiently reads the row, or what comes first of it, also where who is asked does not have it yet.
func (l *Log) readPatiently(ctx context.Context, r row) ([]*block, error) {
	for range lagAttempts {
		blocks, err := l.readRow(ctx, r)
		if err != nil || len(blocks) > 0 {
			return blocks, err
		}
		if err := l.mayCome(ctx, r.first); err != nil {
			return nil, err
		}
		if err := pause(ctx, lagPause); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("journal: sequence %d is missing", r.first)
}

// mayCome returns an error where the block of the sequence, which was there, has left the stream.
func (l *Log) mayCome(ctx context.Context, sequence uint64) error {
	first, _, err := l.ends(ctx)
	if err == nil && first > sequence {
		err = fmt.Errorf("%w (sequence %d; it begins at %d)", errLeft, sequence, first)
	}
	return err
}

// stays reports whether the error is of what stands in the stream, so that it does not pass.
func stays(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, errRestored) || errors.Is(err, errFormat)
}
