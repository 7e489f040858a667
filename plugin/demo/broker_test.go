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

// Close returns also while clients leave. The server's own search for its clients then waits for
// ever, once in a thousand times, so run this one with -count.
func TestBrokerClosesWhileClientsLeave(t *testing.T) {
	for range 100 {
		b := startBroker(t)
		var clients [20]net.Conn
		for i := range clients {
			conn, err := net.Dial("tcp", b.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01" + string(rune('A'+i)))); err != nil { // CONNECT
				t.Fatal(err)
			}
			clients[i] = conn
		}
		for _, conn := range clients {
			if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil { // CONNACK
				t.Fatal(err)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Somebody who has connected and says nothing does not keep the demo from ending.
func TestBrokerClosesSilentConnections(t *testing.T) {
	b := startBroker(t)
	var conns []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	// When the second client, who came later, is served, so is the first.
	if _, err := paho.NewClient(paho.ClientConfig{Conn: conns[1]}).Connect(t.Context(), &paho.Connect{ClientID: "test", CleanStart: true}); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Close waits for a client that has sent no CONNECT")
	}
	if _, err := conns[0].Read(make([]byte, 1)); err == nil {
		t.Error("the silent connection is still open")
	}
}
