package doctor_test

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/doctor"
)

// twoFilters are rules with the topic filters a/+ and b/+.
var twoFilters = rules + strings.NewReplacer("rules:\n", "", "name: one", "name: two", "a/{id}", "b/{id}").Replace(rules)

// policing starts a broker that ends the connection at a SUBSCRIBE with one of the filters: with a
// DISCONNECT of that code, or with nothing where it is 0.
func policing(t *testing.T, code byte, filters ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { l.Close(); serving.Wait() })
	serving.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			serving.Go(func() {
				defer c.Close()
				police(c, code, filters)
			})
		}
	})
	return "mqtt://" + l.Addr().String()
}

func police(c net.Conn, code byte, filters []string) {
	for {
		packet, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		switch p := packet.Content.(type) {
		case *packets.Connect:
			fmt.Fprint(c, "\x20\x03\x00\x00\x00")
		case *packets.Subscribe:
			if slices.Contains(filters, p.Subscriptions[0].Topic) {
				if code > 0 {
					c.Write([]byte{0xe0, 2, code, 0})
				}
				return
			}
			c.Write([]byte{0x90, 4, byte(p.PacketID >> 8), byte(p.PacketID), 0, 1})
		case *packets.Publish:
			c.Write([]byte{0x40, 2, byte(p.PacketID >> 8), byte(p.PacketID)})
			back := packets.NewControlPacket(packets.PUBLISH) // only the doctor's own topic is published to
			*back.Content.(*packets.Publish) = packets.Publish{Topic: p.Topic, Payload: p.Payload, Properties: &packets.Properties{}}
			back.WriteTo(c)
		case *packets.Disconnect:
			return
		}
	}
}

// A broker that ends the connection at a SUBSCRIBE: each topic filter has its own verdict, with
// what to do, and the rest is examined all the same.
func TestConnectionEndedAtSubscribe(t *testing.T) {
	const closed = "the broker closed the connection at SUBSCRIBE"
	tests := []struct {
		name    string
		code    byte
		filters []string
		want    []string
	}{
		{"not authorized", 0x87, []string{"a/+"}, []string{`topic filter "a/+": ` + closed + ": not authorized (0x87)", "read a/+ for an anonymous client",
			"warn  filter: b/+: granted", `!topic filter "b/+"`}},
		{"closes", 0, []string{"b/+"}, []string{`topic filter "b/+": ` + closed, "read b/+ for an anonymous client", "warn  filter: a/+: granted"}},
		{"every filter", 0x87, []string{"a/+", "b/+"}, []string{`topic filter "a/+": ` + closed, `topic filter "b/+": ` + closed}},
		{"$SYS", 0, []string{"$SYS/#"}, []string{"warn  filter: a/+: granted", "warn  filter: b/+: granted", "note  sys: $SYS cannot be read"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, _ := look{yaml: twoFilters, url: policing(t, test.code, test.filters...)}.run(t)
			holds(t, out, append(test.want, "!context canceled", "!no connection available", "!another connection", "ok    base_topic: a QoS 1 message")...)
		})
	}
}

// The doctor sees all retained messages that the bridge would, however short the broker's queue.
func TestManyRetained(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"max_queued_messages 100"}})
	c, err := net.Dial("tcp", broker.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const messages = 3000
	var all bytes.Buffer
	connect := packets.NewControlPacket(packets.CONNECT)
	*connect.Content.(*packets.Connect) = packets.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, CleanStart: true, ClientID: "peer", Properties: &packets.Properties{}}
	connect.WriteTo(&all)
	for i := range messages {
		p := packets.NewControlPacket(packets.PUBLISH)
		*p.Content.(*packets.Publish) = packets.Publish{Topic: fmt.Sprintf("a/%d", i), Payload: bytes.Repeat([]byte("x"), 1000), Retain: true, Properties: &packets.Properties{}}
		p.WriteTo(&all)
	}
	packets.NewControlPacket(packets.PINGREQ).WriteTo(&all)
	if _, err := all.WriteTo(c); err != nil {
		t.Fatal(err)
	}
	for {
		p, err := packets.ReadPacket(c)
		if err != nil {
			t.Fatal(err)
		}
		if p.Type == packets.PINGRESP {
			break
		}
	}
	out, counts := look{yaml: rules, url: "mqtt://" + broker.Addr}.run(t)
	holds(t, out, fmt.Sprintf("filter: a/+: granted, and it can be read: %d messages retained", messages))
	if counts[doctor.Fail] > 0 {
		t.Error(out)
	}
}
