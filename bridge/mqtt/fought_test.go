package mqtt_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// A take-over that the broker does not put into words is recognised by its rhythm, however the end
// of the connection arrives; other losses are not mistaken for one.
func TestTakeOverByItsRhythm(t *testing.T) {
	const connack = "\x20\x03%c\x00\x00"
	tests := []struct {
		name    string
		present bool
		refuse  bool // every second connection is not accepted, as by a broker that restarts
		reset   bool // RST in place of FIN
		want    bool
	}{
		{name: "closed", present: true, want: true},
		{name: "reset", present: true, reset: true, want: true},
		{name: "no session present", want: false},
		{name: "refused in between", present: true, refuse: true, want: false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for the next attempt
			present := byte(0)
			if tt.present {
				present = 1
			}
			broker := scriptedBroker(t, func(number int, c *net.TCPConn, p *packets.Connect) {
				if strings.HasSuffix(p.ClientID, "-out") {
					fmt.Fprintf(c, connack, 0)
					acknowledgeAll(c) // the status
					return
				}
				if tt.refuse && number%2 == 1 {
					return
				}
				fmt.Fprintf(c, connack, present)
				packets.ReadPacket(c) // SUBSCRIBE
				if tt.reset {
					c.SetLinger(0)
				}
			})
			c, log := newClient(t, broker, mqtt.Config{Filters: filters("a")})
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			bridgetest.Eventually(t, "three losses", func() bool { return c.Stats().Connects >= 4 })
			said := log.Lines("is a second bridge running with the same client_id?")
			if got := c.Stats().TakenOver > 0 && len(said) == 1; got != tt.want || !tt.want && len(said) > 0 {
				t.Errorf("%d taken over, said:\n%s", c.Stats().TakenOver, strings.Join(said, ""))
			}
		})
	}
}
