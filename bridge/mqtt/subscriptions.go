package mqtt

import (
	"context"
	"slices"
	"sync"

	"mqtt-stomp-bridge/mapping/topic"
)

// subscriptions are the filters asked for, and how each stands.
type subscriptions struct {
	mu       sync.Mutex
	wanted   []*subscription
	index    *topic.Index // of the indices of wanted
	levels   []string     // of a topic name; scratch, and so is matching
	matching []int
	dropped  []string      // topic filters to unsubscribe once every wanted one is granted
	epoch    int           // grows with each connection
	settled  chan struct{} // closed while every wanted filter is granted and none is to be dropped
}

type subscription struct {
	Filter
	granted bool // on the present connection
	err     error
	events  uint64
	quiet   bool // was mentioned
}

// newSubscriptions asks for the filters, and for the end of those of stale that are not among them.
func newSubscriptions(filters []Filter, stale []string) *subscriptions {
	s := &subscriptions{settled: make(chan struct{}), dropped: slices.Clone(stale)}
	for _, f := range filters {
		s.wanted = append(s.wanted, &subscription{Filter: f})
	}
	s.wantLocked()
	return s
}

// replace asks for filters in place of the present ones. One that stays is left alone.
func (s *subscriptions) replace(filters []Filter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := map[Filter]*subscription{}
	for _, o := range s.wanted {
		old[o.Filter] = o
		s.dropped = append(s.dropped, o.Topic)
	}
	s.wanted = make([]*subscription, 0, len(filters))
	for _, f := range filters {
		sub := old[f]
		if sub == nil {
			sub = &subscription{Filter: f}
		}
		s.wanted = append(s.wanted, sub)
	}
	s.wantLocked()
	s.updateLocked()
}

// wantLocked indexes what is wanted, and keeps of dropped what is not, each filter once.
func (s *subscriptions) wantLocked() {
	s.index = new(topic.Index)
	known := map[string]bool{}
	for i, w := range s.wanted {
		s.index.AddFilter(w.Topic, i)
		known[w.Topic] = true
	}
	s.dropped = slices.DeleteFunc(s.dropped, func(filter string) bool {
		twice := known[filter]
		known[filter] = true
		return twice
	})
}

// reset makes every filter one that is still to be granted, on a new connection.
func (s *subscriptions) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	for _, w := range s.wanted {
		w.granted = false
	}
	s.updateLocked()
}

// pending returns what is still to be granted, and the epoch to answer with.
func (s *subscriptions) pending() (pending []*subscription, epoch int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wanted {
		if !w.granted {
			pending = append(pending, w)
		}
	}
	return pending, s.epoch
}

// answer notes the broker's answer about sub. nil: granted. It reports whether the broker has
// granted what it had refused before.
func (s *subscriptions) answer(sub *subscription, epoch int, err error) (mended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch != s.epoch {
		return false
	}
	mended = err == nil && sub.err != nil
	sub.granted, sub.err = err == nil, err
	s.updateLocked()
	return mended
}

// answered reports whether the broker has granted or refused every wanted filter.
func (s *subscriptions) answered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.wanted, func(w *subscription) bool { return !w.granted && w.err == nil })
}

// covers reports whether a granted filter brings everything that matches the topic filter.
func (s *subscriptions) covers(filter string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.index.Intersecting(nil, filter), func(i int) bool {
		return s.wanted[i].granted && topic.Covers(s.wanted[i].Topic, filter)
	})
}

// surplus returns the topic filters that can be unsubscribed now.
func (s *subscriptions) surplus() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.grantedLocked() {
		return nil
	}
	return slices.Clone(s.dropped)
}

// forget notes that topics are unsubscribed.
func (s *subscriptions) forget(topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = slices.DeleteFunc(s.dropped, func(t string) bool { return slices.Contains(topics, t) })
	s.updateLocked()
}

// granted reports whether every wanted filter is granted.
func (s *subscriptions) granted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grantedLocked()
}

func (s *subscriptions) grantedLocked() bool {
	return !slices.ContainsFunc(s.wanted, func(w *subscription) bool { return !w.granted })
}

func (s *subscriptions) updateLocked() {
	settled := s.grantedLocked() && len(s.dropped) == 0
	select {
	case <-s.settled:
		if !settled {
			s.settled = make(chan struct{})
		}
	default:
		if settled {
			close(s.settled)
		}
	}
}

// wait waits until every wanted filter is granted and none is to be dropped.
func (s *subscriptions) wait(ctx context.Context) error {
	s.mu.Lock()
	settled := s.settled
	s.mu.Unlock()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count notes the events for the filters that match their topic names.
func (s *subscriptions) count(events []*Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.levels = topic.AppendLevels(s.levels[:0], e.Topic)
		s.matching = s.index.Match(s.matching[:0], s.levels)
		for _, i := range s.matching {
			s.wanted[i].events++
		}
	}
}

func (s *subscriptions) states() []FilterState {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := make([]FilterState, len(s.wanted))
	for i, w := range s.wanted {
		states[i] = FilterState{Filter: w.Filter, Granted: w.granted, Err: w.err, Events: w.events}
	}
	return states
}

// silent returns the topic filters without any event that were not returned before.
func (s *subscriptions) silent() (topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wanted {
		if w.events == 0 && !w.quiet {
			w.quiet = true
			topics = append(topics, w.Topic)
		}
	}
	return topics
}
