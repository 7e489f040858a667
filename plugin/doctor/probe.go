package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping/topic"
)

const (
	// roundTripTime is how long the doctor's own message may be under way.
	roundTripTime = 5 * time.Second
	// awayExpiry is how long the session that is away for a measurement lasts if nobody comes back
	// for it.
	awayExpiry = time.Minute
	// awayQuiet is the time without a message after which no more are expected.
	awayQuiet = 2 * time.Second
	// awaySize is the size of a message of the measurement: an event's, more or less.
	awaySize = 500
	// readAhead is how many bytes of retained messages may wait to be looked at.
	readAhead = 64 << 20
)

// subscribe connects, subscribes to everything that is examined, the rules' topic filters one by
// one, and follows what comes. A broker may end the connection at a filter that it does not allow:
// then it begins again, without that filter. It returns the visit; nil: there is no connection.
func (d *doctor) subscribe(ctx context.Context, u *url.URL, v *view, following *sync.WaitGroup) *mqtt.Visit {
	fatal := map[string]bool{} // topic filters at which the broker has ended a connection
	for n := 1; ; n++ {
		// Each has an identifier of its own: some brokers, when they clean up behind the connection before, take the
		// subscriptions of the next one with the same.
		visit, err := d.visit(ctx, u, mqtt.VisitOptions{ClientID: fmt.Sprintf("%s-%d", d.clientID(), n)})
		if err != nil {
			d.add(finding{level: Fail, check: "connect", seen: fmt.Sprintf("%s: another connection: %v", u, err), set: setBrokerLog})
			return nil
		}
		v.reset()
		following.Go(func() { v.follow(visit) })
		ended := d.subscribeAll(ctx, visit, v, fatal)
		if ended == "" {
			return visit
		}
		fatal[ended] = true
		visit.Close()
	}
}

// subscribeAll subscribes to everything but the fatal topic filters. It returns the filter at which
// the broker has ended the connection, if it has.
func (d *doctor) subscribeAll(ctx context.Context, visit *mqtt.Visit, v *view, fatal map[string]bool) (ended string) {
	for _, f := range v.filters {
		if fatal[f.Topic] || f.refused {
			continue
		}
		qos, err := visit.Subscribe(ctx, 1, mqtt.Filter{Topic: f.Topic, SkipRetained: true})
		again := f.granted
		f.granted, f.refused = err == nil, err != nil
		switch {
		case again && err == nil: // was said
		case err != nil || qos == 0:
			d.reportSubscription(f.Topic, visit, err)
		}
		if visit.Err() != nil {
			return f.Topic
		}
	}
	for _, t := range []string{v.base + "/state", v.own, "$SYS/#"} {
		if fatal[t] {
			continue
		}
		visit.Subscribe(ctx, 1, mqtt.Filter{Topic: t}) // what is refused is reported where it is missed
		if visit.Err() != nil {
			return t
		}
	}
	return ""
}

// reportSubscription says what is wrong with a subscription: err, or that it is one at QoS 0.
func (d *doctor) reportSubscription(filter string, visit *mqtt.Visit, err error) {
	f := finding{level: Fail, check: "subscribe", set: "in the broker's access control: read " + filter + " for " + d.user()}
	var refused *mqtt.BrokerError
	switch {
	case err == nil:
		f.seen, f.means, f.set = filter+": the broker grants QoS 0 only", meansQoS0, d.line("max_qos", "max_qos 1")
	case visit.Err() != nil:
		f.seen, f.means = err.Error(), meansEndsAtSubscribe
	case errors.As(err, &refused):
		f.seen, f.means = err.Error(), meansNotReady
	default:
		f.seen, f.means, f.set = err.Error(), meansNotSubscribed, setBrokerLog
	}
	d.add(f)
}

// readRetained looks at the retained messages under the rules' topic filters, as the bridge reads
// them: the doctor's other connection would get only what has room in its queue at the broker.
func (d *doctor) readRetained(ctx context.Context, u *url.URL, v *view) {
	var filters []string
	for _, f := range v.filters {
		if f.granted {
			filters = append(filters, f.Topic)
		}
	}
	if len(filters) == 0 {
		return
	}
	visit, err := d.visit(ctx, u, mqtt.VisitOptions{ClientID: d.clientID() + "-retained", ReadAhead: readAhead})
	if err == nil {
		defer visit.Close()
		err = visit.ReadRetained(ctx, filters, func(e *mqtt.Event) error { v.received(e); return nil })
	}
	if err != nil {
		d.add(finding{level: Fail, check: "retained", seen: "retained messages cannot be read: " + err.Error(), means: meansNoState, set: setBrokerLog})
	}
}

// notAuthorized reports whether err is the broker's answer to a client without the right to publish
// there.
func notAuthorized(err error) bool {
	var refused *mqtt.RefusedError
	return errors.As(err, &refused) && refused.Code == codeNotAuthorized
}

// roundTrip publishes a message to the doctor's own topic and waits for it. The bridge itself
// publishes below base_topic, and does not need to read there.
func (d *doctor) roundTrip(ctx context.Context, visit *mqtt.Visit, v *view) {
	line := "topic readwrite " + v.base + "/#"
	begin := time.Now()
	err := visit.Publish(ctx, mqtt.Message{Topic: v.own, Payload: []byte(d.id), QoS: 1})
	switch {
	case notAuthorized(err):
		d.add(finding{
			level: Fail, check: "base_topic",
			seen:  fmt.Sprintf("%s may not publish below %s: %s", d.user(), v.base, mqtt.ReasonText(codeNotAuthorized, "")),
			means: meansCannotPublish,
			set:   d.aclLine(line),
		})
		return
	case err != nil:
		d.add(finding{level: Fail, check: "base_topic", seen: "at QoS 1: " + err.Error(), set: setBrokerLog})
		return
	}
	select {
	case <-v.back:
		d.ok("base_topic", "a QoS 1 message to %s came back after %s", v.own, time.Since(begin).Round(100*time.Microsecond))
	case <-time.After(roundTripTime):
		d.add(finding{
			level: Warn, check: "base_topic",
			seen:  fmt.Sprintf("a QoS 1 message to %s was accepted and did not come back, though the subscription is granted", v.own),
			means: meansCannotReadBase,
			set:   d.aclLine(line),
		})
	case <-ctx.Done():
	}
}

// publish publishes the event that the doctor was told to, and reports whether the broker has
// accepted it.
func (d *doctor) publish(ctx context.Context, visit *mqtt.Visit, v *view) bool {
	if v.publish == "" {
		return false
	}
	covered := false
	for _, f := range v.filters {
		covered = covered || topic.Match(f.Topic, v.publish)
	}
	if !covered {
		d.add(finding{level: Fail, check: "publish", seen: v.publish + ": no rule has this topic, so nothing was published"})
		return false
	}
	err := visit.Publish(ctx, mqtt.Message{Topic: v.publish, Payload: v.event, QoS: 1})
	switch {
	case notAuthorized(err):
		d.add(finding{
			level: Note, check: "publish",
			seen:  fmt.Sprintf("%s: %s may not publish there: %s", v.publish, d.user(), mqtt.ReasonText(codeNotAuthorized, "")),
			means: meansReadsOnly,
			set:   setPublishLater,
		})
	case err != nil:
		d.add(finding{level: Fail, check: "publish", seen: err.Error(), set: setBrokerLog})
	}
	return err == nil
}

// reportPublished says whether the event came back.
func (d *doctor) reportPublished(v *view) {
	if v.returned {
		d.ok("publish", "%s: the event came back", v.publish)
		return
	}
	d.add(finding{
		level: Fail, check: "publish",
		seen:  v.publish + ": the broker accepted an event and did not deliver it, though the subscription is granted",
		means: meansHidden,
		set:   d.aclLine("topic read " + v.publish),
	})
}

// measureAway publishes messages to a session of the doctor's own that is away, and counts how many
// waited there.
func (d *doctor) measureAway(ctx context.Context, u *url.URL, visit *mqtt.Visit) {
	sent := d.cfg.Away
	waited, err := d.countWaiting(ctx, u, visit)
	switch {
	case err != nil:
		d.add(finding{
			level: Fail, check: "away",
			seen: fmt.Sprintf("%s for a session that is away: %v", count(sent, "message"), err),
			set:  setBrokerLog,
		})
	case waited < sent:
		d.add(finding{
			level: Fail, check: "away",
			seen:  fmt.Sprintf("%d of %s of %d bytes waited for a session that was away", waited, count(sent, "message"), awaySize),
			means: meansQueueFull,
			set:   d.line("max_queued_messages", "max_queued_messages 1000000"),
		})
	default:
		d.ok("away", "all of %s of %d bytes waited for a session that was away", count(sent, "message"), awaySize)
	}
	d.waited = err == nil
}

func (d *doctor) countWaiting(ctx context.Context, u *url.URL, visit *mqtt.Visit) (int, error) {
	topic := d.ownTopic() + "/away"
	o := mqtt.VisitOptions{ClientID: d.clientID() + "-away", SessionExpiry: awayExpiry}
	away, err := d.visit(ctx, u, o)
	if err != nil {
		return 0, err
	}
	if _, err := away.Subscribe(ctx, 1, mqtt.Filter{Topic: topic}); err != nil {
		away.Close()
		return 0, err
	}
	away.Leave()
	o.Resume = true
	payload := []byte(strings.Repeat("x", awaySize))
	for range d.cfg.Away {
		if err := visit.Publish(ctx, mqtt.Message{Topic: topic, Payload: payload, QoS: 1}); err != nil {
			d.countArrived(ctx, u, o) // ends the session
			return 0, err
		}
	}
	return d.countArrived(ctx, u, o)
}

// countArrived resumes the session, counts what it brings, and ends it.
func (d *doctor) countArrived(ctx context.Context, u *url.URL, o mqtt.VisitOptions) (n int, err error) {
	away, err := d.visit(ctx, u, o)
	if err != nil {
		return 0, err
	}
	defer away.Close()
	if !away.Connack.SessionPresent {
		return 0, fmt.Errorf("the broker has forgotten the session, which should last %s", o.SessionExpiry)
	}
	for n < d.cfg.Away {
		select {
		case <-away.Events():
			n++
		case <-time.After(awayQuiet):
			return n, nil
		case <-away.Done():
			return n, away.Err()
		case <-ctx.Done():
			return n, ctx.Err()
		}
	}
	return n, nil
}
