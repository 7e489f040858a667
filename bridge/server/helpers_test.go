package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/server/origin"
	"mqtt-stomp-bridge/mapping/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var queues = []string{"/queue/message", "/queue/unread-count", "/queue/channel/connected", "/queue/channel/disconnected"}

// A house is a server over a hub over a log, reached through pipes. Make it inside of a synctest
// bubble.
type house struct {
	t      testing.TB
	log    journal.Log
	writer journal.Writer
	hub    *hub.Hub
	server *server.Server
	policy server.Policy
	jwt    auth.JWTConfig
	lines  *bridgetest.Buffer // of the log, at debug
	l      *pipeListener
	stop   func()      // ends Serve and waits for it; may be called again
	client *tls.Config // of clients over TCP; nil: without TLS
}

// bothWays runs the test with servers that have TLS and with others.
func bothWays(t *testing.T, test func(t *testing.T, secure bool)) {
	t.Run("plain", func(t *testing.T) { test(t, false) })
	t.Run("TLS", func(t *testing.T) { test(t, true) })
}

// newTCPHouse returns a house that is reached over TCP at the url, with TLS if it is to be secure.
func newTCPHouse(t testing.TB, secure bool, c server.Config, hc hub.Config, o journal.MemoryOptions) (h *house, url string) {
	t.Helper()
	scheme := "http://"
	var client *tls.Config
	if secure {
		scheme = "https://"
		c.TLS, client = bridgetest.TLS()
	}
	h = newHouseWith(t, c, hc, o)
	h.client = client
	return h, scheme + h.serveTCP() + server.DefaultPath
}

var secrets = [][]byte{bytes.Repeat([]byte("k"), 32), bytes.Repeat([]byte("o"), 32)}

func newHouse(t testing.TB, c server.Config) *house {
	return newHouseWith(t, c, hub.Config{}, journal.MemoryOptions{})
}

func newHouseWith(t testing.TB, c server.Config, hc hub.Config, o journal.MemoryOptions) *house {
	t.Helper()
	return newHouseOver(t, c, hc, journal.NewMemory(o))
}

// newHouseOver returns a house over the log, which it closes.
func newHouseOver(t testing.TB, c server.Config, hc hub.Config, log journal.Log) *house {
	t.Helper()
	h := &house{t: t, jwt: auth.JWTConfig{Secrets: secrets[:1]}, lines: &bridgetest.Buffer{}, l: newPipeListener()}
	h.log = log
	w, err := log.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.writer = w
	for _, q := range contract.Queues() {
		hc.Queues = append(hc.Queues, hub.Queue{Name: q.Name, Keyed: q.Keyed, Conflate: q.Conflated, Filters: q.Filters})
	}
	h.hub = hub.New(h.log, hc)
	c.Hub, c.Version = h.hub, "test"
	c.Logger = slog.New(slog.NewTextHandler(h.lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if c.Policy.Auth == nil {
		c.Policy.Auth = h.authenticator(h.jwt)
	}
	h.policy = c.Policy
	s := server.New(c)
	h.server = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(ctx, h.l); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	}()
	h.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() {
		h.stop()
		h.hub.Close()
		h.log.Close()
		h.checkLog()
	})
	return h
}

// setPolicy changes the policy in force.
func (h *house) setPolicy(change func(*server.Policy)) {
	change(&h.policy)
	h.server.SetPolicy(h.policy)
}

func (h *house) setAuth(a auth.Authenticator) {
	h.setPolicy(func(p *server.Policy) { p.Auth = a })
}

func origins(t testing.TB, list ...string) origin.Allowed {
	t.Helper()
	o, err := origin.NewAllowed(list)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (h *house) authenticator(c auth.JWTConfig) auth.Authenticator {
	h.t.Helper()
	a, err := auth.NewJWT(c)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// token returns a token that ends after the time given.
func (h *house) token(user string, ttl time.Duration) string {
	h.t.Helper()
	token, err := h.jwt.Sign(auth.Grant{User: user, TTL: ttl})
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

// checkLog looks for tokens: every one begins alike, since their headers are the same.
func (h *house) checkLog() {
	header, _, _ := strings.Cut(h.token("anybody", time.Hour), ".")
	if log := h.lines.String(); strings.Contains(log, header) {
		h.t.Errorf("a token stands in the log:\n%s", log)
	}
}

func (h *house) publish(queue, key, body string, audience ...string) {
	h.t.Helper()
	batch := journal.Batch{Entries: []journal.Entry{{Queue: queue, Key: key, Body: []byte(body), Audience: audience}}}
	if err := h.writer.Append(h.t.Context(), batch); err != nil {
		h.t.Fatal(err)
	}
}

// dial opens a WebSocket; the answer to the handshake is there also when it was refused.
func (h *house) dial(header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return h.l.dial() }, Subprotocols: protocols}
	return d.Dial("ws://bridge.test/ws.communication", header)
}

// A client records what comes.
type client struct {
	t     testing.TB
	conn  *websocket.Conn
	began time.Time
	mute  atomic.Bool // answer no pings

	mu       sync.Mutex
	received []received
}

type received struct {
	after time.Duration // since the client began
	text  string        // as the transcripts show it
}

func newClient(t testing.TB, conn *websocket.Conn) *client {
	c := &client{t: t, conn: conn, began: time.Now()}
	conn.SetPingHandler(func(data string) error {
		c.add(strings.TrimSpace("ping " + data))
		if c.mute.Load() {
			return nil
		}
		return conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	conn.SetPongHandler(func(data string) error {
		c.add(strings.TrimSpace("pong " + data))
		return nil
	})
	conn.SetCloseHandler(func(code int, text string) error { return nil })
	return c
}

func (c *client) add(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received = append(c.received, received{time.Since(c.began), text})
}

// take returns what came since the last take.
func (c *client) take() []received {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.received
	c.received = nil
	return all
}

// read reads until the connection ends.
func (c *client) read() {
	for {
		kind, data, err := c.conn.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
			c.add(strings.TrimSpace(fmt.Sprint("close ", closed.Code, " ", closed.Text)))
			c.conn.Close()
			return
		case err != nil:
			c.add("cut")
			c.conn.Close()
			return
		case kind != websocket.TextMessage:
			c.add(fmt.Sprintf("message of type %d", kind))
		default:
			c.add(showFrame(string(data)))
		}
	}
}

// showFrame writes a frame in one line: COMMAND | header:value | ... || body.
func showFrame(data string) string {
	if data == "\n" {
		return "heart-beat"
	}
	frame, ended := strings.CutSuffix(data, "\x00")
	head, body, found := strings.Cut(frame, "\n\n")
	if !ended || !found || strings.Contains(frame, "\x00") {
		return fmt.Sprintf("not one frame: %q", data)
	}
	line := strings.ReplaceAll(head, "\n", " | ")
	if body != "" {
		line += " || " + body
	}
	return line
}

// frame is the wire form of what showFrame shows.
func frame(line string) string {
	head, body, _ := strings.Cut(line, " || ")
	return strings.ReplaceAll(head, " | ", "\n") + "\n\n" + body + "\x00"
}

func (c *client) send(line string) { c.sendRaw(websocket.TextMessage, frame(line)) }

func (c *client) sendRaw(kind int, data string) {
	if err := c.conn.WriteMessage(kind, []byte(data)); err != nil {
		c.add("cannot send")
	}
}

// connect opens a session for a client that reads, and drops CONNECTED.
func (h *house) connect(headers ...string) *client {
	h.t.Helper()
	return h.connectAs("ann", headers...)
}

func (h *house) connectAs(user string, headers ...string) *client {
	h.t.Helper()
	conn, _, err := h.dial(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	c := newClient(h.t, conn)
	go c.read()
	c.send(strings.Join(append([]string{"CONNECT", "accept-version:1.2", "heart-beat:30000,30000", "Authorization:" + h.token(user, 24*time.Hour)}, headers...), " | "))
	synctest.Wait()
	if got := c.take(); len(got) != 1 || !strings.HasPrefix(got[0].text, "CONNECTED") {
		h.t.Fatalf("CONNECT was answered by %v", got)
	}
	return c
}

// texts returns what came since the last take, without the times.
func (c *client) texts() []string {
	var all []string
	for _, r := range c.take() {
		all = append(all, r.text)
	}
	return all
}

// A pipeListener hands out net.Pipe connections.
type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
