// Package lead gives out the turns to write a log within one process: one at a time, until the log
// ends.
package lead

import (
	"context"
	"errors"
	"sync"
)

var errOver = errors.New("journal: the turn to write is over")

// A Seat is held by one Turn at a time. Make one with NewSeat. It is safe for concurrent use.
type Seat struct {
	free chan struct{} // capacity 1: holds a token while no Turn has the seat
	done chan struct{} // closed by End

	mu   sync.Mutex
	turn *Turn // that has the seat; nil: none
	err  error // why the log has ended
}

// NewSeat returns a Seat that is free.
func NewSeat() *Seat {
	s := &Seat{free: make(chan struct{}, 1), done: make(chan struct{})}
	s.free <- struct{}{}
	return s
}

// Take waits until the seat is free and begins a Turn. The error is ctx's, or what End was given.
func (s *Seat) Take(ctx context.Context) (*Turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.done:
		return nil, s.Err()
	case <-s.free:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	s.turn = &Turn{seat: s, done: make(chan struct{}), left: make(chan struct{})}
	return s.turn, nil
}

// End ends the Turn that there is, and refuses others with the error. Only the first call counts.
func (s *Seat) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	close(s.done)
	if s.turn != nil {
		s.turn.endLocked()
	}
}

// Done is closed when End was called.
func (s *Seat) Done() <-chan struct{} { return s.done }

// Err returns what End was given; nil before.
func (s *Seat) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// A Turn lasts until Resign, or until its Seat ends.
type Turn struct {
	seat *Seat
	done chan struct{} // closed when the turn is over
	left chan struct{} // closed when none of its writes runs any more, either

	// guarded by seat.mu
	over    bool
	running int // between Begin and its end
}

// Begin is called before each write, and what it returns after it: the next Turn begins after the
// last write of this one.
func (t *Turn) Begin() (end func(), err error) {
	t.seat.mu.Lock()
	defer t.seat.mu.Unlock()
	switch {
	case t.seat.err != nil:
		return nil, t.seat.err
	case t.over:
		return nil, errOver
	}
	t.running++
	return t.finish, nil
}

func (t *Turn) finish() {
	t.seat.mu.Lock()
	defer t.seat.mu.Unlock()
	t.running--
	t.leaveLocked()
}

// Resign ends the turn. It waits for nothing.
func (t *Turn) Resign() {
	t.seat.mu.Lock()
	defer t.seat.mu.Unlock()
	t.endLocked()
}

// Done is closed when the turn is over.
func (t *Turn) Done() <-chan struct{} { return t.done }

// Left is closed when the turn is over and the last of its writes has ended.
func (t *Turn) Left() <-chan struct{} { return t.left }

func (t *Turn) endLocked() {
	if t.over {
		return
	}
	t.over = true
	close(t.done)
	t.leaveLocked()
}

// leaveLocked frees the seat when the turn is over and none of its writes runs any more.
func (t *Turn) leaveLocked() {
	if t.over && t.running == 0 && t.seat.turn == t {
		t.seat.turn = nil
		close(t.left)
		t.seat.free <- struct{}{}
	}
}
