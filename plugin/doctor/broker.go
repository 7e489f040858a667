package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/mapping"
)

// examineBroker looks at what can be seen over MQTT.
func (d *doctor) examineBroker(ctx context.Context) {
	u := d.reach(ctx)
	if u == nil {
		return
	}
	v := newView(d)
	s, err := d.connect(ctx, u, d.clientID(), true, 0, v.received)
	if err != nil {
		d.add(finding{Fail, "connect", fmt.Sprintf("%s: the second connection: %v", u, err), "", "look at the broker's log"})
		return
	}
	defer s.leave(false)
	d.examineLimits(s.ack.Properties)
	v.subscribe(ctx, s)
	v.roundTrip(ctx, s)
	published := v.publish(ctx, s)
	if d.Away > 0 && s.life.Err() == nil {
		d.measureAway(ctx, u, s)
	}
	bound, cancel := context.WithTimeout(ctx, d.Listen)
	defer cancel()
	select {
	case <-bound.Done():
	case <-s.life.Done():
		d.add(finding{Fail, "connect", fmt.Sprintf("the connection ended while it was looked at: %v", context.Cause(s.life)), "", "look at the broker's log"})
		return
	}
	v.report(published)
}

// report says what was seen, once nothing more is waited for.
func (v *view) report(published bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reportBridge()
	for _, f := range v.filters {
		v.reportFilter(f)
	}
	v.reportRules()
	if published {
		v.reportPublished()
	}
	v.reportFigures()
}

// reach returns the first address that lets the bridge in, nil when there is none.
func (d *doctor) reach(ctx context.Context) *url.URL {
	asked := uint32(d.Settings.Broker.SessionExpiry / time.Second)
	for i, u := range d.Settings.Broker.URL {
		// The session that is asked for here has no subscriptions, and ends with the connection.
		s, err := d.connect(ctx, u, d.clientID(), true, asked, nil)
		if err == nil {
			s.leave(false)
			d.ok("connect", "%s lets %s in, with MQTT 5", u, d.user())
			d.examineExpiry(asked, s.ack.Properties.SessionExpiryInterval)
			return u
		}
		means, set := d.unreachable(u, err)
		level := Fail
		if i < len(d.Settings.Broker.URL)-1 {
			level = Warn // the bridge tries the next one, too
		}
		d.add(finding{level, "connect", fmt.Sprintf("%s, as %s: %v", u, d.user(), err), means, set})
	}
	return nil
}

func (d *doctor) user() string {
	if name := d.Settings.Broker.Username; name != "" {
		return fmt.Sprintf("user %q", name)
	}
	return "an anonymous client"
}

// examineExpiry compares what was asked with what was granted; none: as asked (MQTT 5, 3.2.2.3.2).
func (d *doctor) examineExpiry(asked uint32, granted *uint32) {
	if granted != nil && *granted < asked {
		d.add(finding{Fail, "session-expiry",
			fmt.Sprintf("asked for %s, granted %s", seconds(asked), seconds(*granted)),
			"the broker drops the bridge's session, and what waits in it, when the bridge is away for longer",
			"the broker's limit for sessions; or accept it: " + d.places.of("broker.session_expiry")})
		return
	}
	unseen := ""
	if d.file == nil {
		unseen = "; a shorter persistent_client_expiration would not show here"
	}
	d.ok("session-expiry", "%s, as asked for%s", seconds(asked), unseen)
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

// examineLimits looks at what the broker has said of itself in the CONNACK.
func (d *doctor) examineLimits(p *paho.ConnackProperties) {
	d.ok("limits", "%s", describeLimits(p))
	if p.MaximumQoS != nil && *p.MaximumQoS == 0 {
		d.add(finding{Fail, "max-qos", "the broker takes and grants QoS 0 only",
			"events are lost whenever the bridge or its connection is away, and dead letters cannot be published safely", d.line("max_qos", "max_qos 1")})
	}
	if !p.RetainAvailable {
		d.add(finding{Fail, "retain", "the broker has no retained messages", "it refuses the bridge's sending connection, whose last will is retained", d.line("retain_available", "retain_available true")})
	}
	wild := slices.ContainsFunc(d.Settings.Mapper.Rules(), func(r mapping.RuleInfo) bool { return strings.ContainsAny(r.Topic, "+#{") })
	if !p.WildcardSubAvailable && wild {
		d.add(finding{Fail, "wildcards", "the broker has no wildcard subscriptions", "it refuses the rules' topic filters", "topics without {names}, + and # in the rules"})
	}
	if k := p.ServerKeepAlive; k != nil && time.Duration(*k)*time.Second < d.Settings.Broker.Keepalive {
		d.add(finding{Note, "keepalive", fmt.Sprintf("the broker wants a sign of life every %s, the configuration says %s; the broker's counts", seconds(uint32(*k)), d.Settings.Broker.Keepalive), "", ""})
	}
	d.examinePacketSize(p.MaximumPacketSize)
}

func describeLimits(p *paho.ConnackProperties) string {
	yes := map[bool]string{true: "yes", false: "no"}
	return strings.Join([]string{
		describeLimit("Receive Maximum", p.ReceiveMaximum, "65535"),
		describeLimit("Maximum QoS", p.MaximumQoS, "2"),
		describeLimit("Maximum Packet Size", p.MaximumPacketSize, "none"),
		describeLimit("Topic Alias Maximum", p.TopicAliasMaximum, "0"),
		"retain " + yes[p.RetainAvailable],
		"wildcards " + yes[p.WildcardSubAvailable],
		"shared subscriptions " + yes[p.SharedSubAvailable],
	}, ", ")
}

// describeLimit names a property, with what MQTT 5 has where the broker says nothing.
func describeLimit[T byte | uint16 | uint32](name string, value *T, absent string) string {
	if value == nil {
		return name + " " + absent
	}
	return fmt.Sprintf("%s %d", name, *value)
}

// examinePacketSize compares the largest packet that the broker takes with the largest that the bridge takes.
func (d *doctor) examinePacketSize(most *uint32) {
	const small = 64 << 10
	switch {
	case most == nil || *most > maxPacket:
		seen := "the broker takes packets of any size"
		if most != nil {
			seen = fmt.Sprintf("the broker takes packets of %d bytes", *most)
		}
		d.add(finding{Warn, "max_packet_size", fmt.Sprintf("%s, the bridge %d", seen, maxPacket),
			"a larger event is dropped on its way to the bridge, without a word to whoever has published it", d.line("max_packet_size", "max_packet_size 1000000")})
	case *most < small:
		d.add(finding{Warn, "max_packet_size", fmt.Sprintf("the broker takes packets of %d bytes", *most),
			"whoever sends a larger event is disconnected; a dead letter may be cut", d.line("max_packet_size", "max_packet_size 1000000")})
	}
}
