package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A snapshot of which a subscription gets little, as of what is addressed to one user, is mostly
// reading what is for others. Many of these at a time would take all processors from those who have
// something to deliver. So one goroutine reads for all of them: what waits when it begins is one
// round, which reads the queue once.

// A search finds the positions of the entries of a snapshot that a subscription gets.
type search struct {
	queue      string
	after, end uint64            // the newest entries per key between these, end included
	wants      func(*Entry) bool // called by the searcher
	owner      Owner             // woken when it is done
	dropped    atomic.Bool       // nobody waits for it any more

	// Owned by the searcher until done is set, then by the feed.
	found []uint64
	upTo  uint64 // all that it was to find up to here is in found
	err   error
	done  atomic.Bool
}

// maxFound bounds the positions that one search remembers; the snapshot goes on with another.
const maxFound = 4096

// searches are those of a Hub.
type searches struct {
	mu      sync.Mutex
	waiting []*search
	running bool
	closed  bool
}

// newSearch begins a search for the rest of the cursor's snapshot.
func (f *Feed) newSearch(c *Cursor) *search {
	asker, its := &Feed{tokens: f.tokens}, &Cursor{own: c.own, filter: c.filter} // of its own: the feed goes on meanwhile
	s := &search{
		queue: c.queue, after: c.pos, end: c.liveFrom, owner: f.owner,
		wants: func(e *Entry) bool { return asker.wants(its, e) },
	}
	f.hub.search(s)
	return s
}

func (h *Hub) search(s *search) {
	q := &h.searches
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, s)
	if !q.running && !q.closed {
		q.running = true
		h.waker.Go(h.searchAll)
	}
}

// searchAll makes rounds while there are searches.
func (h *Hub) searchAll() {
	q := &h.searches
	for {
		q.mu.Lock()
		round := q.waiting
		q.waiting = nil
		if len(round) == 0 || q.closed {
			q.running = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		byQueue := map[string][]*search{}
		for _, s := range round {
			byQueue[s.queue] = append(byQueue[s.queue], s)
		}
		for queue, part := range byQueue {
			h.searchQueue(h.ctx, queue, part)
		}
	}
}

// searchQueue reads the newest entries of the queue once, for all the searches.
func (h *Hub) searchQueue(ctx context.Context, queue string, round []*search) {
	at := slices.MinFunc(round, func(a, b *search) int { return cmp.Compare(a.after, b.after) }).after
	for len(round) > 0 && ctx.Err() == nil {
		began := time.Now()
		page, err := h.readPatiently(ctx, ask{queue: queue, after: at, max: pageEntries})
		round = slices.DeleteFunc(round, func(s *search) bool {
			if !s.take(page, err) {
				return false
			}
			s.done.Store(true)
			s.owner.Wake()
			return true
		})
		if len(page) > 0 {
			at = page[len(page)-1].Position
		}
		time.Sleep(time.Since(began)) // half of a processor is for those who have something to deliver
	}
}

// take looks through a page, and reports whether the search is over.
func (s *search) take(page []Entry, err error) (over bool) {
	switch {
	case s.dropped.Load():
		return true
	case err != nil:
		s.err = fmt.Errorf("hub: searching the newest of %s: %w", s.queue, err)
		return true
	case len(page) == 0:
		s.upTo = s.end
		return true
	}
	for i := range page {
		e := &page[i]
		switch {
		case e.Position > s.end:
			s.upTo = s.end
			return true
		case e.Position <= s.after || !s.wants(e):
			continue
		}
		s.found = append(s.found, e.Position)
		if len(s.found) == maxFound {
			s.upTo = e.Position
			return true
		}
	}
	return false
}

// dropSearch ends the cursor's search. Its snapshot goes on where it has come to.
func (c *Cursor) dropSearch() {
	if c.search != nil {
		c.search.dropped.Store(true)
		c.search = nil
	}
}

// takeFound appends frames of what the cursor's search has found.
func (f *Feed) takeFound(dst []byte, c *Cursor, limit int) (out []byte, more bool, err error) {
	s := c.search
	if !s.done.Load() {
		return dst, false, nil // the owner is woken when it is
	}
	full := len(dst) + limit
	for s.err == nil && len(s.found) > 0 && c.room() > 0 && len(dst) < full {
		position := s.found[0]
		page, err := f.page(ask{queue: c.queue, after: position - 1, max: 1})
		if errors.Is(err, errReading) {
			return dst, false, nil
		}
		s.found = s.found[1:]
		if err != nil {
			s.err = fmt.Errorf("hub: reading the newest of %s at position %d: %w", c.queue, position, err)
			break
		}
		if len(page) > 0 && page[0].Position == position { // else there is a newer one of its key, which is live
			dst = c.append(dst, &page[0])
			f.took(c, &page[0])
		}
	}
	switch {
	case s.err != nil:
		c.search = nil
		return dst, false, s.err
	case len(s.found) == 0:
		c.search = nil
		c.skipTo(s.upTo)
	}
	return dst, true, nil
}
