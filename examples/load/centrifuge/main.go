// Centrifuge is a server with the library of that name, as a peer of the bridge: it publishes to
// one channel what it gets from one MQTT topic, and lets everybody subscribe to it over WebSocket.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/eclipse/paho.golang/paho"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "centrifuge:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done or the broker is gone.
func run(ctx context.Context) error {
	broker := flag.String("broker", "127.0.0.1:1883", "address of the MQTT broker")
	topic := flag.String("topic", "#", "topic filter to subscribe to")
	qos := flag.Int("qos", 0, "QoS of that subscription")
	listen := flag.String("listen", "127.0.0.1:8000", "address for clients")
	channel := flag.String("channel", "events", "channel to publish to")
	flag.Parse()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	node, err := newNode(ctx)
	if err != nil {
		return err
	}
	publish := func(payload []byte) error {
		_, err := node.Publish(*channel, payload)
		return err
	}
	if err := subscribe(ctx, end, *broker, *topic, byte(*qos), publish); err != nil {
		return err
	}
	return serve(ctx, *listen, centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
}

// newNode returns a running node that lets everybody in, and subscribe to everything.
func newNode(ctx context.Context) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
			answer(centrifuge.SubscribeReply{}, nil)
		})
	})
	return node, node.Run()
}

// subscribe has publish called with the payload of each event, until ctx is done. Why that is over
// it tells end.
func subscribe(ctx context.Context, end context.CancelCauseFunc, broker, topic string, qos byte, publish func([]byte) error) error {
	conn, err := net.DialTimeout("tcp", broker, 10*time.Second)
	if err != nil {
		return err
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn:               conn,
		OnClientError:      end,
		OnServerDisconnect: func(*paho.Disconnect) { end(errors.New("the broker has ended the connection")) },
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			if err := publish(p.Packet.Payload); err != nil {
				end(fmt.Errorf("publishing: %w", err))
			}
			return true, nil
		}},
	})
	if _, err := client.Connect(ctx, &paho.Connect{ClientID: "centrifuge", CleanStart: true, KeepAlive: 30}); err != nil {
		return err
	}
	_, err = client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: qos}}})
	return err
}

// serve answers clients until ctx is done.
func serve(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
