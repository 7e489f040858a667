package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// examineBroker examines what can be seen over MQTT.
func (d *doctor) examineBroker(ctx context.Context) {
	u := d.reach(ctx)
	if u == nil {
		return
	}
	v := d.newView()
	var following sync.WaitGroup
	defer following.Wait()
	visit := d.subscribe(ctx, u, v, &following)
	if visit == nil {
		return
	}
	defer visit.Close()

	d.readRetained(ctx, u, v)
	d.roundTrip(ctx, visit, v)
	published := d.publish(ctx, visit, v)
	if d.cfg.Away > 0 && visit.Err() == nil {
		d.measureAway(ctx, u, visit)
	}
	bound, cancel := context.WithTimeout(ctx, d.cfg.Listen)
	defer cancel()
	select {
	case <-bound.Done():
		d.reportView(v, published)
	case <-visit.Done():
		d.add(finding{
			level: Fail, check: "connect",
			seen: fmt.Sprintf("the connection ended during the examination: %v", visit.Err()),
			set:  setBrokerLog,
		})
	}
}

// reportView says what was seen, once nothing more is waited for.
func (d *doctor) reportView(v *view, published bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d.reportBridge(v)
	for _, f := range v.filters {
		d.reportFilter(f)
	}
	d.reportRules(v)
	if published {
		d.reportPublished(v)
	}
	d.reportFigures(v)
}

// reach returns the first address that accepts the bridge, nil when there is none.
func (d *doctor) reach(ctx context.Context) *url.URL {
	asked := d.cfg.Settings.Broker.SessionExpiry
	urls := d.cfg.Settings.Broker.URL
	for i, u := range urls {
		// The session that is asked for here has no subscriptions, and ends with the connection.
		visit, err := d.visit(ctx, u, mqtt.VisitOptions{ClientID: d.clientID(), SessionExpiry: asked})
		if err == nil {
			defer visit.Close()
			d.ok("connect", "%s accepts %s, with MQTT 5", u, d.user())
			d.examineExpiry(asked, visit.Connack.Properties.SessionExpiryInterval)
			d.examineLimits(visit.Connack.Properties)
			return u
		}
		f := d.unreachable(u, err)
		f.level, f.check = Fail, "connect"
		f.seen = fmt.Sprintf("%s, as %s: %v", u, d.user(), err)
		if i < len(urls)-1 {
			f.level = Warn // the bridge tries the next one, too
		}
		d.add(f)
	}
	return nil
}

func (d *doctor) user() string {
	if name := d.cfg.Settings.Broker.Username; name != "" {
		return fmt.Sprintf("user %q", name)
	}
	return "an anonymous client"
}

// examineExpiry compares the session expiry asked for with the one granted; nil: as asked (MQTT 5,
// 3.2.2.3.2).
func (d *doctor) examineExpiry(asked time.Duration, granted *uint32) {
	if granted != nil && seconds(*granted) < asked {
		d.add(finding{
			level: Fail, check: "session-expiry",
			seen:  fmt.Sprintf("asked for %s, granted %s", asked, seconds(*granted)),
			means: meansExpiry,
			set:   "the broker's limit for sessions; or accept it: " + d.locations.of("broker.session_expiry"),
		})
		return
	}
	unseen := ""
	if d.file == nil {
		unseen = "; a shorter persistent_client_expiration would not show here"
	}
	d.ok("session-expiry", "%s, as asked for%s", asked, unseen)
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }

// examineLimits examines what the broker has said of itself in the CONNACK.
func (d *doctor) examineLimits(p *paho.ConnackProperties) {
	d.ok("limits", "%s", describeLimits(p))
	if p.MaximumQoS != nil && *p.MaximumQoS == 0 {
		d.add(finding{
			level: Fail, check: "max-qos",
			seen:  "the broker accepts and grants QoS 0 only",
			means: meansQoS0 + ", and dead letters cannot be published safely",
			set:   d.line("max_qos", "max_qos 1"),
		})
	}
	if !p.RetainAvailable && d.cfg.Settings.Broker.Status {
		d.add(finding{
			level: Fail, check: "retain",
			seen:  "the broker does not support retained messages",
			means: meansNoRetain,
			set:   d.line("retain_available", "retain_available true") + "; or " + d.locations.of("broker.status") + ": false",
		})
	}
	wild := func(f mapping.Filter) bool { return strings.ContainsAny(f.Topic, "+#") }
	if !p.WildcardSubAvailable && slices.ContainsFunc(d.cfg.Settings.Mapper.Filters(), wild) {
		d.add(finding{
			level: Fail, check: "wildcards",
			seen:  "the broker does not support wildcard subscriptions",
			means: meansNoWildcards,
			set:   "topics without {names}, + and # in the rules",
		})
	}
	if k := p.ServerKeepAlive; k != nil && seconds(uint32(*k)) < d.cfg.Settings.Broker.Keepalive {
		d.add(finding{
			level: Note, check: "keepalive",
			seen: fmt.Sprintf("the broker asks for a keep-alive of %s, broker.keepalive is %s; the broker's applies",
				seconds(uint32(*k)), d.cfg.Settings.Broker.Keepalive),
		})
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

// examinePacketSize compares the largest packet that the broker accepts with the largest that the
// bridge accepts.
func (d *doctor) examinePacketSize(most *uint32) {
	const small, ours = 64 << 10, mqtt.DefaultMaxPacketSize
	f := finding{level: Warn, check: "max_packet_size", set: d.line("max_packet_size", "max_packet_size 1000000")}
	switch {
	case most == nil:
		f.seen, f.means = fmt.Sprintf("the broker accepts packets of any size, the bridge up to %d bytes", ours), meansLarge
	case *most > ours:
		f.seen, f.means = fmt.Sprintf("the broker accepts packets of %d bytes, the bridge up to %d bytes", *most, ours), meansLarge
	case *most < small:
		f.seen, f.means = fmt.Sprintf("the broker accepts packets of %d bytes", *most), meansSmall
	default:
		return
	}
	d.add(f)
}
