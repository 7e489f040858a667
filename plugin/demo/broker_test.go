package demo_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/plugin/demo"
)

func startBroker(t *testing.T) *demo.Broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := demo.StartBroker(l, slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestBrokerDeliversWhatIsPublished(t *testing.T) {
	b := startBroker(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan *paho.Publish, 1)
	client := paho.NewClient(paho.ClientConfig{
		Conn: conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			received <- p.Packet
			return true, nil
		}},
	})
	if _, err := client.Connect(ctx, &paho.Connect{ClientID: "test", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(&paho.Disconnect{})
	if _, err := client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "chat/#", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish("chat/a/state", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-received:
		if p.Topic != "chat/a/state" || string(p.Payload) != "hello" || p.QoS != 1 {
			t.Errorf("got %q on %s at QoS %d, want hello on chat/a/state at QoS 1", p.Payload, p.Topic, p.QoS)
		}
	case <-ctx.Done():
		t.Fatal("nothing arrived")
	}
}

func TestBrokerStopsListeningAtClose(t *testing.T) {
	b := startBroker(t)
	for range 2 { // the second call does nothing
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if conn, err := net.Dial("tcp", b.Addr().String()); err == nil {
		conn.Close()
		t.Error("a connection was accepted after Close")
	}
}
