//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A crowd is the sessions of one run.
type crowd struct {
	open    func(ctx context.Context, index int) (*session, error)
	atOnce  int // how many handshakes are under way at one time
	seen    observer
	beat    time.Duration // how often a session says that it is there, as it has promised
	broken  func(error)   // told of every session that could not be opened, or ended by itself
	running sync.WaitGroup

	mu       sync.Mutex
	sessions []*session
}

// fewAtOnce is how many handshakes are under way at one time where the crowd is no storm.
const fewAtOnce = 64

// beatTurns divide the time between two beats, so that sessions beat one after the other.
const beatTurns = 300

// connect opens sessions first to before last, and has them read. It returns when each is open or
// broken.
func (c *crowd) connect(ctx context.Context, first, last int) error {
	var opened sync.WaitGroup
	next := make(chan int)
	for range min(c.atOnce, last-first) {
		opened.Go(func() {
			for i := range next {
				c.add(ctx, i)
			}
		})
	}
	for i := first; i < last && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	opened.Wait()
	return context.Cause(ctx)
}

// add opens session i and has it read.
func (c *crowd) add(ctx context.Context, i int) {
	if ctx.Err() != nil {
		return
	}
	s, err := c.open(ctx, i)
	if err != nil {
		c.broken(fmt.Errorf("opening session %d: %w", i, err))
		return
	}
	c.mu.Lock()
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	if s.deaf {
		return
	}
	c.running.Go(func() {
		if err := s.read(c.seen); err != nil {
			s.close()
			c.broken(fmt.Errorf("session %d: %w", i, err))
		}
	})
}

// keepAlive has all sessions beat until ctx is done.
func (c *crowd) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(c.beat / beatTurns)
	defer ticker.Stop()
	for turn := 0; ; turn = (turn + 1) % beatTurns {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		for i := turn; i < len(c.sessions); i += beatTurns {
			c.sessions[i].keepAlive()
		}
		c.mu.Unlock()
	}
}

// close ends all sessions and waits until nothing reads them.
func (c *crowd) close() {
	c.mu.Lock()
	for _, s := range c.sessions {
		s.close()
	}
	c.mu.Unlock()
	c.running.Wait()
}
