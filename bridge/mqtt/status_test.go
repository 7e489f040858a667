package mqtt_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

const state = "mqtt-stomp-bridge/state"

// nextStatus reports when the peer's next message is not the wanted document. Equal
// documents in a row count as one.
func (p *peer) nextStatus(t *testing.T, last *string, want string) {
	t.Helper()
	for {
		m := p.next(t)
		got := string(m.Payload)
		if got == *last {
			continue
		}
		*last = got
		if m.Topic != state || got != want {
			t.Errorf("status %s on %q, want %s on %q", got, m.Topic, want, state)
		}
		return
	}
}

const (
	online  = `{"state":"online"}`
	offline = `{"state":"offline"}`
)

func TestStatus(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.subscribe(t, state)
	c, _ := start(t, b.URL("mqtt"), mqtt.Config{Filters: filters("a")})
	last := offline // the first may be: nothing is granted yet
	p.nextStatus(t, &last, online)

	c.SetStatus(map[string]string{"config": "1a2b"})
	p.nextStatus(t, &last, `{"config":"1a2b","state":"online"}`)
	c.SetStatus(map[string]string{"config": "1a2b", "state": "mine"})
	c.SetStatus(nil)
	p.nextStatus(t, &last, online)

	c.Pause(errors.New("full"))
	p.nextStatus(t, &last, offline)
	c.Resume()
	p.nextStatus(t, &last, online)
	shut(t, c)
	p.nextStatus(t, &last, offline)

	late := connect(t, b.Addr, &paho.Connect{ClientID: "late"})
	late.subscribe(t, state)
	if m := late.next(t); string(m.Payload) != offline || !m.Retain {
		t.Errorf("retained status %s, retain %v; want %s, true", m.Payload, m.Retain, offline)
	}
}

// Without every filter granted the bridge is not online.
func TestStatusWithoutAFilter(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	b.acl.set("a")
	p := connect(t, b.u.Host, &paho.Connect{ClientID: "peer"})
	p.subscribe(t, state)
	c, _ := newClient(t, b.u, mqtt.Config{Filters: filters("a")})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := ""
	p.nextStatus(t, &last, offline)
	b.acl.set()
	p.nextStatus(t, &last, online)
}

func TestStatusRefused(t *testing.T) {
	b := startMochi(t, "mqtt", nil)
	b.acl.set(state)
	c, log := start(t, b.u, mqtt.Config{Filters: filters("a")})
	var refused *mqtt.RefusedError
	waitState(t, c, "told", func(s mqtt.State) bool { return errors.As(s.Status, &refused) })
	if refused.Code != 0x87 {
		t.Errorf("reason code %#x, want 0x87", refused.Code)
	}
	if said := log.Lines("the status document is not published"); len(said) != 1 {
		t.Errorf("should be said once, got:\n%s", strings.Join(said, ""))
	}
}

// Whichever connection breaks, the retained status becomes right.
func TestStatusWhenAConnectionBreaks(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	p := connect(t, b.Addr, &paho.Connect{ClientID: "peer"})
	p.subscribe(t, state)
	proxy := startProxy(t, b.Addr)
	c, _ := start(t, proxy.u, mqtt.Config{Filters: filters("a")})
	last := offline
	p.nextStatus(t, &last, online)

	proxy.cut(t, "bridge") // the sending connection says so
	p.nextStatus(t, &last, offline)
	p.nextStatus(t, &last, online)

	proxy.cut(t, "bridge-out") // the broker says so, by the will
	p.nextStatus(t, &last, offline)
	p.nextStatus(t, &last, online)

	proxy.l.Close() // the process has died
	proxy.cut(t, "bridge-out")
	p.nextStatus(t, &last, offline)
	proxy.cut(t, "bridge")
	waitState(t, c, "away", func(s mqtt.State) bool { return !s.Receiving.Connected && !s.Sending.Connected })
}

// proxy stands between clients and a broker.
type proxy struct {
	u     *url.URL
	l     net.Listener
	mu    sync.Mutex
	conns map[string]net.Conn // client identifier -> its latest connection
}

func startProxy(t *testing.T, addr string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{u: &url.URL{Scheme: "mqtt", Host: l.Addr().String()}, l: l, conns: make(map[string]net.Conn)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(client, addr) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, nc := range p.conns {
			nc.Close()
		}
		p.mu.Unlock()
		running.Wait()
	})
	return p
}

func (p *proxy) serve(client net.Conn, addr string) {
	defer client.Close()
	broker, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer broker.Close()
	packet, err := packets.ReadPacket(client)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.conns[packet.Content.(*packets.Connect).ClientID] = client
	p.mu.Unlock()
	packet.WriteTo(broker)
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(client, broker)
		client.Close()
	}()
	io.Copy(broker, client)
	broker.Close()
	<-done
}

// cut breaks a client's connection without a DISCONNECT.
func (p *proxy) cut(t *testing.T, id string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[id] == nil {
		t.Fatalf("%s is not connected", id)
	}
	p.conns[id].Close()
}

// A broker without retained messages refuses a will that is one, and a status document as well.
func TestNoStatus(t *testing.T) {
	var mu sync.Mutex
	var wills, published []string
	broker := scriptedBroker(t, func(_ int, c *net.TCPConn, p *packets.Connect) {
		if p.WillFlag {
			mu.Lock()
			wills = append(wills, p.WillTopic)
			mu.Unlock()
		}
		io.WriteString(c, "\x20\x05\x00\x00\x02\x25\x00") // Retain Available: no
		oblige(c, func(topic string) bool {
			mu.Lock()
			defer mu.Unlock()
			published = append(published, topic)
			return true
		})
	})
	c, _ := start(t, broker, mqtt.Config{Filters: filters("a"), NoStatus: true})
	c.SetStatus(map[string]string{"config": "x"})
	if err := c.Publish(t.Context(), mqtt.Message{Topic: "letters", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	shut(t, c)
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"letters"}, published); diff != "" || len(wills) > 0 {
		t.Errorf("wills %v; published (-want +got):\n%s", wills, diff)
	}
}
