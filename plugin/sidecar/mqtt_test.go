package main

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// An mqttMessage is what a test's own MQTT client received.
type mqttMessage struct {
	topic, payload string
	user           map[string]string
}

// connectMQTT connects a client of the test's to a broker that lets everybody in.
func connectMQTT(ctx context.Context, addr string, received func(*paho.Publish)) (*paho.Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			received(p.Packet)
			return true, nil
		}},
	})
	_, err = c.Connect(ctx, &paho.Connect{ClientID: fmt.Sprintf("test-%d", time.Now().UnixNano()), CleanStart: true, KeepAlive: 30})
	return c, err
}

// subscribeMQTT returns what comes on the filter; the channel is closed at the test's end.
func subscribeMQTT(t *testing.T, addr, filter string) <-chan mqttMessage {
	t.Helper()
	messages := make(chan mqttMessage, 1024)
	c, err := connectMQTT(t.Context(), addr, func(p *paho.Publish) {
		m := mqttMessage{topic: p.Topic, payload: string(p.Payload), user: map[string]string{}}
		if p.Properties != nil {
			for _, u := range p.Properties.User {
				m.user[u.Key] = u.Value
			}
		}
		messages <- m
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Disconnect(&paho.Disconnect{})
		<-c.Done()
		close(messages)
	})
	s := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}}
	if _, err := c.Subscribe(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return messages
}

// publishLoad publishes events at QoS 1, so many a second, to topics made from their numbers, and
// returns when the broker has acknowledged all.
func publishLoad(ctx context.Context, addr, topic string, events, rate int) error {
	c, err := connectMQTT(ctx, addr, func(*paho.Publish) {})
	if err != nil {
		return err
	}
	defer c.Disconnect(&paho.Disconnect{})
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := range events {
		if _, err := c.Publish(ctx, &paho.Publish{Topic: fmt.Sprintf(topic, n), QoS: 1, Payload: []byte("{}")}); err != nil {
			return err
		}
		<-tick.C
	}
	return nil
}
