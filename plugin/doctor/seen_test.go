package doctor_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/doctor"
)

// connect connects a client of the test's.
func connect(t *testing.T, b *mosquittotest.Broker) *paho.Client {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn)})
	if _, err := c.Connect(t.Context(), &paho.Connect{ClientID: "test", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Disconnect(&paho.Disconnect{})
		<-c.Done()
	})
	return c
}

func publish(t *testing.T, c *paho.Client, topic, payload string, retain bool) {
	t.Helper()
	if _, err := c.Publish(context.Background(), &paho.Publish{Topic: topic, QoS: 1, Retain: retain, Payload: []byte(payload)}); err != nil {
		t.Error(err)
	}
}

// What the retained status tells.
func TestBridgeStatus(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	c := connect(t, broker)
	tests := []struct {
		name, status string
		want         []string
	}{
		{"none", "", []string{"note  bridge: no status at mqtt-stomp-bridge/state"}},
		{"offline", `{"state":"offline"}`, []string{"note  bridge: not running"}},
		{"another configuration", `{"state":"online","config":"1a2b"}`, []string{"warn  bridge: one is running, with configuration 1a2b; this one is "}},
		{"a reload that failed", `{"state":"online","config":"1a2b","reload_error":"config.yaml:3: no"}`, []string{"warn  reload: the running bridge could not load its configuration: config.yaml:3: no"}},
		{"of another program", `hello`, []string{`fail  bridge: the message retained at mqtt-stomp-bridge/state is not a bridge's status: "hello"`}},
		{"of another program, in JSON", `{"state":"up"}`, []string{"fail  bridge: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			publish(t, c, "mqtt-stomp-bridge/state", test.status, true)
			out, _ := look{yaml: rules, url: "mqtt://" + broker.Addr}.run(t)
			holds(t, out, append(test.want, "!fail  client_id")...)
		})
	}
}

// While doctor listens: events that a rule maps and that it cannot map, and a status that changes
// all the time.
func TestListens(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	c := connect(t, broker)
	publish(t, c, "a/retained", `{"name": "x"}`, true)
	publish(t, c, "mqtt-stomp-bridge/dead-letter/one", "not an event", true)
	publish(t, c, "mqtt-stomp-bridge/state", `{"state":"offline"}`, true)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			publish(t, c, "a/1", `{"name": "x"}`, false)
			publish(t, c, "a/2", "no JSON", false)
			publish(t, c, "mqtt-stomp-bridge/state", `{"state":"online"}`, true)
			publish(t, c, "mqtt-stomp-bridge/state", `{"state":"offline"}`, true)
		}
	}()
	out, _ := look{yaml: rules, url: "mqtt://" + broker.Addr, change: func(c *doctor.Config) { c.Listen = 300 * time.Millisecond }}.run(t)
	cancel()
	<-stopped
	holds(t, out,
		"ok    filter: a/+: granted, and it can be read: 1 message retained, ",
		"!, 0 live in",
		`note  retained: rule "one" skips 1 retained message`, "set:   DIR/config.yaml:3: retained: deliver",
		`warn  rejected: rule "one" cannot map `, "means: they go to mqtt-stomp-bridge/dead-letter/one",
		"fail  client_id: the bridge's status changed ",
	)
}

// The event that doctor is told to publish.
func TestPublishes(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	for topic, want := range map[string][]string{
		"a/1":   {"ok    publish: a/1: the event came back", "ok    filter: a/+: granted, and it can be read: 0 messages retained, 1 live", "!rejected"},
		"other": {"fail  publish: other: no rule has this topic, so nothing was published", "warn  filter: a/+: granted, and nothing came"},
	} {
		out, _ := look{yaml: rules, url: "mqtt://" + broker.Addr, change: func(c *doctor.Config) { c.Publish = topic }}.run(t)
		holds(t, out, want...)
	}
}
