package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

const (
	filtersPerPacket = 64
	// quietTime is after how long a filter without any event is mentioned: Mosquitto's
	// ACL grants every subscription and then keeps silent.
	quietTime = 10 * time.Minute
)

// subscriptions are the filters asked for, and how each stands.
type subscriptions struct {
	mu      sync.Mutex
	wanted  []*subscription
	dropped []string      // topic filters to unsubscribe once every wanted one is granted
	epoch   int           // grows with each connection
	settled chan struct{} // closed while every wanted filter is granted and none is to be dropped
}

type subscription struct {
	Filter
	asked   bool // at least once
	granted bool // on the present connection
	err     error
	events  uint64
	quiet   bool // was mentioned
}

func newSubscriptions(filters []Filter) *subscriptions {
	s := &subscriptions{settled: make(chan struct{})}
	for _, f := range filters {
		s.wanted = append(s.wanted, &subscription{Filter: f})
	}
	return s
}

// replace asks for filters in place of the present ones. One that stays is left alone.
func (s *subscriptions) replace(filters []Filter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.wanted
	s.wanted = make([]*subscription, 0, len(filters))
	for _, f := range filters {
		sub := &subscription{Filter: f}
		for _, o := range old {
			if o.Filter == f {
				sub = o
			}
		}
		s.wanted = append(s.wanted, sub)
	}
	for _, o := range old {
		if !slices.Contains(s.dropped, o.Topic) {
			s.dropped = append(s.dropped, o.Topic)
		}
	}
	s.dropped = slices.DeleteFunc(s.dropped, s.wantsLocked)
	s.updateLocked()
}

func (s *subscriptions) wantsLocked(topic string) bool {
	return slices.ContainsFunc(s.wanted, func(w *subscription) bool { return w.Topic == topic })
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

// answer notes the broker's answer about sub. nil: granted.
func (s *subscriptions) answer(sub *subscription, epoch int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch != s.epoch {
		return
	}
	sub.granted, sub.err = err == nil, err
	s.updateLocked()
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

// count notes an event for the filters that match its topic.
func (s *subscriptions) count(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wanted {
		if match(w.Topic, topic) {
			w.events++
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

// SetFilters replaces the subscriptions. The new ones are granted before those that
// are no longer wanted are dropped; those that stay are not touched. It returns when
// this is done. If ctx ends first, or the broker is away, the new filters stay the
// wanted ones and are brought into force as soon as possible.
func (c *Client) SetFilters(ctx context.Context, filters []Filter) error {
	if err := checkFilters(filters); err != nil {
		return err
	}
	c.subs.replace(filters)
	signal(c.subscribeKick)
	if err := c.subs.wait(ctx); err != nil {
		return fmt.Errorf("changing subscriptions: %w", err)
	}
	return nil
}

// keepSubscribed brings the wanted filters into force on every connection, trying
// again after growing pauses until the broker grants each.
func (c *Client) keepSubscribed(ctx context.Context) {
	quiet := time.NewTimer(quietTime)
	defer quiet.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-quiet.C:
			c.mentionSilent()
			continue
		case <-c.subscribeKick:
			failures = 0
		case <-retry.C:
		}
		if err := c.subscribe(ctx); err != nil {
			failures++
			retry.Reset(pause(failures+2, 0))
		}
		c.changed()
	}
}

// subscribe asks for what is not granted yet, then drops what is not wanted any more.
// An error means that it is worth trying again on the same connection.
func (c *Client) subscribe(ctx context.Context) error {
	live := c.receiving.current()
	if live == nil {
		return nil
	}
	ctx, cancel := live.conn.bound(ctx)
	defer cancel()
	pending, epoch := c.subs.pending()
	var errs []error
	for chunk := range slices.Chunk(pending, filtersPerPacket) {
		errs = append(errs, c.subscribeSome(ctx, live, chunk, epoch))
	}
	for chunk := range slices.Chunk(c.subs.surplus(), filtersPerPacket) {
		errs = append(errs, c.unsubscribe(ctx, live, chunk))
	}
	if live.conn.closed() {
		return nil
	}
	return errors.Join(errs...)
}

func (c *Client) subscribeSome(ctx context.Context, live *live, subs []*subscription, epoch int) error {
	p := &paho.Subscribe{}
	for _, s := range subs {
		p.Subscriptions = append(p.Subscriptions, paho.SubscribeOptions{
			Topic:          s.Topic,
			QoS:            1,
			RetainHandling: retainHandling(s.Filter),
		})
	}
	ack, err := live.Subscribe(ctx, p)
	if live.conn.closed() {
		return nil // the next connection asks again
	}
	var errs []error
	for i, s := range subs {
		errs = append(errs, c.subscribed(s, epoch, ack, i, err))
	}
	return errors.Join(errs...)
}

// subscribed notes the answer about the i-th subscription of a packet.
func (c *Client) subscribed(s *subscription, epoch int, ack *paho.Suback, i int, err error) error {
	switch {
	case ack == nil:
	case i >= len(ack.Reasons):
		err = errors.New("the broker's answer has no reason code for it")
	case ack.Reasons[i] >= firstRefusal:
		err = &brokerError{"the broker refuses the subscription", ack.Reasons[i], ack.Properties.ReasonString}
	default:
		err = nil
		if ack.Reasons[i] == 0 {
			c.log.Warn("the broker grants QoS 0 only: events may be lost", "filter", s.Topic)
		}
	}
	c.subs.answer(s, epoch, err)
	if err == nil {
		return nil
	}
	if times, say := c.refusals.due(s.Topic+" "+kind(err), time.Now()); say {
		c.log.Warn("subscription not granted, will keep trying", "filter", s.Topic, "err", err, "attempts", times)
	}
	return err
}

func (c *Client) unsubscribe(ctx context.Context, live *live, topics []string) error {
	if _, err := live.Unsubscribe(ctx, &paho.Unsubscribe{Topics: topics}); err != nil {
		return err
	}
	c.subs.forget(topics)
	return nil
}

func (c *Client) mentionSilent() {
	for _, topic := range c.subs.silent() {
		c.log.Info("no event has come through this subscription yet: if there should be some, look at the broker's access control", "filter", topic, "for", quietTime)
	}
}

// retainHandling asks for retained copies when a subscription is new (1) or never (2).
func retainHandling(f Filter) byte {
	if f.SkipRetained {
		return 2
	}
	return 1
}

func checkFilters(filters []Filter) error {
	var errs []error
	for _, f := range filters {
		errs = append(errs, checkFilter(f.Topic))
	}
	return errors.Join(errs...)
}

// checkFilter reports what is wrong with a topic filter (MQTT 5, 4.7). The broker
// would end the connection for it.
func checkFilter(filter string) error {
	if filter == "" || len(filter) > maxString || filter != text(filter) {
		return fmt.Errorf("topic filter %.100q: must be 1 to %d bytes of UTF-8 without control characters", filter, maxString)
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if level == "+" || level == "#" && i == len(levels)-1 {
			continue
		}
		if strings.ContainsAny(level, "+#") {
			return fmt.Errorf("topic filter %q: + and # must be a whole level, # the last", filter)
		}
	}
	return nil
}

// match reports whether topic matches filter (MQTT 5, 4.7).
func match(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	for {
		f, filterRest, moreFilter := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, topicRest, moreTopic := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		if !moreFilter || !moreTopic {
			return moreFilter == moreTopic || filterRest == "#"
		}
		filter, topic = filterRest, topicRest
	}
}
