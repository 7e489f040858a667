package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/service"
)

// tryListen shows what the rules make of the next live messages. It receives them by a visit of its
// own at QoS 0, which leaves the bridge's session, and what waits in it, alone.
func (p *program) tryListen(ctx context.Context, c *config.Config, messages int, wait time.Duration) int {
	if len(c.Mapper.Filters()) == 0 {
		return p.fail(errors.New("there are no rules, so nothing to listen for"))
	}
	v, err := visitToListen(ctx, c)
	if err != nil {
		return p.fail(err)
	}
	defer v.Close()
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wait, errWaited)
		defer cancel()
	}
	t := newTally(c.Mapper)
	err = p.follow(ctx, v, c.Mapper, t, messages)
	t.print(p.stdout, fmt.Sprintf("%d %s", t.events, plural(t.events, "message", "messages")))
	switch {
	case err != nil:
		return p.fail(fmt.Errorf("the connection to the broker is lost: %w", err))
	case t.sum[mapping.Rejected] > 0:
		return exitFailure
	case t.events < messages && errors.Is(context.Cause(ctx), errWaited):
		return exitWaited
	case t.sum[mapping.Mapped] == 0:
		return exitFailure
	}
	return exitOK
}

// errWaited is why no more messages are waited for.
var errWaited = errors.New("waited long enough")

// visitToListen visits the first of the broker's addresses that accepts it, and subscribes to the
// rules' topic filters.
func visitToListen(ctx context.Context, c *config.Config) (*mqtt.Visit, error) {
	settings, err := service.MQTT(c)
	if err != nil {
		return nil, err
	}
	var filters []mqtt.Filter
	for _, f := range c.Mapper.Filters() {
		filters = append(filters, mqtt.Filter{Topic: f.Topic, SkipRetained: f.SkipRetained})
	}
	var errs []error
	for _, u := range c.Broker.URL {
		v, err := mqtt.NewVisit(ctx, u, settings, mqtt.VisitOptions{ClientID: "mqtt-stomp-bridge-try-" + rand.Text()})
		if err == nil {
			_, err = v.Subscribe(ctx, 0, filters...)
			if err == nil {
				return v, nil
			}
			v.Close()
		}
		errs = append(errs, fmt.Errorf("%s: %w", u.Redacted(), err))
	}
	return nil, errors.Join(errs...)
}

// follow prints what the rules make of so many messages, until ctx is done. The error is why the
// connection has ended.
func (p *program) follow(ctx context.Context, v *mqtt.Visit, m *mapping.Mapper, t *tally, messages int) error {
	for t.events < messages {
		select {
		case e := <-v.Events():
			trace := m.Explain(commit.ForRules(e))
			if len(trace.Result.Outcomes) == 0 {
				continue // no rule's: a filter may be wider than its rules, and # brings the bridge's own topics
			}
			trace.Format(p.stdout)
			t.add(trace.Result)
		case <-v.Done():
			return v.Err()
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
