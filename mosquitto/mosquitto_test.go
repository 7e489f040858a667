// Package mosquitto_test runs the files that this directory ships.
package mosquitto_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// shipped are the lines of mosquitto.conf that name a path or a port of the image, and that the
// test broker has its own of.
var shipped = []string{
	"listener 1883",
	"allow_anonymous false",
	"password_file /mosquitto/config/passwords",
	"acl_file /mosquitto/config/acl",
	"persistence_location /mosquitto/data/",
	"log_dest stderr",
}

// The users of the shipped acl, and one of the tests' own.
var users = []string{"mqtt-stomp-bridge", "backend", "operator", "healthcheck", "test"}

// end lets everybody read one topic more, whose message tells that nothing else comes.
const end = "\npattern read end\nuser test\ntopic write end\n"

// startBroker starts a Mosquitto with mosquitto.conf and acl as they are shipped, its paths and
// port apart.
func startBroker(t *testing.T) *mosquittotest.Broker {
	t.Helper()
	passwords := map[string]string{}
	for _, user := range users {
		passwords[user] = "password of " + user
	}
	var own, replaced []string
	for line := range strings.Lines(read(t, "mosquitto.conf")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case slices.Contains(shipped, line):
			replaced = append(replaced, line)
		default:
			own = append(own, line)
		}
	}
	if diff := cmp.Diff(shipped, replaced); diff != "" {
		t.Errorf("lines of mosquitto.conf that the test replaces (-want +got):\n%s", diff)
	}
	return mosquittotest.Start(t, mosquittotest.Options{Config: own, Users: passwords, ACL: read(t, "acl") + end})
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// A client is one user's connection.
type client struct {
	*paho.Client
	t        *testing.T
	received chan string // topics
	left     chan byte   // the reason that the broker gives for a DISCONNECT
}

// connect connects as user; with expiry the session outlives the connection.
func connect(t *testing.T, b *mosquittotest.Broker, user string, expiry uint32) *client {
	t.Helper()
	c, ack := dial(t, b, user, "password of "+user, expiry)
	if ack == nil || ack.ReasonCode != 0 {
		t.Fatalf("%s: CONNACK %+v", user, ack)
	}
	return c
}

func dial(t *testing.T, b *mosquittotest.Broker, user, password string, expiry uint32) (*client, *paho.Connack) {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, received: make(chan string, 4096), left: make(chan byte, 1)}
	c.Client = paho.NewClient(paho.ClientConfig{
		Conn: conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.received <- p.Packet.Topic
			return true, nil
		}},
		OnServerDisconnect: func(d *paho.Disconnect) { c.left <- d.ReasonCode },
	})
	connect := &paho.Connect{ClientID: "test-" + user, KeepAlive: 30, CleanStart: expiry == 0, Username: user, UsernameFlag: user != "",
		Password: []byte(password), PasswordFlag: user != "", Properties: &paho.ConnectProperties{}}
	if expiry > 0 {
		connect.Properties.SessionExpiryInterval = &expiry
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ack, _ := c.Connect(ctx, connect) // a refusal is an error too
	t.Cleanup(func() { conn.Close() })
	return c, ack
}

// publish returns the reason code of the PUBACK.
func (c *client) publish(topic string, size int) byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	response, err := c.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Payload: make([]byte, size)})
	if response == nil {
		c.t.Fatalf("publishing to %s: %v", topic, err)
	}
	return response.ReasonCode
}

func (c *client) subscribe(filters ...string) {
	c.t.Helper()
	s := &paho.Subscribe{}
	for _, f := range filters {
		s.Subscriptions = append(s.Subscriptions, paho.SubscribeOptions{Topic: f, QoS: 1})
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if _, err := c.Subscribe(ctx, s); err != nil {
		c.t.Fatal(err) // even what the list forbids is granted
	}
}

// next returns the topic of the next message.
func (c *client) next() string {
	c.t.Helper()
	select {
	case topic := <-c.received:
		return topic
	case <-time.After(patience):
		c.t.Fatal("nothing arrives")
		return ""
	}
}

func TestWithoutAValidPasswordNobodyConnects(t *testing.T) {
	b := startBroker(t)
	const notAuthorized = 0x87
	for _, login := range [][2]string{{"", ""}, {"backend", "wrong"}, {"nobody", "password of nobody"}} {
		if _, ack := dial(t, b, login[0], login[1], 0); ack == nil || ack.ReasonCode != notAuthorized {
			t.Errorf("user %q: CONNACK %+v, want reason %#x", login[0], ack, notAuthorized)
		}
	}
}

func TestACLForWriting(t *testing.T) {
	b := startBroker(t)
	clients := map[string]*client{}
	for _, user := range users {
		clients[user] = connect(t, b, user, 0)
	}
	tests := []struct {
		user, topic string
		allowed     bool
	}{
		{"backend", "chat/whatsapp/42/message", true},
		{"backend", "channels/whatsapp/42/state", true},
		{"backend", "mqtt-stomp-bridge/state", false},
		{"backend", "other", false},
		{"mqtt-stomp-bridge", "mqtt-stomp-bridge/state", true},
		{"mqtt-stomp-bridge", "mqtt-stomp-bridge/dead-letter/chat message", true},
		{"mqtt-stomp-bridge", "chat/whatsapp/42/message", false},
		{"operator", "mqtt-stomp-bridge/state", false},
		{"operator", "chat/whatsapp/42/message", false},
		{"healthcheck", "chat/whatsapp/42/message", false},
	}
	for _, test := range tests {
		reason := clients[test.user].publish(test.topic, 1)
		if allowed := reason < 0x80; allowed != test.allowed {
			t.Errorf("%s publishes to %s: reason %#x, allowed %v, want %v", test.user, test.topic, reason, allowed, test.allowed)
		}
	}
}

func TestACLForReading(t *testing.T) {
	b := startBroker(t)
	published := []struct{ user, topic string }{
		{"backend", "chat/whatsapp/42/message"},
		{"backend", "channels/whatsapp/42/state"},
		{"mqtt-stomp-bridge", "mqtt-stomp-bridge/state"},
	}
	tests := []struct {
		user string
		want []string // of the published topics
	}{
		{"mqtt-stomp-bridge", []string{"chat/whatsapp/42/message", "channels/whatsapp/42/state", "mqtt-stomp-bridge/state"}},
		{"operator", []string{"mqtt-stomp-bridge/state"}},
		{"backend", nil},
		{"healthcheck", nil},
	}
	clients := map[string]*client{}
	for _, test := range tests {
		clients[test.user] = connect(t, b, test.user, 0)
		clients[test.user].subscribe("#")
	}
	for _, p := range published {
		if reason := clients[p.user].publish(p.topic, 1); reason != 0 {
			t.Fatalf("%s publishes to %s: PUBACK %#x", p.user, p.topic, reason)
		}
	}
	connect(t, b, "test", 0).publish("end", 1)
	for _, test := range tests {
		var got []string
		for topic := clients[test.user].next(); topic != "end"; topic = clients[test.user].next() {
			got = append(got, topic)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s, subscribed to #, receives (-want +got):\n%s", test.user, diff)
		}
	}
}

// What waits for a bridge that is away is more than the broker's default holds, and outlives the
// broker's restart.
func TestEventsWaitForTheBridge(t *testing.T) {
	const events = 1500
	b := startBroker(t)
	bridge := connect(t, b, "mqtt-stomp-bridge", 3600)
	bridge.subscribe("chat/#")
	bridge.Disconnect(&paho.Disconnect{})
	backend := connect(t, b, "backend", 0)
	for i := range events {
		if reason := backend.publish(fmt.Sprintf("chat/%d", i), 1); reason != 0 {
			t.Fatalf("event %d: PUBACK %#x", i, reason)
		}
	}
	b.Stop()
	b.Restart()
	bridge = connect(t, b, "mqtt-stomp-bridge", 3600)
	for i := range events {
		if got, want := bridge.next(), fmt.Sprintf("chat/%d", i); got != want {
			t.Fatalf("event %d is %s, want %s", i, got, want)
		}
	}
}

func TestTheSenderOfTooLargeAnEventFindsOut(t *testing.T) {
	b := startBroker(t)
	const limit = 1_000_000
	c, ack := dial(t, b, "backend", "password of backend", 0)
	if got := ack.Properties.MaximumPacketSize; got == nil || *got != limit {
		t.Errorf("CONNACK says that the maximum packet size is %v, want %d", got, limit)
	}
	const header = 1 + 3 + 2 + len("chat/large") + 2 + 1 // type, length, topic, packet identifier, no properties
	if reason := c.publish("chat/large", limit-header); reason >= 0x80 {
		t.Errorf("a packet of %d bytes: PUBACK %#x, want it accepted", limit, reason)
	}
	const fixed = 1 + 3 // what Mosquitto 2.0 does not count; the bridge has room for it
	large := &paho.Publish{Topic: "chat/large", QoS: 1, Payload: make([]byte, limit-header+fixed+1)}
	if _, err := c.PublishWithOptions(t.Context(), large, paho.PublishOptions{Method: paho.PublishMethod_AsyncSend}); err != nil {
		t.Fatal(err)
	}
	const packetTooLarge = 0x95
	select {
	case reason := <-c.left:
		if reason != packetTooLarge {
			t.Errorf("the broker disconnects with reason %#x, want %#x", reason, packetTooLarge)
		}
	case <-time.After(patience):
		t.Errorf("a packet of %d bytes is not refused", limit+fixed+1)
	}
}
