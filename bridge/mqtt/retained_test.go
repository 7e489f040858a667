package mqtt_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// retain publishes a retained message at QoS 1.
func (p *peer) retain(t *testing.T, topic, payload string) {
	t.Helper()
	if _, err := p.Publish(t.Context(), &paho.Publish{Topic: topic, QoS: 1, Retain: true, Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
}

// reading takes the events up to the end of a reading, and describes them.
func reading(t *testing.T, c *mqtt.Client) (events []string) {
	t.Helper()
	for {
		e := next(t, c)
		switch e.Reading {
		case mqtt.ReadingBegins:
			events = append(events, "begins")
		case mqtt.ReadingEnds:
			if s := c.State(); s.Ready {
				t.Error("ready before the reading is committed")
			}
			c.Ack(e)
			return append(events, "ends")
		case mqtt.ReadingCopy:
			events = append(events, fmt.Sprintf("%s=%s, retained %v, qos %d", e.Topic, e.Payload, e.Retained, e.QoS))
		default:
			events = append(events, fmt.Sprintf("live %s=%s", e.Topic, e.Payload))
		}
		c.Ack(e)
	}
}

// Retained messages are read at each start of a process, whatever the session holds, and the client
// is ready when they are committed.
func TestRetainedAreReadAtEachStart(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.retain(t, "skip", "1")
	p.retain(t, "deliver/a", "2")
	cfg := mqtt.Config{Filters: filters("skip", "deliver/+"), Retained: []string{"deliver/+"}}
	for _, process := range []string{"first", "second"} {
		c, _ := newClient(t, b.URL("mqtt"), cfg)
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"begins", "deliver/a=2, retained true, qos 0", "ends"}
		if diff := cmp.Diff(want, reading(t, c)); diff != "" {
			t.Errorf("%s process (-want +got):\n%s", process, diff)
		}
		ready(t, c)
		none(t, c)
		shut(t, c)
	}
}

// Live events under the same filters do not keep a reading from its end.
func TestRetainedAreReadBesideALiveStream(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.retain(t, "a/state", "1")
	stop := make(chan struct{})
	var streaming sync.WaitGroup
	streaming.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				p.publish(t, "a/live", fmt.Sprint(n))
			}
		}
	})
	c, _ := newClient(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a/+"), Retained: []string{"a/+"}})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	copies := 0
	for ended := false; !ended; {
		e := next(t, c)
		switch e.Reading {
		case mqtt.ReadingCopy:
			copies++
		case mqtt.ReadingEnds:
			ended = true
		}
		c.Ack(e)
	}
	close(stop)
	streaming.Wait()
	if copies != 1 {
		t.Errorf("%d retained messages, want 1", copies)
	}
}

// A change of the rules, and a request by hand, have them read again.
func TestRetainedAreReadAgain(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.retain(t, "a", "1")
	p.retain(t, "b", "2")
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a", "b")})
	none(t, c)

	settled := make(chan error, 1)
	go func() { settled <- c.SetFilters(t.Context(), filters("a", "b"), []string{"a", "b"}) }()
	if diff := cmp.Diff([]string{"begins", "a=1, retained true, qos 0", "b=2, retained true, qos 0", "ends"}, reading(t, c)); diff != "" {
		t.Errorf("after filters gained retained messages (-want +got):\n%s", diff)
	}
	if err := <-settled; err != nil {
		t.Errorf("SetFilters: %v", err)
	}
	ready(t, c)

	for _, hand := range []struct {
		filter string
		want   []string
	}{
		{"b", []string{"begins", "b=2, retained true, qos 0", "ends"}},
		{"#", []string{"begins", "a=1, retained true, qos 0", "b=2, retained true, qos 0", "ends"}},
	} {
		go func() { settled <- c.Reread(t.Context(), hand.filter) }()
		if diff := cmp.Diff(hand.want, reading(t, c)); diff != "" {
			t.Errorf("%s by hand (-want +got):\n%s", hand.filter, diff)
		}
		if err := <-settled; err != nil {
			t.Errorf("Reread(%q): %v", hand.filter, err)
		}
	}
	ready(t, c)
	for _, filter := range []string{"c", "c/#", "a/#/b", ""} {
		if err := c.Reread(t.Context(), filter); err == nil {
			t.Errorf("Reread(%q) without a rule for it: no error", filter)
		}
	}
}

// A broker that has lost the session has not queued what changed meanwhile.
func TestRetainedAreReadWhenTheSessionIsLost(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	c, _ := newClient(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a"), Retained: []string{"a"}})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"begins", "ends"}, reading(t, c)); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	ready(t, c)
	b.Kill()
	b.Restart()
	connect(t, b.Addr, &paho.Connect{ClientID: "peer"}).retain(t, "a", "1")
	got := strings.Join(reading(t, c), ", ")
	if !strings.Contains(got, "a=1") { // live, retained, or both
		t.Errorf("after the loss: %s", got)
	}
	ready(t, c)
}

// A filter that the broker refuses does not keep the others' retained messages back, and its own
// come when it is granted.
func TestRetainedBesideARefusedFilter(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	b.acl.set("secret/#")
	p := connect(t, b.u.Host, &paho.Connect{ClientID: "peer"})
	p.retain(t, "open/a", "1")
	p.retain(t, "secret/a", "2")
	c, _ := newClient(t, b.u, mqtt.Config{Filters: filters("open/#", "secret/#"), Retained: []string{"open/#", "secret/#"}})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"begins", "open/a=1, retained true, qos 0", "ends"}, reading(t, c)); diff != "" {
		t.Errorf("while one filter is refused (-want +got):\n%s", diff)
	}
	b.acl.set()
	if got := strings.Join(reading(t, c), ", "); !strings.Contains(got, "secret/a=2") {
		t.Errorf("when it is granted: %s", got)
	}
	ready(t, c)
}

// Mosquitto drops retained messages beyond max_queued_messages, 1000 by default, wherever it cannot
// write them at once. None is missing all the same.
func TestManyRetained(t *testing.T) {
	for _, test := range []struct{ messages, size int }{
		{10_000, 20}, {10_000, 1000},
	} {
		t.Run(fmt.Sprintf("%d of %d bytes", test.messages, test.size), func(t *testing.T) {
			b := mosquittotest.Start(t, mosquittotest.Options{})
			p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
			payload := []byte(strings.Repeat("x", test.size))
			for i := range test.messages {
				m := &paho.Publish{Topic: fmt.Sprintf("dev/%d/state", i), QoS: byte(i % 2), Retain: true, Payload: payload}
				if _, err := p.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			p.publish(t, "end", "") // all are there
			c, log := newClient(t, b.URL("mqtt"), mqtt.Config{Filters: filters("dev/+/state"), Retained: []string{"dev/+/state"}})
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			topics := map[string]bool{}
			for e := range c.Events() {
				if e.Reading == mqtt.ReadingCopy {
					topics[e.Topic] = true
					if len(topics)%1000 == 0 {
						time.Sleep(20 * time.Millisecond) // a commit
					}
				}
				c.Ack(e)
				if e.Reading == mqtt.ReadingEnds {
					break
				}
			}
			if len(topics) != test.messages {
				t.Errorf("%d of %d retained messages have come", len(topics), test.messages)
			}
			ready(t, c)
			t.Log(log.Lines("read retained messages"))
		})
	}
}

// A broker may refuse the visit, as by its client id; the state says why the client is not ready.
func TestRetainedCannotBeRead(t *testing.T) {
	broker := scriptedBroker(t, func(_ int, c *net.TCPConn, p *packets.Connect) {
		if strings.HasSuffix(p.ClientID, "-retained") {
			io.WriteString(c, "\x20\x03\x00\x87\x00")
			return
		}
		io.WriteString(c, "\x20\x03\x00\x00\x00")
		oblige(c, func(string) bool { return true })
	})
	c, log := newClient(t, broker, mqtt.Config{Filters: filters("a"), Retained: []string{"a"}})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "the broker refuses the connection: not authorized (0x87)"
	s := waitState(t, c, "refused", func(s mqtt.State) bool { return s.Retained != nil && s.Retained.Error() == want })
	if s.Ready {
		t.Error("ready without them")
	}
	bridgetest.Eventually(t, "the log line", func() bool { return len(log.Lines("cannot read retained messages")) == 1 })
}
