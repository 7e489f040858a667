package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/bridge/mqtt"
)

const (
	// awayExpiry is how long the session that is away for a measurement lasts if nobody comes for it.
	awayExpiry = 60
	// awayQuiet is after how long without a message no more are expected.
	awayQuiet = 2 * time.Second
	// awaySize is the size of a message of the measurement: an event's, more or less.
	awaySize = 500
)

// subscribe asks for everything that is looked at, the rules' topic filters one by one.
func (v *view) subscribe(ctx context.Context, s *session) {
	for _, f := range v.filters {
		code, err := s.subscribe(ctx, f.Topic)
		f.granted = err == nil && code < firstRefusal
		switch {
		case err != nil:
			v.add(finding{Fail, "subscribe", fmt.Sprintf("%s: %v", f.Topic, err), "the bridge gets nothing of it", "look at the broker's log"})
		case code >= firstRefusal:
			v.add(finding{Fail, "subscribe", fmt.Sprintf("%s: the broker refuses: %s", f.Topic, mqtt.ReasonText(code, "")),
				"the bridge gets nothing of it, and is not ready", "in the broker's access control: read " + f.Topic + " for " + v.user()})
		case code == 0:
			v.add(finding{Fail, "subscribe", f.Topic + ": the broker grants QoS 0 only",
				"events are lost whenever the bridge or its connection is away", v.line("max_qos", "max_qos 1")})
		}
	}
	for _, topic := range []string{v.Settings.Broker.BaseTopic + "/state", v.ownTopic(), "$SYS/#"} {
		s.subscribe(ctx, topic) // what cannot be had is reported where it is missed
	}
}

// roundTrip publishes a message to the doctor's own topic and waits for it. The bridge itself publishes below base_topic, and
// has no need to read there.
func (v *view) roundTrip(ctx context.Context, s *session) {
	base := v.Settings.Broker.BaseTopic
	line := "topic readwrite " + base + "/#"
	begin := time.Now()
	code, err := s.publish(ctx, &paho.Publish{Topic: v.ownTopic(), Payload: []byte(v.id)})
	switch {
	case err != nil:
		v.add(finding{Fail, "base_topic", fmt.Sprintf("publishing to %s at QoS 1: %v", v.ownTopic(), err), "", "look at the broker's log"})
		return
	case code >= firstRefusal:
		v.add(finding{Fail, "base_topic", fmt.Sprintf("%s may not publish below %s: %s", v.user(), base, mqtt.ReasonText(code, "")),
			"neither the bridge's state nor its dead letters can be published", v.aclLine(line)})
		return
	}
	select {
	case <-v.back:
		v.ok("base_topic", "a QoS 1 message to %s came back after %s", v.ownTopic(), time.Since(begin).Round(100*time.Microsecond))
	case <-time.After(roundTripTime):
		v.add(finding{Warn, "base_topic", fmt.Sprintf("a QoS 1 message to %s was taken and did not come back, though the subscription is granted", v.ownTopic()),
			"an ACL lets the bridge write there and not read: enough for the bridge, but the doctor sees neither its state nor whether another bridge has the same base_topic", v.aclLine(line)})
	case <-ctx.Done():
	}
}

// publish publishes the event that the doctor was told to, and reports whether it could.
func (v *view) publish(ctx context.Context, s *session) bool {
	if v.Publish == "" {
		return false
	}
	covered := false
	for _, f := range v.filters {
		covered = covered || covers(f.Topic, v.Publish)
	}
	if !covered {
		v.add(finding{Fail, "publish", v.Publish + ": no rule has this topic, so nothing was published", "", ""})
		return false
	}
	code, err := s.publish(ctx, &paho.Publish{Topic: v.Publish, Payload: v.event()})
	switch {
	case err != nil:
		v.add(finding{Fail, "publish", fmt.Sprintf("%s: %v", v.Publish, err), "", "look at the broker's log"})
	case code >= firstRefusal:
		v.add(finding{Note, "publish", fmt.Sprintf("%s: %s may not publish there: %s", v.Publish, v.user(), mqtt.ReasonText(code, "")),
			"as it should be, since the bridge only reads there; so it shows nothing of the reading",
			"nothing; publish as your backend does during doctor --listen 60s"})
	default:
		return true
	}
	return false
}

// reportPublished says whether the event came back.
func (v *view) reportPublished() {
	if v.returned {
		v.ok("publish", "%s: the event came back", v.Publish)
		return
	}
	v.add(finding{Fail, "publish", v.Publish + ": the broker took an event and did not deliver it, though the subscription is granted",
		"an ACL hides the topic from the bridge; an acl_file grants every SUBSCRIBE", v.aclLine("topic read " + v.Publish)})
}

// measureAway publishes messages to a session of the doctor's own that is away, and counts what has waited there.
func (d *doctor) measureAway(ctx context.Context, u *url.URL, s *session) {
	topic, id := d.ownTopic()+"/away", d.clientID()+"-away"
	waited, err := d.countWaiting(ctx, u, s, topic, id)
	switch {
	case err != nil:
		d.add(finding{Fail, "away", fmt.Sprintf("%s for a session that is away: %v", count(d.Away, "message"), err), "", "look at the broker's log"})
	case waited < d.Away:
		d.add(finding{Fail, "away", fmt.Sprintf("of %s of %d bytes for a session that was away, %d have waited", count(d.Away, "message"), awaySize, waited),
			"what is more is dropped, without a word to whoever has published it", d.line("max_queued_messages", "max_queued_messages 1000000")})
	default:
		d.ok("away", "all of %s of %d bytes for a session that was away have waited", count(d.Away, "message"), awaySize)
	}
	d.waited = err == nil
}

func (d *doctor) countWaiting(ctx context.Context, u *url.URL, s *session, topic, id string) (int, error) {
	away, err := d.connect(ctx, u, id, true, awayExpiry, nil)
	if err != nil {
		return 0, err
	}
	_, err = away.subscribe(ctx, topic)
	away.leave(err == nil)
	if err != nil {
		return 0, err
	}
	payload := []byte(strings.Repeat("x", awaySize))
	for range d.Away {
		if code, err := s.publish(ctx, &paho.Publish{Topic: topic, Payload: payload}); err != nil || code >= firstRefusal {
			d.countArrived(ctx, u, id) // takes the session away
			return 0, fmt.Errorf("publishing to %s: %s %v", topic, mqtt.ReasonText(code, ""), err)
		}
	}
	return d.countArrived(ctx, u, id)
}

// countArrived comes back to the session, counts what it brings, and ends it.
func (d *doctor) countArrived(ctx context.Context, u *url.URL, id string) (int, error) {
	var n atomic.Int64
	s, err := d.connect(ctx, u, id, false, awayExpiry, func(*paho.Publish) { n.Add(1) })
	if err != nil {
		return 0, err
	}
	defer s.leave(false)
	if !s.ack.SessionPresent {
		return 0, fmt.Errorf("the broker has forgotten the session, which was to last %d s", awayExpiry)
	}
	for before := int64(-1); before < n.Load() && before < int64(d.Away); {
		before = n.Load()
		sleep(ctx, awayQuiet)
	}
	return int(n.Load()), nil
}
