package mqtt_test

import (
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

func filters(topics ...string) []mqtt.Filter {
	var fs []mqtt.Filter
	for _, topic := range topics {
		fs = append(fs, mqtt.Filter{Topic: topic})
	}
	return fs
}

func TestEvent(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.retain(t, "a/retained", "old")
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a/#")})
	before := time.Now()
	p.retain(t, "a/retained", "new")
	first := next(t, c)
	c.Ack(first)

	m := &paho.Publish{Topic: "a/b", Payload: []byte{0, 0xff}, QoS: 1, Properties: &paho.PublishProperties{ContentType: "application/json"}}
	m.Properties.User.Add("b", "1").Add("a", "2").Add("b", "3")
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	second := next(t, c)
	c.Ack(second)
	if _, err := p.Publish(t.Context(), &paho.Publish{Topic: "a/zero"}); err != nil {
		t.Fatal(err)
	}
	third := next(t, c)
	c.Ack(third)

	ignore := cmpopts.IgnoreUnexported(mqtt.Event{})
	ignoreTime := cmpopts.IgnoreFields(mqtt.Event{}, "Received")
	want := []*mqtt.Event{
		{Topic: "a/retained", Payload: []byte("new"), QoS: 1, PacketID: 1, Session: 1, Connection: 1},
		{Topic: "a/b", Payload: []byte{0, 0xff}, QoS: 1, PacketID: 2, ContentType: "application/json", Session: 1,
			Connection: 1,
			User:       []mqtt.UserProperty{{"b", "1"}, {"a", "2"}, {"b", "3"}}},
		{Topic: "a/zero", Session: 1, Connection: 1},
	}
	if diff := cmp.Diff(want, []*mqtt.Event{first, second, third}, ignore, ignoreTime, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if first.Received.Before(before) || first.Received.After(time.Now()) {
		t.Errorf("Received is %v, not between %v and now", first.Received, before)
	}
	if got := c.State().Filters[0].Events; got != 3 {
		t.Errorf("the filter has counted %d events, want 3", got)
	}
	bridgetest.Eventually(t, "acknowledgements", func() bool { return c.Stats().Acks == 2 })
}

func TestUnacknowledgedComesAgain(t *testing.T) {
	tests := []struct {
		name string
		ack  []int // of the events 1 to 4
		want []string
	}{
		{"none", nil, numbers(1, 4)},
		{"a prefix", []int{1, 2}, numbers(3, 4)},
		{"a prefix out of order", []int{2, 1}, numbers(3, 4)},
		{"not the first", []int{2, 3, 4}, numbers(1, 4)},
		{"all", []int{4, 3, 2, 1}, nil},
	}
	b := mosquittotest.Start(t, mosquittotest.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
			cfg := mqtt.Config{ClientID: "bridge " + tt.name, Filters: filters("a")}
			c, _ := start(t, b.URL("mqtt"), cfg)
			p.publishAll(t, "a", numbers(1, 4))
			events := make(map[int]*mqtt.Event)
			for i := range 4 {
				events[i+1] = next(t, c)
			}
			for _, i := range tt.ack {
				c.Ack(events[i])
			}
			shut(t, c)

			c, _ = start(t, b.URL("mqtt"), cfg)
			for _, want := range tt.want {
				e := next(t, c)
				if string(e.Payload) != want || !e.Dup || !e.SessionPresent || e.Session != 0 {
					t.Errorf("got event %q, dup %v, session present %v, session %d; want %q, true, true, 0",
						e.Payload, e.Dup, e.SessionPresent, e.Session, want)
				}
				c.Ack(e)
			}
			none(t, c)
		})
	}
}

func TestBackPressure(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"max_queued_messages 100000"}})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a"), ReceiveMaximum: 8})
	const n = 400
	p.publishAll(t, "a", numbers(1, n))
	bridgetest.Eventually(t, "as many events as may be without an acknowledgement", func() bool { return len(c.Events()) == 8 })
	if diff := cmp.Diff(numbers(1, n), nextPayloads(t, c, n)); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
	none(t, c)
}

func TestStop(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	cfg := mqtt.Config{Filters: filters("a"), ReceiveMaximum: 2}
	c, _ := start(t, b.URL("mqtt"), cfg)
	p.publishAll(t, "a", numbers(1, 5)) // two are in flight
	bridgetest.Eventually(t, "both", func() bool { return len(c.Events()) == 2 })
	p.publishAtMostOnce(t, "a", []string{"zero", "zero", "zero"}) // here the broker does not wait
	bridgetest.Eventually(t, "a full channel", func() bool { return len(c.Events()) == 4 })
	c.Stop()
	c.Stop()
	handed := 0
	for e := range c.Events() {
		handed++
		c.Ack(e)
	}
	if handed != 4 {
		t.Fatalf("%d events were handed over, want 4", handed)
	}
	shut(t, c)

	c, _ = start(t, b.URL("mqtt"), cfg)
	if diff := cmp.Diff(numbers(3, 5), nextPayloads(t, c, 3)); diff != "" {
		t.Errorf("after Stop (-want +got):\n%s", diff)
	}
	none(t, c)
}
