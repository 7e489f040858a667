package mqtt_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

func TestBrokerAbsentAtStart(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	b.Kill()
	c, log := newClient(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a")})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "a few attempts", func() bool { return c.Stats().ConnectErrors >= 6 })
	if s := c.State(); s.Ready || s.Receiving.Connected || !errors.Is(s.Receiving.Err, syscall.ECONNREFUSED) {
		t.Errorf("state without a broker: %+v", s)
	}
	said := log.Lines("cannot connect to the broker")
	if len(said) != 1 || !strings.Contains(said[0], "connection refused") {
		t.Errorf("the absent broker should be said once, got:\n%s", strings.Join(said, ""))
	}
	b.Restart()
	ready(t, c)
	if s := c.State(); s.Receiving.Err != nil {
		t.Errorf("error %v while connected", s.Receiving.Err)
	}
}

// A process that begins finds out as well that the broker has lost the session of the one before
// it.
func TestSessionLostBetweenProcesses(t *testing.T) {
	for _, test := range []struct {
		name      string
		returning bool
		want      uint64
	}{
		{"the first process ever", false, 0},
		{"a later one", true, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mosquittotest.Start(t, mosquittotest.Options{})
			c, log := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a"), Returning: test.returning})
			if got := c.Stats().AbsentSessions; got != test.want {
				t.Errorf("%d sessions absent, want %d", got, test.want)
			}
			if n := len(log.Lines("no session for this bridge any more")); n != int(test.want) {
				t.Errorf("the absent session was said %d times, want %d", n, test.want)
			}
		})
	}
}

func TestBrokerKilled(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{}) // without a store
	c, log := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a")})
	b.Kill()
	waitState(t, c, "away", func(s mqtt.State) bool { return !s.Receiving.Connected && s.Receiving.Err != nil })
	b.Restart()
	ready(t, c)
	connect(t, b.Addr, &paho.Connect{ClientID: "peer"}).publish(t, "a", "1")
	e := next(t, c)
	if e.SessionPresent || e.Session != 2 {
		t.Errorf("event of session %d, present %v; want 2, false", e.Session, e.SessionPresent)
	}
	if got := c.Stats(); got.Connects != 2 || got.AbsentSessions != 1 {
		t.Errorf("%d connects, %d sessions absent; want 2, 1", got.Connects, got.AbsentSessions)
	}
	if n := len(log.Lines("no session for this bridge any more")); n != 1 {
		t.Errorf("the absent session was said %d times, want once", n)
	}
}

func TestBrokerRestartedWithItsStore(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"persistence true"}})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a")})
	connect(t, b.Addr, &paho.Connect{ClientID: "peer"}).publish(t, "a", "1")
	old := next(t, c)
	b.Stop()
	waitState(t, c, "away", func(s mqtt.State) bool { return !s.Receiving.Connected })
	b.Restart()
	ready(t, c)

	c.Ack(old) // too late, and harmless
	if got := c.Stats().StaleAcks; got != 1 {
		t.Errorf("%d stale acknowledgements, want 1", got)
	}
	again := next(t, c)
	if !again.Dup || !again.SessionPresent || again.PacketID != old.PacketID || again.Session != old.Session {
		t.Errorf("the event comes again as %+v, first was %+v", again, old)
	}
	if got := c.Stats().AbsentSessions; got != 0 {
		t.Errorf("%d sessions absent, want none", got)
	}
}

// Events that were received before the connection broke are still handed over: after
// a kill the broker may not have them any more.
func TestReceivedBeforeTheBreak(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a"), ReceiveMaximum: 2})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.publishAtMostOnce(t, "a", numbers(1, 8)) // twice what has room
	bridgetest.Eventually(t, "a full channel", func() bool { return len(c.Events()) == 4 })
	b.Kill()
	if diff := cmp.Diff(numbers(1, 8), nextPayloads(t, c, 8)); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
	// Before it is noticed, Close would say that the broker did not take the offline status.
	bridgetest.Eventually(t, "the loss of both connections to be noticed", func() bool {
		s := c.State()
		return !s.Receiving.Connected && !s.Sending.Connected
	})
}

// A consumer that never takes anything must not stand in the way of a reconnect.
func TestReconnectPastAStalledConsumer(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	cfg := mqtt.Config{Filters: filters("a"), ReceiveMaximum: 1, KeepAlive: time.Second}
	c, _ := start(t, b.URL("mqtt"), cfg)
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.publishAtMostOnce(t, "a", numbers(1, 8))
	bridgetest.Eventually(t, "a full channel", func() bool { return len(c.Events()) == 2 })
	b.Kill()
	b.Restart()
	bridgetest.Eventually(t, "the second connect", func() bool { return c.Stats().Connects == 2 })
	ready(t, c)
	if got := c.Stats(); got.Events != 2 || got.Dropped == 0 {
		t.Errorf("%d events handed over, %d dropped; want 2 and some", got.Events, got.Dropped)
	}
}

func TestTakeOver(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	first, log := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a")})
	second, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a")})
	connects := func() uint64 { return first.Stats().Connects + second.Stats().Connects }
	const fight = 9
	begin := time.Now()
	bridgetest.Eventually(t, "a fight for the client id", func() bool { return connects() >= fight })
	// 75 in 5 s where nothing damps it.
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("%d connects in %v: the take-over is not damped", fight, took)
	}
	bridgetest.Eventually(t, "the take-over to be counted", func() bool { return first.Stats().TakenOver+second.Stats().TakenOver > 0 })
	said := log.Lines("is a second bridge running with the same client_id?")
	said = slices.DeleteFunc(said, func(line string) bool { return !strings.Contains(line, "connection=receiving") })
	if len(said) != 1 {
		t.Errorf("the take-over should be said once, got:\n%s", strings.Join(said, ""))
	}
}

func TestPasswordIsReadAtEachConnect(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: map[string]string{"bridge": "right"}})
	file := b.Path("secret")
	b.WriteFile("secret", "wrong")
	c, log := newClient(t, b.URL("mqtt"), mqtt.Config{
		Username: "bridge",
		Password: func() ([]byte, error) { return os.ReadFile(file) },
		Filters:  filters("a"),
	})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := waitState(t, c, "refused", func(s mqtt.State) bool { return s.Receiving.Err != nil })
	if got, want := s.Receiving.Err.Error(), "the broker refuses the connection: not authorized (0x87)"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	bridgetest.Eventually(t, "a second attempt", func() bool { return c.Stats().ConnectErrors >= 4 })
	said := log.Lines("cannot connect to the broker")
	if len(said) != 1 || !strings.Contains(said[0], "not authorized (0x87)") || strings.Contains(said[0], "wrong") {
		t.Errorf("the refusal should be said once, without the password, got:\n%s", strings.Join(said, ""))
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	waitState(t, c, "without its password", func(s mqtt.State) bool { return errors.Is(s.Receiving.Err, os.ErrNotExist) })
	b.WriteFile("secret", "right")
	ready(t, c)
}

func TestBrokerThatIsNotMQTT5(t *testing.T) {
	tests := []struct {
		name   string
		answer string
		want   string
	}{
		{"MQTT 3.1.1 refuses the level", "\x20\x02\x00\x01",
			"the broker does not speak MQTT 5: it answers as MQTT 3.1.1 does, with return code 1"},
		{"MQTT 3.1.1 accepts", "\x20\x02\x00\x00",
			"the broker does not speak MQTT 5: it answers as MQTT 3.1.1 does, with return code 0"},
		{"MQTT 5 refuses the version", "\x20\x03\x00\x84\x00",
			"the broker refuses the connection: unsupported protocol version: the broker does not speak MQTT 5 (0x84)"},
		{"client identifier", "\x20\x09\x00\x85\x06\x1f\x00\x03odd",
			`the broker refuses the connection: client identifier not valid (0x85): "odd"`},
		{"says nothing", "", "the broker closed the connection without an answer"},
		{"not MQTT at all", "HTTP/1.1 400 Bad Request\r\n\r\n", "the broker does not speak MQTT: its first packet is not a CONNACK"},
		{"larger than the limit", "\x20\xff\xff\xff\x7f", "reading packet: 268435460 bytes, the limit is 1048576"},
		{"endless remaining length", "\x20\xff\xff\xff\xff\xff", "reading packet: remaining length of more than four octets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, log := newClient(t, fakeBroker(t, tt.answer), mqtt.Config{Filters: filters("a")})
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := waitState(t, c, "refused", func(s mqtt.State) bool { return s.Receiving.Err != nil })
			if got := s.Receiving.Err.Error(); got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
			bridgetest.Eventually(t, "attempts by both connections", func() bool { return c.Stats().ConnectErrors >= 4 })
			if said := log.Lines("cannot connect to the broker"); len(said) != 1 {
				t.Errorf("should be said once, got:\n%s", strings.Join(said, ""))
			}
		})
	}
}

// fakeBroker answers the first packet of each connection and closes it.
func fakeBroker(t *testing.T, answer string) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			nc.Read(make([]byte, 1024))
			io.WriteString(nc, answer)
			nc.Close()
		}
	}()
	return &url.URL{Scheme: "mqtt", Host: l.Addr().String()}
}

func TestPause(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	c, log := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a"), ReceiveMaximum: 2})
	p.publish(t, "a", "1")
	c.Ack(next(t, c))

	full := errors.New("no space left on device")
	c.Pause(full)
	c.Pause(full)
	s := c.State()
	if s.Ready || s.Receiving.Connected || !s.Sending.Connected || !errors.Is(s.Paused, full) {
		t.Errorf("state while paused: %+v", s)
	}
	if n := len(log.Lines("receiving paused")); n != 1 {
		t.Errorf("the pause was said %d times, want once", n)
	}
	p.publishAll(t, "a", numbers(2, 6))
	none(t, c)

	c.Resume()
	c.Resume()
	ready(t, c)
	if diff := cmp.Diff(numbers(2, 6), nextPayloads(t, c, 5)); diff != "" {
		t.Errorf("after Resume (-want +got):\n%s", diff)
	}
	if err := c.State().Paused; err != nil {
		t.Errorf("Paused is %v after Resume", err)
	}
	if got := c.Stats(); got.AbsentSessions != 0 || got.TakenOver != 0 {
		t.Errorf("a pause lost the session: %+v", got)
	}
}

// Pongs counts what the broker has answered; an event has the count of when its connection was
// made.
func TestPongs(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a"), KeepAlive: time.Second})
	bridgetest.Eventually(t, "answered pings", func() bool { return c.Pongs() >= 2 })
	p.publish(t, "a", "1")
	if e := next(t, c); e.Pongs != 0 {
		t.Errorf("on the first connection: Event.Pongs is %d", e.Pongs)
	}
	b.Signal(syscall.SIGSTOP)
	waitState(t, c, "disconnected", func(s mqtt.State) bool { return !s.Receiving.Connected })
	pongs := c.Pongs()
	b.Signal(syscall.SIGCONT)
	ready(t, c)
	if e := next(t, c); !e.Dup || e.Pongs != pongs {
		t.Errorf("on the second connection: Dup %t, Pongs %d; want true, %d", e.Dup, e.Pongs, pongs)
	}
}
