package mqtt_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// oblige answers what a client sends, as a broker does that has no events, until the client leaves.
// A PUBLISH gets an acknowledgement where acknowledged says so.
func oblige(c net.Conn, acknowledged func(topic string) bool) {
	for {
		packet, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		switch p := packet.Content.(type) {
		case *packets.Subscribe:
			fmt.Fprintf(c, "\x90\x04%c%c\x00\x01", p.PacketID>>8, byte(p.PacketID))
		case *packets.Publish:
			if acknowledged(p.Topic) {
				fmt.Fprintf(c, "\x40\x02%c%c", p.PacketID>>8, byte(p.PacketID))
			}
		case *packets.Pingreq:
			io.WriteString(c, "\xd0\x00")
		case *packets.Disconnect:
			return
		}
	}
}

// The broker acknowledges everything but one message, as one that has lost a packet. The connection
// is made anew after a while, and until the message is acknowledged the state names its topic.
func TestPublishNeverAcknowledged(t *testing.T) {
	broker := scriptedBroker(t, func(number int, c *net.TCPConn, p *packets.Connect) {
		io.WriteString(c, "\x20\x03\x00\x00\x00")
		oblige(c, func(topic string) bool { return topic != "letters" || number > 0 })
	})
	c, log := start(t, broker, mqtt.Config{Filters: filters("a")})
	letter := mqtt.Message{Topic: "letters", Payload: []byte("x"), QoS: 1}
	err := c.Publish(t.Context(), letter)
	if err == nil || !strings.Contains(err.Error(), "did not acknowledge") {
		t.Errorf("publish: %v, want that it is not acknowledged", err)
	}
	if diff := cmp.Diff([]string{"letters"}, c.State().Unanswered); diff != "" {
		t.Errorf("topics without an answer (-want +got):\n%s", diff)
	}
	bridgetest.Eventually(t, "the log line", func() bool { return len(log.Lines("did not acknowledge a PUBLISH")) == 1 })
	if err := c.Publish(t.Context(), mqtt.Message{Topic: "others", QoS: 1}); err != nil {
		t.Errorf("publishing on the new connection: %v", err)
	}
	if got := c.State().Unanswered; len(got) != 1 {
		t.Errorf("topics without an answer after another was acknowledged: %v, want the one", got)
	}
	if err := c.Publish(t.Context(), letter); err != nil {
		t.Errorf("publishing it again: %v", err)
	}
	if got := c.State().Unanswered; len(got) > 0 {
		t.Errorf("topics without an answer after all were acknowledged: %v", got)
	}
}

// What the broker grants of the session expiry is said at each connect.
func TestSessionExpiryCut(t *testing.T) {
	for _, test := range []struct {
		name    string
		granted string // property of the CONNACK
		want    time.Duration
		said    int
	}{
		{"as asked", "\x00", time.Hour, 0},
		{"a minute", "\x05\x11\x00\x00\x00\x3c", time.Minute, 1},
		{"none", "\x05\x11\x00\x00\x00\x00", 0, 1},
		{"more than asked", "\x05\x11\xff\xff\xff\xff", time.Hour, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			broker := scriptedBroker(t, func(_ int, c *net.TCPConn, p *packets.Connect) {
				fmt.Fprintf(c, "\x20%c\x00\x00%s", len(test.granted)+2, test.granted)
				oblige(c, func(string) bool { return true })
			})
			c, log := newClient(t, broker, mqtt.Config{Filters: filters("a"), SessionExpiry: time.Hour})
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := waitState(t, c, "connected", func(s mqtt.State) bool { return s.Receiving.Connected })
			if s.SessionExpiry != test.want {
				t.Errorf("session expiry %v, want %v", s.SessionExpiry, test.want)
			}
			if said := log.Lines("shorter time than asked"); len(said) != test.said {
				t.Errorf("said %d times, want %d:\n%s", len(said), test.said, strings.Join(said, ""))
			}
		})
	}
}
