package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/mapping/topic"
)

const (
	filtersPerPacket = 64
	// quietTime is after how long a filter without any event is mentioned: Mosquitto's
	// ACL grants every subscription and then keeps silent.
	quietTime = 10 * time.Minute
)

// SetFilters replaces the subscriptions. The new ones are granted before those that
// are no longer wanted are dropped; those that stay are not touched. It returns when
// this is done and the retained messages under the given topic filters have been read.
// If ctx ends first, or the broker is away, the new filters stay the wanted ones and
// are brought into force as soon as possible.
func (c *Client) SetFilters(ctx context.Context, filters []Filter, retained []string) error {
	if err := checkFilters(filters); err != nil {
		return err
	}
	c.subs.replace(filters)
	done := c.retained.replace(retained)
	c.changed()
	signal(c.subscribeKick)
	if err := c.subs.wait(ctx); err != nil {
		return fmt.Errorf("changing subscriptions: %w", err)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reading retained messages: %w", ctx.Err())
	}
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
	filters := make([]Filter, len(subs))
	for i, s := range subs {
		filters[i] = Filter{Topic: s.Topic, SkipRetained: true}
	}
	ack, err := live.Subscribe(ctx, subscribePacket(1, filters))
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
	qos, err := grantedQoS(ack, i, err)
	if err == nil && qos == 0 {
		c.log.Warn("the broker grants QoS 0 only: events may be lost", "filter", s.Topic)
	}
	if err != nil {
		if times, say := c.refusals.due(s.Topic+" "+errorKind(err), time.Now()); say {
			c.log.Warn("subscription not granted, will keep trying", "filter", s.Topic, "error", err, "attempts", times)
		}
	}
	if c.subs.answer(s, epoch, err) {
		c.retained.ask(true)
	}
	return err
}

// checkFilters returns every mistake in the filters: the broker may end the connection for one.
func checkFilters(filters []Filter) error {
	var errs []error
	for _, f := range filters {
		errs = append(errs, topic.Check(f.Topic))
	}
	return errors.Join(errs...)
}

func subscribePacket(qos byte, filters []Filter) *paho.Subscribe {
	p := &paho.Subscribe{}
	for _, f := range filters {
		p.Subscriptions = append(p.Subscriptions, paho.SubscribeOptions{
			Topic:          f.Topic,
			QoS:            qos,
			RetainHandling: retainHandling(f),
		})
	}
	return p
}

// retainHandling asks for retained messages at each SUBSCRIBE (0) or never (2).
func retainHandling(f Filter) byte {
	if f.SkipRetained {
		return 2
	}
	return 0
}

// grantedQoS is the answer about the i-th filter of a SUBSCRIBE. err is what paho returns with ack:
// an error also where the broker has refused only another filter.
func grantedQoS(ack *paho.Suback, i int, err error) (byte, error) {
	switch {
	case ack == nil:
		return 0, err
	case i >= len(ack.Reasons):
		return 0, errors.New("the broker's answer has no reason code for it")
	case ack.Reasons[i] >= firstRefusal:
		return 0, &BrokerError{"the broker refuses the subscription", ack.Reasons[i], ack.Properties.ReasonString}
	}
	return ack.Reasons[i], nil
}

func (c *Client) unsubscribe(ctx context.Context, live *live, topics []string) error {
	ack, err := live.Unsubscribe(ctx, &paho.Unsubscribe{Topics: topics})
	if err != nil {
		if _, say := c.refusals.due("unsubscribe "+errorKind(err), time.Now()); say && !live.conn.closed() {
			c.log.Warn("cannot unsubscribe, will keep trying", "filters", topics, "error", err)
		}
		return err
	}
	if held := subscribedTo(topics, ack); len(held) > 0 {
		c.log.Info("dropped topic filters that are no longer wanted; an event that matched an old and a new one may have come twice",
			"filters", held)
	}
	c.subs.forget(topics)
	return nil
}

// subscribedTo returns the topics of an UNSUBSCRIBE that the session was subscribed to, by the
// broker's answer: those of Config.Stale mostly were dropped long ago.
func subscribedTo(topics []string, ack *paho.Unsuback) []string {
	var held []string
	for i, filter := range topics {
		if i >= len(ack.Reasons) || ack.Reasons[i] != codeNoSubscription {
			held = append(held, filter)
		}
	}
	return held
}

func (c *Client) mentionSilent() {
	for _, filter := range c.subs.silent() {
		c.log.Info("no event has come through this subscription yet: if you expect some, check the broker's access control",
			"filter", filter, "for", quietTime)
	}
}
