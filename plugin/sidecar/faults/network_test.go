package faults_test

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

// hasty has the bridge notice a silent broker within two seconds.
var hasty = []string{"BRIDGE_BROKER_KEEPALIVE=1s"}

// A broker that hangs for longer than the keep-alive, and then goes on where it was.
func TestBrokerHangs(t *testing.T) {
	s := start(t, options{environ: hasty})
	for range 2 {
		s.load()
		s.broker.Signal(syscall.SIGSTOP)
		s.bridge.waitNotReady("mqtt")
		s.broker.Signal(syscall.SIGCONT)
		s.bridge.process.WaitReady()
	}
	s.flow()
	s.finish("mosquitto: 2 x SIGSTOP, SIGCONT").exact()
}

// Mosquitto 2.1 says it in other words than 2.0.
var gaveUp = regexp.MustCompile(`Client mqtt-stomp-bridge (has exceeded timeout|\[.*\] disconnected: exceeded timeout)`)

// A bridge that hangs: the broker gives its connection up and keeps the events, the clients resume.
func TestBridgeHangs(t *testing.T) {
	s := start(t, options{environ: hasty})
	s.load()
	s.again(func() {
		s.bridge.process.Signal(syscall.SIGSTOP)
		bridgetest.Eventually(t, "the broker to give the bridge up", func() bool { return gaveUp.MatchString(s.broker.Log()) })
		s.all("to give the bridge up", func(c *subscriber) bool { return c.ended() > 0 })
		s.bridge.process.Signal(syscall.SIGCONT)
	})
	s.bridge.process.WaitReady()
	s.flow()
	s.finish("bridge: SIGSTOP, SIGCONT").exact()
}

func TestBrokerConnectionCut(t *testing.T) {
	s := start(t, options{mqtt: true})
	for range 4 {
		s.load()
		before := s.sessions()
		s.mqtt.cut()
		bridgetest.Eventually(t, "the bridge to connect again", func() bool { return s.sessions() > before })
		s.bridge.process.WaitReady()
	}
	s.flow()
	s.finish("bridge to mosquitto: 4 x reset").exact()
}

// Half-open: neither end is told that the other has gone.
func TestBrokerConnectionHalfOpen(t *testing.T) {
	s := start(t, options{mqtt: true, environ: hasty})
	for range 2 {
		s.load()
		s.mqtt.blackhole()
		s.bridge.waitNotReady("mqtt")
		s.mqtt.heal()
		s.bridge.process.WaitReady()
	}
	s.flow()
	s.finish("bridge to mosquitto: 2 x half-open").exact()
}

// A connection that passes on nothing for a while, and then all of it.
func TestBrokerConnectionStalls(t *testing.T) {
	s := start(t, options{mqtt: true, environ: hasty})
	for range 2 {
		s.load()
		s.mqtt.hold(there, back)
		s.bridge.waitNotReady("mqtt")
		s.mqtt.release()
		s.bridge.process.WaitReady()
	}
	s.flow()
	s.finish("bridge to mosquitto: 2 x stalled").exact()
}

// Events come, and acknowledgements do not get through: all that is sent again was delivered
// before.
func TestAcknowledgementsStall(t *testing.T) {
	s := start(t, options{mqtt: true, environ: hasty})
	for range 2 {
		s.load()
		s.mqtt.hold(there)
		s.bridge.waitNotReady("mqtt")
		s.mqtt.release()
		s.bridge.process.WaitReady()
	}
	s.flow()
	s.finish("acknowledgements: 2 x stalled").exact()
}

func TestClientsCut(t *testing.T) {
	s := start(t, options{stomp: true})
	for range 5 {
		s.load()
		s.again(s.stomp.cut)
	}
	s.flow()
	s.finish("clients to bridge: 5 x reset").exact()
}

// The bridge must let go of clients that it no longer hears, and they of it.
func TestClientsHalfOpen(t *testing.T) {
	s := start(t, options{stomp: true})
	s.load()
	s.again(func() {
		s.stomp.blackhole()
		s.sessionsEnd()
		s.stomp.heal()
	})
	s.flow()
	s.finish("clients to bridge: half-open").exact()
}

func TestClientsStall(t *testing.T) {
	s := start(t, options{stomp: true})
	s.load()
	s.again(func() {
		s.stomp.hold(there, back)
		s.sessionsEnd()
		s.stomp.release()
	})
	s.flow()
	s.finish("clients to bridge: stalled").exact()
}

// sessions returns how many times the bridge has connected to the broker, by the broker's word.
func (s *system) sessions() int { return strings.Count(s.broker.Log(), " as mqtt-stomp-bridge (") }

// sessionsEnd waits until the bridge has given up every client of the beginning.
func (s *system) sessionsEnd() {
	s.t.Helper()
	bridgetest.Eventually(s.t, "the bridge to end the sessions", func() bool { return len(s.bridge.process.Log.Lines("session ended")) >= len(s.clients) })
}

// again waits until after the fault every client has connected again.
func (s *system) again(fault func()) {
	s.t.Helper()
	before := make([]int, len(s.clients))
	for i, c := range s.clients {
		before[i] = c.connected()
	}
	fault()
	for i, c := range s.clients {
		bridgetest.Eventually(s.t, "a client to connect again", func() bool { return c.connected() > before[i] })
	}
}
