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
	tally   *tally
	fail    context.CancelCauseFunc // ends the run
	running sync.WaitGroup

	mu       sync.Mutex
	sessions []*session
}

// opening is how many handshakes are under way at one time.
const opening = 64

// beatInterval is how often a session says that it is there; it has promised every 30 s.
const beatInterval = 20 * time.Second

// connect opens sessions first to before last, and has them read.
func (c *crowd) connect(ctx context.Context, first, last int) error {
	var opened sync.WaitGroup
	next := make(chan int)
	for range min(opening, last-first) {
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

// add opens session i and has it read. What goes wrong ends the run.
func (c *crowd) add(ctx context.Context, i int) {
	if ctx.Err() != nil {
		return
	}
	s, err := c.open(ctx, i)
	if err != nil {
		c.fail(fmt.Errorf("opening session %d: %w", i, err))
		return
	}
	c.mu.Lock()
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	c.running.Go(func() {
		if err := s.read(c.tally); err != nil {
			c.fail(fmt.Errorf("session %d: %w", i, err))
		}
	})
}

// keepAlive has all sessions beat until ctx is done.
func (c *crowd) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(beatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		for _, s := range c.sessions {
			s.keepAlive()
		}
		c.mu.Unlock()
	}
}

// close ends all sessions and waits until nothing reads them.
func (c *crowd) close() {
	c.mu.Lock()
	for _, s := range c.sessions {
		s.conn.Close()
	}
	c.mu.Unlock()
	c.running.Wait()
}
