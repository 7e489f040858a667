package listen_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/plugin/listen"
)

// pipes is a listener whose connections are made in memory, so that all of a test can run under
// testing/synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.conns <- server
	return client, nil
}

// peer is the server's end of one connection.
type peer struct {
	t       *testing.T
	conn    *websocket.Conn
	decoder *stomp.Decoder
	request *http.Request
}

// serve starts a server that plays the script to every connection, and returns a configuration to
// reach it. The server ends with the returned function, which waits for it.
func serve(t *testing.T, script func(p *peer)) (cfg listen.Config, stop func()) {
	t.Helper()
	listener := pipes{make(chan net.Conn), make(chan struct{})}
	upgrader := websocket.Upgrader{Subprotocols: []string{"v12.stomp"}}
	played := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(played)
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrading: %v", err)
			return
		}
		defer conn.Close()
		script(&peer{t: t, conn: conn, decoder: stomp.NewDecoder(stomp.Limits{}), request: r})
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(listener)
	}()
	cfg = listen.Config{URL: "ws://bridge.test/ws.communication", HeartBeat: -1, NetDial: listener.dial}
	return cfg, func() {
		<-played
		server.Close()
		<-served
	}
}

// read returns the next frame. Every frame must come alone in a text message.
func (p *peer) read() (stomp.Frame, error) {
	kind, data, err := p.conn.ReadMessage()
	if err != nil {
		return stomp.Frame{}, err
	}
	if kind != websocket.TextMessage {
		p.t.Errorf("got a WebSocket message of type %d, want text", kind)
	}
	p.decoder.Write(data)
	f, err := p.decoder.Next()
	if err != nil {
		return stomp.Frame{}, err
	}
	if _, err := p.decoder.Next(); err != stomp.ErrIncomplete {
		p.t.Errorf("more than one frame in %q", data)
	}
	return f, nil
}

// expect returns the next frame, which must have that command.
func (p *peer) expect(command stomp.Command) stomp.Frame {
	p.t.Helper()
	f, err := p.read()
	if err != nil || f.Command != command {
		p.t.Errorf("the server got %v, %v, want %s", f, err, command)
	}
	return f
}

// send writes the text as one WebSocket message.
func (p *peer) send(wire string) {
	p.t.Helper()
	if err := p.conn.WriteMessage(websocket.TextMessage, []byte(wire)); err != nil {
		p.t.Errorf("the server sending %q: %v", wire, err)
	}
}

// receipt answers a frame that asks for it.
func (p *peer) receipt(f stomp.Frame) {
	p.t.Helper()
	id, ok := f.Get("receipt")
	if !ok {
		p.t.Errorf("%s has no receipt header", f.Command)
	}
	p.send("RECEIPT\nreceipt-id:" + id + "\n\n\x00")
}

// accept plays CONNECT at version 1.2 with that heart-beat header, and one SUBSCRIBE for each
// queue.
func (p *peer) accept(heartBeat string, queues int) {
	p.t.Helper()
	p.expect(stomp.CommandConnect)
	p.send("CONNECTED\nversion:1.2\nheart-beat:" + heartBeat + "\n\n\x00")
	p.decoder.SetVersion(stomp.V12)
	for range queues {
		p.receipt(p.expect(stomp.CommandSubscribe))
	}
}

// leave plays DISCONNECT and checks that the client closes then.
func (p *peer) leave() {
	p.t.Helper()
	p.receipt(p.expect(stomp.CommandDisconnect))
	if _, err := p.read(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		p.t.Errorf("after DISCONNECT: got %v, want a normal close", err)
	}
}

// dial connects, or ends the test.
func dial(t *testing.T, cfg listen.Config) *listen.Client {
	t.Helper()
	c, err := listen.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	return c
}

func within(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(t.Context(), d, errLate)
}

var errLate = errors.New("late")

// headers returns entries from keys and values in turn.
func headers(pairs ...string) (entries []stomp.Header) {
	for i := 0; i < len(pairs); i += 2 {
		entries = append(entries, stomp.Header{Key: pairs[i], Value: pairs[i+1]})
	}
	return entries
}
