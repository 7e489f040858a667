package writer_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server/writer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const queue = "/queue/message"

// lines is a format of one line per entry: a name and the payload.
type lines string

func (name lines) AppendFrame(dst []byte, e *hub.Entry) []byte {
	return fmt.Appendf(dst, "%s %s\n", string(name), e.Body)
}

// A bench is a Pool over a hub over a log in memory.
type bench struct {
	t    testing.TB
	log  journal.Writer
	hub  *hub.Hub
	pool *writer.Pool

	server, client *tls.Config // of connections; nil: without TLS
}

func newBench(t testing.TB, l writer.Limits, ring int, o journal.MemoryOptions) *bench {
	log := journal.NewMemory(o)
	lead, err := log.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := hub.New(log, hub.Config{Queues: []hub.Queue{{Name: queue}}, RingEntries: ring})
	t.Cleanup(func() {
		h.Close()
		log.Close()
	})
	return &bench{t: t, log: lead, hub: h, pool: writer.NewPool(h, l)}
}

var limits = writer.Limits{WriteTimeout: 10 * time.Second, AnswerBytes: 64, UnreadBytes: 8 << 20}

func (b *bench) publish(body string, audience ...string) {
	b.t.Helper()
	batch := journal.Batch{Entries: []journal.Entry{{Queue: queue, Body: []byte(body), Audience: audience}}}
	if err := b.log.Append(b.t.Context(), batch); err != nil {
		b.t.Fatal(err)
	}
}

// pipe returns a Writer to a pipe, which takes nothing that is not read, and the other end.
func (b *bench) pipe(failed func(error)) (*writer.Writer, net.Conn) {
	peer, conn := net.Pipe()
	w := b.pool.New(conn, failed)
	b.t.Cleanup(func() { end(w, peer, conn) })
	return w, peer
}

// dial returns a Writer to a TCP connection with small buffers, and the other end.
func (b *bench) dial() (*writer.Writer, net.Conn) {
	b.t.Helper()
	conn, peer := connect(b.t, b.server, b.client)
	w := b.pool.New(conn, func(err error) { b.t.Errorf("the feed failed: %v", err) })
	b.t.Cleanup(func() { end(w, peer, conn) })
	return w, peer
}

// connect returns both ends of a TCP connection with small buffers, with TLS if there are
// configurations for it.
func connect(t testing.TB, server, client *tls.Config) (conn, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer.(*net.TCPConn).SetReadBuffer(128 << 10)
	l = smallBuffers{l}
	if server != nil {
		l = writer.ListenTLS(l, server)
		peer = tls.Client(peer, client)
	}
	if conn, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	if server != nil {
		shake(t, conn.(*tls.Conn), peer.(*tls.Conn))
	}
	return conn, peer
}

func shake(t testing.TB, conn, peer *tls.Conn) {
	t.Helper()
	done := make(chan error)
	go func() { done <- peer.Handshake() }()
	if err := errors.Join(conn.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
}

type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return conn, err
}

// bothWays runs the test with connections that have TLS and with others.
func bothWays(t *testing.T, test func(t *testing.T, secure bool)) {
	t.Run("plain", func(t *testing.T) { test(t, false) })
	t.Run("TLS", func(t *testing.T) { test(t, true) })
}

// secure has the connections from dial use TLS, if it is so.
func (b *bench) secure(yes bool) *bench {
	if yes {
		b.server, b.client = bridgetest.TLS()
	}
	return b
}

func end(w *writer.Writer, peer, conn net.Conn) {
	peer.Close()
	w.End(func(*hub.Feed) []byte { return nil })
	w.Await()
	w.Close()
	conn.Close()
}

// subscribe subscribes to the queue, and answers.
func subscribe(w *writer.Writer, name, answer string, tokens ...string) {
	w.Update(func(feed *hub.Feed, answers []byte) []byte {
		feed.SetTokens(tokens)
		feed.Subscribe(queue, lines(name), hub.Options{})
		return append(answers, answer...)
	})
}

// say appends an answer.
func say(w *writer.Writer, answer string) {
	w.Update(func(_ *hub.Feed, answers []byte) []byte { return append(answers, answer...) })
}

// A peer reads lines.
type peer struct {
	t testing.TB
	*bufio.Reader
}

func newPeer(t testing.TB, conn net.Conn) *peer { return &peer{t, bufio.NewReader(conn)} }

// want reads as many lines as are wanted.
func (p *peer) want(lines ...string) {
	p.t.Helper()
	for i, line := range lines {
		got, err := p.ReadString('\n')
		if strings.TrimSuffix(got, "\n") != line {
			p.t.Fatalf("line %d: got %q, %v, want %q", i+1, got, err, line)
		}
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting in vain for: %s", what)
		}
	}
}
