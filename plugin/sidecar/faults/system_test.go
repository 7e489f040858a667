package faults_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// Options say what a test needs. Zero fields take the defaults.
type options struct {
	clients int    // resuming subscribers; default 10
	rate    int    // events a second; default 300
	dir     string // the journal's; default a directory of the test
	memory  bool   // no directory: the journal is in memory
	mqtt    bool   // a proxy between bridge and broker
	stomp   bool   // a proxy between clients and bridge
	broker  mosquittotest.Options
	user    string   // of the publisher, whose password is "<user> password"; default anonymous
	environ []string // of the bridge
	rules   string   // of the bridge; default: those that keep the event's text
}

// A system is a broker, a bridge, a publisher and clients, all of them running.
type system struct {
	t       testing.TB
	broker  *mosquittotest.Broker
	bridge  *bridge
	mqtt    *proxy // nil: none
	stomp   *proxy // nil: none
	events  *publisher
	clients []*subscriber
}

// advised returns what mosquitto/mosquitto.conf says about keeping events.
func advised(t testing.TB) (lines []string) {
	t.Helper()
	file, err := os.ReadFile("../../../mosquitto/mosquitto.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		switch key, _, _ := strings.Cut(line, " "); key {
		case "persistence", "autosave_interval", "max_queued_messages", "max_packet_size":
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// start runs a system. When it returns every client has a message of each queue, so that it has
// something to resume from.
func start(t testing.TB, o options) *system {
	t.Helper()
	if o.clients == 0 {
		o.clients = 10
	}
	if o.rate == 0 {
		o.rate = 300
	}
	if o.dir == "" && !o.memory {
		o.dir = t.TempDir()
	}
	o.broker.Config = append(advised(t), o.broker.Config...)
	s := &system{t: t, broker: mosquittotest.Start(t, o.broker)}
	broker := s.broker.Addr
	if o.mqtt {
		s.mqtt = startProxy(t, broker)
		broker = s.mqtt.addr
	}
	s.bridge = newBridge(t, broker, o.dir, o.environ...)
	if o.rules != "" {
		if err := os.WriteFile(s.bridge.config, []byte(o.rules), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.bridge.start()
	s.bridge.process.WaitReady()

	server := s.bridge.listen
	if o.stomp {
		s.stomp = startProxy(t, server)
		server = s.stomp.addr
	}
	s.begin(o, visit{urls: []string{endpoint(server)}, token: s.bridge.token()})
	return s
}

func endpoint(addr string) string { return "ws://" + addr + "/ws.communication" }

// begin starts clients that come so, and then the events. The first client keeps the bodies. When
// it returns every client has a message of each queue.
func (s *system) begin(o options, v visit) {
	t := s.t
	t.Helper()
	for i := range o.clients {
		v.keep = i == 0
		s.clients = append(s.clients, startSubscriber(t, v))
	}
	t.Cleanup(func() {
		if t.Failed() {
			for i, c := range s.clients[:min(3, len(s.clients))] {
				t.Logf("client %d is at %d, its connections ended with %v", i, c.positions(), c.ends)
			}
		}
	})
	s.all("to be connected", func(c *subscriber) bool { return c.connected() > 0 })
	s.events = startPublisher(t, s.broker.Addr, o.user, o.rate)
	s.all("to have a message", func(c *subscriber) bool { return !slices.Contains(c.positions(), 0) })
}

// all waits until a condition holds of every client.
func (s *system) all(what string, condition func(*subscriber) bool) {
	s.t.Helper()
	bridgetest.Eventually(s.t, "every client "+what, func() bool {
		return !slices.ContainsFunc(s.clients, func(c *subscriber) bool { return !condition(c) })
	})
}

// flow waits until every client has got something that the broker takes from now on.
func (s *system) flow() {
	s.t.Helper()
	s.published(1)
	n := s.events.newest()
	var end uint64
	bridgetest.Eventually(s.t, fmt.Sprintf("event %d to arrive", n), func() bool { end = s.clients[0].place(n); return end > 0 })
	s.all("to be as far", func(c *subscriber) bool { return c.positions()[queueOf(n)] >= end })
}

// published waits until the broker has acknowledged so many more events.
func (s *system) published(more int) {
	s.t.Helper()
	_, begin := s.events.counts()
	bridgetest.Eventually(s.t, "events to be published", func() bool { _, n := s.events.counts(); return n >= begin+more })
}

// settle ends the load, waits until everything has arrived, and stops the clients and the bridge.
func (s *system) settle() {
	s.t.Helper()
	s.arrive()
	for _, c := range s.clients {
		c.stop()
	}
	s.bridge.process.Stop()
}

// arrive ends the load and waits until everything has arrived.
func (s *system) arrive() {
	t := s.t
	t.Helper()
	for _, n := range s.events.finish(t) {
		var end uint64
		bridgetest.Eventually(t, "the last event to arrive", func() bool { end = s.clients[0].place(n); return end > 0 })
		s.all("to have the last event", func(c *subscriber) bool { return c.positions()[queueOf(n)] >= end })
	}
}

// finish settles and compares what there is.
func (s *system) finish(fault string) *verdict {
	s.t.Helper()
	s.settle()
	v := newVerdict(s.t, fault, s.events, onDisk(s.t, s.bridge.dir))
	for i, c := range s.clients {
		v.compare(i, c)
	}
	return v
}
