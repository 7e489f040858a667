package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"go.uber.org/goleak"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// newClient returns a client for u that is not started. cfg may be zero.
func newClient(t *testing.T, u *url.URL, cfg mqtt.Config) (*mqtt.Client, *bridgetest.Buffer) {
	t.Helper()
	log := &bridgetest.Buffer{}
	cfg.URLs = []*url.URL{u}
	if cfg.ClientID == "" {
		cfg.ClientID = "bridge"
	}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	c, err := mqtt.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		shut(t, c)
		if t.Failed() {
			t.Logf("%s: log of %s:\n%s", t.Name(), cfg.ClientID, log)
		}
	})
	return c, log
}

// start returns a started client that is ready.
func start(t *testing.T, u *url.URL, cfg mqtt.Config) (*mqtt.Client, *bridgetest.Buffer) {
	t.Helper()
	c, log := newClient(t, u, cfg)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(t, c)
	return c, log
}

func shut(t *testing.T, c *mqtt.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func ready(t *testing.T, c *mqtt.Client) {
	t.Helper()
	waitState(t, c, "ready", func(s mqtt.State) bool { return s.Ready })
}

// waitState waits until the client's state is as it should be.
func waitState(t *testing.T, c *mqtt.Client, what string, ok func(mqtt.State) bool) mqtt.State {
	t.Helper()
	deadline := time.After(patience)
	for {
		s := c.State()
		if ok(s) {
			return s
		}
		select {
		case <-c.Changes():
		case <-deadline:
			t.Fatalf("the client is not %s: %+v", what, s)
		}
	}
}

// next returns the next event.
func next(t *testing.T, c *mqtt.Client) *mqtt.Event {
	t.Helper()
	select {
	case e, ok := <-c.Events():
		if !ok {
			t.Fatal("Events is closed")
		}
		return e
	case <-time.After(patience):
		t.Fatalf("no event; state %+v", c.State())
		return nil
	}
}

// none reports an event that should not come.
func none(t *testing.T, c *mqtt.Client) {
	t.Helper()
	select {
	case e := <-c.Events():
		t.Errorf("unexpected event on %q: %q", e.Topic, e.Payload)
	case <-time.After(200 * time.Millisecond):
	}
}

// nextPayloads returns the payloads of the next n events, which it acknowledges.
func nextPayloads(t *testing.T, c *mqtt.Client, n int) []string {
	t.Helper()
	var payloads []string
	for range n {
		e := next(t, c)
		payloads = append(payloads, string(e.Payload))
		c.Ack(e)
	}
	return payloads
}

func numbers(from, to int) []string {
	var s []string
	for i := from; i <= to; i++ {
		s = append(s, fmt.Sprint(i))
	}
	return s
}

// peer is another MQTT client of the broker.
type peer struct {
	*paho.Client
	received chan *paho.Publish
}

// connect connects a peer, which ends with the test.
func connect(t *testing.T, addr string, p *paho.Connect) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan *paho.Publish, 1000)
	c := paho.NewClient(paho.ClientConfig{
		Conn: nc,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			received <- p.Packet
			return true, nil
		}},
	})
	p.CleanStart = true
	p.KeepAlive = 30
	if _, err := c.Connect(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Disconnect(&paho.Disconnect{}) })
	return &peer{c, received}
}

// publish publishes at QoS 1.
func (p *peer) publish(t *testing.T, topic, payload string) {
	t.Helper()
	if _, err := p.Publish(t.Context(), &paho.Publish{Topic: topic, Payload: []byte(payload), QoS: 1}); err != nil {
		t.Fatalf("publish to %q: %v", topic, err)
	}
}

func (p *peer) publishAll(t *testing.T, topic string, payloads []string) {
	t.Helper()
	for _, payload := range payloads {
		p.publish(t, topic, payload)
	}
}

// publishAtMostOnce publishes at QoS 0 and returns when the broker has passed everything on.
func (p *peer) publishAtMostOnce(t *testing.T, topic string, payloads []string) {
	t.Helper()
	for _, payload := range payloads {
		if _, err := p.Publish(t.Context(), &paho.Publish{Topic: topic, Payload: []byte(payload)}); err != nil {
			t.Fatalf("publish to %q: %v", topic, err)
		}
	}
	p.publish(t, "nobody/listens", "") // the broker does one thing after the other
}

func (p *peer) subscribe(t *testing.T, filter string) {
	t.Helper()
	if _, err := p.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}}); err != nil {
		t.Fatalf("subscribe to %q: %v", filter, err)
	}
}

// next returns the next message the peer receives.
func (p *peer) next(t *testing.T) *paho.Publish {
	t.Helper()
	select {
	case m := <-p.received:
		return m
	case <-time.After(patience):
		t.Fatal("the peer receives nothing")
		return nil
	}
}

// scriptedBroker serves each connection, numbered from 0 for each client id, by do, and closes it
// when do returns.
func scriptedBroker(t *testing.T, do func(number int, c *net.TCPConn, p *packets.Connect)) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	numbers := map[string]int{}
	open := map[net.Conn]bool{}
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	serve := func(c *net.TCPConn) {
		defer c.Close()
		packet, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		p, ok := packet.Content.(*packets.Connect)
		if !ok {
			return
		}
		mu.Lock()
		open[c] = true
		number := numbers[p.ClientID]
		numbers[p.ClientID]++
		mu.Unlock()
		do(number, c, p)
	}
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serve(c.(*net.TCPConn)) })
		}
	})
	return &url.URL{Scheme: "mqtt", Host: l.Addr().String()}
}

// acknowledgeAll answers each PUBLISH at QoS 1 until the connection ends.
func acknowledgeAll(c net.Conn) {
	for {
		packet, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		if p, ok := packet.Content.(*packets.Publish); ok {
			ack := packets.NewControlPacket(packets.PUBACK)
			ack.Content.(*packets.Puback).PacketID = p.PacketID
			ack.WriteTo(c)
		}
	}
}
