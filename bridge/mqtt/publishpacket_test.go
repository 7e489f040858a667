package mqtt_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
)

func TestDecodePublish(t *testing.T) {
	tests := []struct {
		name  string
		flags byte
		body  string
		want  mqtt.Event
		err   string
	}{
		{name: "at most once", body: "\x00\x03a/b\x00hello", want: mqtt.Event{Topic: "a/b", Payload: []byte("hello")}},
		{name: "at least once", flags: 0xb, body: "\x00\x01a\x12\x34\x00", want: mqtt.Event{Topic: "a", QoS: 1, PacketID: 0x1234, Dup: true, Retained: true}},
		{name: "properties", body: "\x00\x01a\x0e\x03\x00\x01t\x26\x00\x01k\x00\x02v1\x01\x01x",
			want: mqtt.Event{Topic: "a", ContentType: "t", User: []mqtt.UserProperty{{"k", "v1"}}, Payload: []byte("x")}},
		{name: "properties of a length in two octets", body: "\x00\x01a\x87\x01\x26\x00\x01k\x00\x81" + string(bytes.Repeat([]byte("v"), 129)) + "x",
			want: mqtt.Event{Topic: "a", User: []mqtt.UserProperty{{"k", string(bytes.Repeat([]byte("v"), 129))}}, Payload: []byte("x")}},
		{name: "quality of service", flags: 6, body: "\x00\x01a\x00\x01\x00", err: "reading PUBLISH: a QoS of 3"},
		{name: "no topic", body: "\x00", err: "reading PUBLISH: the packet ends too early"},
		{name: "half a topic", body: "\x00\x03ab", err: "reading PUBLISH: the packet ends too early"},
		{name: "no identifier", flags: 2, body: "\x00\x01a\x00", err: "reading PUBLISH: the packet ends too early"},
		{name: "no properties", body: "\x00\x01a", err: "reading PUBLISH: the packet ends too early"},
		{name: "half the properties", body: "\x00\x01a\x05\x03\x00", err: "reading PUBLISH: the packet ends too early"},
		{name: "endless length of properties", body: "\x00\x01a\xff\xff\xff\xff\xff", err: "reading PUBLISH: the packet ends too early"},
		{name: "a property of CONNECT", body: "\x00\x01a\x05\x11\x00\x00\x00\x01", err: "reading PUBLISH: properties: invalid Prop type 17 for packet 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mqtt.DecodePublish(tt.flags, []byte(tt.body))
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, *got, cmpopts.IgnoreUnexported(mqtt.Event{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever paho reads as a PUBLISH is the same event here.
func FuzzDecodePublish(f *testing.F) {
	f.Add(byte(0), []byte("\x00\x03a/b\x00hello"))
	f.Add(byte(0xb), []byte("\x00\x01a\x12\x34\x0e\x03\x00\x01t\x26\x00\x01k\x00\x02v1\x01\x01x"))
	f.Fuzz(func(t *testing.T, flags byte, body []byte) {
		flags &= 0xf
		got, err := mqtt.DecodePublish(flags, body)
		want := packets.Publish{QoS: flags >> 1 & 3, Properties: &packets.Properties{}}
		if err != nil {
			return
		}
		if err := want.Unpack(bytes.NewBuffer(body)); err != nil {
			t.Fatalf("paho: %v", err)
		}
		if got.Topic != want.Topic || got.PacketID != want.PacketID || got.ContentType != want.Properties.ContentType ||
			!bytes.Equal(got.Payload, want.Payload) || len(got.User) != len(want.Properties.User) {
			t.Errorf("%+v, paho has %+v", got, want)
		}
	})
}

// What one read has brought is acknowledged in one write, in the order of receipt, at QoS 2 too,
// which nobody has asked for but an earlier client of the session may have.
func TestAcknowledgements(t *testing.T) {
	got := make(chan []byte, 1)
	broker := scriptedBroker(t, func(_ int, c *net.TCPConn, p *packets.Connect) {
		io.WriteString(c, "\x20\x03\x00\x00\x00")
		if p.ClientID != "bridge" {
			oblige(c, func(string) bool { return true })
			return
		}
		// PUBLISH at QoS 1, 0, 2 and 1
		io.WriteString(c, "\x32\x06\x00\x01a\x00\x05\x00"+"\x30\x04\x00\x01a\x00"+"\x34\x06\x00\x01a\x00\x06\x00"+"\x32\x06\x00\x01a\x00\x07\x00")
		const want = 3*4 + 4
		var acks []byte
		for len(acks) < want {
			packet, err := packets.ReadPacket(c)
			if err != nil {
				return
			}
			switch p := packet.Content.(type) {
			case *packets.Subscribe:
				fmt.Fprintf(c, "\x90\x04%c%c\x00\x01", p.PacketID>>8, byte(p.PacketID))
			case *packets.Puback:
				acks = append(acks, packets.PUBACK, byte(p.PacketID), p.ReasonCode, 0)
			case *packets.Pubrec:
				acks = append(acks, packets.PUBREC, byte(p.PacketID), p.ReasonCode, 0)
				fmt.Fprintf(c, "\x62\x02%c%c", p.PacketID>>8, byte(p.PacketID))
			case *packets.Pubcomp:
				acks = append(acks, packets.PUBCOMP, byte(p.PacketID), p.ReasonCode, 0)
			case *packets.Pingreq:
				io.WriteString(c, "\xd0\x00")
			}
		}
		got <- acks
		oblige(c, func(string) bool { return true })
	})
	c, _ := start(t, broker, mqtt.Config{Filters: filters("a")})
	events := []*mqtt.Event{next(t, c), next(t, c), next(t, c), next(t, c)}
	if events[1].QoS != 0 || events[2].QoS != 2 || events[3].PacketID != 7 {
		t.Errorf("events %+v", events)
	}
	c.Ack(events...)
	want := []byte{packets.PUBACK, 5, 0, 0, packets.PUBREC, 6, 0, 0, packets.PUBACK, 7, 0, 0, packets.PUBCOMP, 6, 0, 0}
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	bridgetest.Eventually(t, "the count", func() bool { return c.Stats().Acks == 3 })
}
