package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/service"
)

// tryListen shows what the rules make of the next live messages. It receives them by a visit of its
// own at QoS 0, which leaves the bridge's session, and what waits in it, alone.
func (p *program) tryListen(ctx context.Context, t *trial, o tryOptions) error {
	c := t.config
	if len(c.Mapper.Filters()) == 0 {
		return errors.New("there are no rules, so nothing to listen for")
	}
	v, err := visitToListen(ctx, c)
	if err != nil {
		return err
	}
	defer v.Close()
	if wait := seconds(o.wait); wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wait, errWaited)
		defer cancel()
	}
	t.traces = p.traces(o.format, p.stdout)
	err = t.follow(ctx, v, o.live)
	n := t.tally
	if o.format != formatJSON {
		n.print(p.stdout, fmt.Sprintf("%d %s", n.events, plural(n.events, "message", "messages")))
	}
	t.end(o.remembers)
	switch {
	case err != nil:
		return fmt.Errorf("the connection to the broker is lost: %w", err)
	case n.sum[mapping.Rejected] > 0:
		return exit(exitFailure)
	case n.events < o.live && errors.Is(context.Cause(ctx), errWaited):
		return exit(exitWaited)
	case n.sum[mapping.Mapped] == 0:
		return exit(exitFailure)
	}
	return nil
}

// errWaited is why no more messages are waited for.
var errWaited = errors.New("waited long enough")

// visitToListen visits the broker and subscribes to the rules' topic filters.
func visitToListen(ctx context.Context, c *config.Config) (*mqtt.Visit, error) {
	var filters []mqtt.Filter
	for _, f := range c.Mapper.Filters() {
		filters = append(filters, mqtt.Filter{Topic: f.Topic, SkipRetained: f.SkipRetained})
	}
	settings, err := service.MQTT(c)
	if err != nil {
		return nil, err
	}
	return visitAny(ctx, c.Broker.URL, settings, "try", func(v *mqtt.Visit) error {
		_, err := v.Subscribe(ctx, 0, filters...)
		return err
	})
}

// visitAny visits the first of the broker's addresses at which the errand succeeds. The caller
// closes the visit.
func visitAny(ctx context.Context, urls []*url.URL, settings mqtt.Config, name string, errand func(*mqtt.Visit) error) (*mqtt.Visit, error) {
	var errs []error
	for _, u := range urls {
		v, err := mqtt.NewVisit(ctx, u, settings, mqtt.VisitOptions{ClientID: "mqtt-stomp-bridge-" + name + "-" + rand.Text()})
		if err == nil {
			if err = errand(v); err == nil {
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
func (t *trial) follow(ctx context.Context, v *mqtt.Visit, messages int) error {
	for t.tally.events < messages {
		select {
		case e := <-v.Events():
			trace := t.explain(commit.ForRules(e))
			if len(trace.Result.Outcomes) == 0 {
				continue // no rule's: a filter may be wider than its rules, and # brings the bridge's own topics
			}
			t.show(trace)
		case <-v.Done():
			return v.Err()
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
