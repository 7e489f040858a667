package mqtt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

func TestSubscriptionRefused(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	b.acl.set("secret/#")
	c, log := newClient(t, b.u, mqtt.Config{Filters: filters("open/#", "secret/#")})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := waitState(t, c, "refused", func(s mqtt.State) bool { return s.Filters[0].Granted && s.Filters[1].Err != nil })
	if got, want := s.Filters[1].Err.Error(), "the broker refuses the subscription: not authorized (0x87)"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	if s.Ready {
		t.Error("ready without every filter")
	}
	// What is granted works meanwhile.
	connect(t, b.u.Host, &paho.Connect{ClientID: "peer"}).publish(t, "open/a", "1")
	c.Ack(next(t, c))

	b.acl.set()
	ready(t, c)
	if s := c.State(); s.Filters[1].Err != nil {
		t.Errorf("error %v of a granted filter", s.Filters[1].Err)
	}
	said := log.Lines("subscription not granted")
	if len(said) != 1 || !strings.Contains(said[0], "secret/#") {
		t.Errorf("the refusal should be said once, got:\n%s", strings.Join(said, ""))
	}
}

func TestSetFilters(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("stays", "goes")})
	publish := func() {
		for _, topic := range []string{"stays", "goes", "comes"} {
			p.publish(t, topic, topic)
		}
	}
	publish()
	if diff := cmp.Diff([]string{"stays", "goes"}, nextPayloads(t, c, 2)); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	if err := c.SetFilters(t.Context(), filters("comes", "stays"), nil); err != nil {
		t.Fatal(err)
	}
	publish()
	if diff := cmp.Diff([]string{"stays", "comes"}, nextPayloads(t, c, 2)); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
	none(t, c)
	want := []mqtt.FilterState{
		{Filter: mqtt.Filter{Topic: "comes"}, Granted: true, Events: 1},
		{Filter: mqtt.Filter{Topic: "stays"}, Granted: true, Events: 2},
	}
	if diff := cmp.Diff(want, c.State().Filters); diff != "" {
		t.Errorf("filters (-want +got):\n%s", diff)
	}
	if err := c.SetFilters(t.Context(), filters("a+"), nil); err == nil {
		t.Error("an invalid filter should be refused")
	}

	// On a reconnect without a session the new set is what is subscribed to.
	b.Kill()
	b.Restart()
	bridgetest.Eventually(t, "the reconnect", func() bool { return c.Stats().Connects == 2 })
	ready(t, c)
	p = connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	publish()
	if diff := cmp.Diff([]string{"stays", "comes"}, nextPayloads(t, c, 2)); diff != "" {
		t.Errorf("after a reconnect (-want +got):\n%s", diff)
	}
	none(t, c)
}

// The broker's session outlives the process, with subscriptions that the next one's rules may not
// want.
func TestStaleFilters(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	first, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: []mqtt.Filter{{Topic: "old/#"}, {Topic: "kept"}}})
	shut(t, first)
	stale := mqtt.Config{Filters: []mqtt.Filter{{Topic: "kept"}, {Topic: "new"}}, Stale: []string{"kept", "old/#"}}
	second, log := start(t, b.URL("mqtt"), stale)
	if err := second.SetFilters(t.Context(), []mqtt.Filter{{Topic: "kept"}, {Topic: "new"}}, nil); err != nil { // waits until all is settled
		t.Fatal(err)
	}
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	for _, topic := range []string{"old/1", "kept", "new"} {
		p.publish(t, topic, topic)
	}
	if diff := cmp.Diff([]string{"kept", "new"}, nextPayloads(t, second, 2)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if lines := log.Lines("dropped topic filters"); len(lines) != 1 || !strings.Contains(lines[0], "filters=[old/#]") {
		t.Errorf("log lines %q, want one of old/#", lines)
	}
	shut(t, second)
	third, log := start(t, b.URL("mqtt"), stale) // which is told of the same, and finds it gone
	if err := third.SetFilters(t.Context(), stale.Filters, nil); err != nil {
		t.Fatal(err)
	}
	if lines := log.Lines("dropped topic filters"); len(lines) > 0 {
		t.Errorf("log lines %q of what was dropped before", lines)
	}
}

// The old filter stays until the new one is granted.
func TestSetFiltersRefused(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	c, _ := start(t, b.u, mqtt.Config{Filters: filters("old")})
	b.acl.set("new")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.SetFilters(ctx, filters("new"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want the deadline's", err)
	}
	p := connect(t, b.u.Host, &paho.Connect{ClientID: "peer"})
	p.publish(t, "old", "1")
	c.Ack(next(t, c))
	b.acl.set()
	ready(t, c)
	p.publish(t, "new", "2")
	if e := next(t, c); e.Topic != "new" {
		t.Errorf("got an event on %q, want new", e.Topic)
	}
}

func TestSetFiltersWhileAway(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"persistence true"}})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("old")})
	b.Stop()
	waitState(t, c, "away", func(s mqtt.State) bool { return !s.Receiving.Connected })
	changed := make(chan error)
	go func() { changed <- c.SetFilters(t.Context(), filters("new"), nil) }()
	b.Restart()
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.publish(t, "old", "1")
	p.publish(t, "new", "2")
	if e := next(t, c); e.Topic != "new" {
		t.Errorf("got an event on %q, want new", e.Topic)
	}
}

func TestManyFilters(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	topics := numbers(1, 150) // more than one SUBSCRIBE takes
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters(topics...)})
	connect(t, b.Addr, &paho.Connect{ClientID: "peer"}).publish(t, "150", "x")
	c.Ack(next(t, c))
	if err := c.SetFilters(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	connect(t, b.Addr, &paho.Connect{ClientID: "peer"}).publish(t, "150", "x")
	none(t, c)
}

// Mosquitto's ACL grants a subscription and then keeps silent: only the count tells.
func TestSilentFilter(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{ACL: "topic read open/#\ntopic write #\ntopic readwrite mqtt-stomp-bridge/#\n"})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("open/#", "secret/#")})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.publish(t, "secret/a", "1")
	p.publish(t, "open/a", "2")
	c.Ack(next(t, c))
	none(t, c)
	s := c.State()
	if s.Filters[0].Events != 1 || s.Filters[1].Events != 0 || !s.Filters[1].Granted {
		t.Errorf("filters: %+v", s.Filters)
	}
}
