//go:build linux

package main

import (
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/stomp"
)

// The loops are the limit of what the machine can do: a process that gets frames ready made and
// writes them to every session, each frame by itself, or all that are there in one write, in one
// case compressed before. It has upgraded the sessions with gorilla/websocket and checked their
// tokens, so that it is the limit of connecting too.

// loopMode is the variable of the environment that makes this program such a process: the name of
// the subject. loopSecret is the one that tokens are signed with; loopCert and loopKey are the files
// for TLS, if any.
const (
	loopMode   = "LOAD_LOOP"
	loopSecret = "LOAD_LOOP_SECRET"
	loopCert   = "LOAD_LOOP_CERT"
	loopKey    = "LOAD_LOOP_KEY"
)

func (b *bench) startLoop(ctx context.Context, s *subject) error {
	return b.startLoopAs(ctx, s, "loop")
}

func (b *bench) startBatchedLoop(ctx context.Context, s *subject) error {
	return b.startLoopAs(ctx, s, "loop-batched")
}

func (b *bench) startDeflatingLoop(ctx context.Context, s *subject) error {
	return b.startLoopAs(ctx, s, "loop-deflate")
}

// startLoopAs starts this program as a loop, which inherits its listeners: one for sessions, one
// for the publisher.
func (b *bench) startLoopAs(ctx context.Context, s *subject, mode string) error {
	dir, err := b.folder(s)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), loopMode+"="+mode, loopSecret+"="+b.secret)
	if b.clientTLS != nil {
		cmd.Env = append(cmd.Env, loopCert+"="+b.certFile(), loopKey+"="+b.keyFile())
	}
	var addresses [2]string
	for i := range addresses {
		file, address, err := listenerFile()
		if err != nil {
			return err
		}
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
		addresses[i] = address
	}
	if s.server, err = b.startServer("loop", dir, cmd); err != nil {
		return err
	}
	s.onStop(s.server.stop)
	e := endpoint{address: addresses[0]}
	if mode == "loop-deflate" {
		e.inflater = newInflater()
	}
	s.open = opener(b.targets(e))
	s.publisher = func() (publisher, error) { return dialLoop(addresses[1], b.size) }
	return nil
}

// listenerFile returns a TCP listener for a child process.
func listenerFile() (*os.File, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	return file, l.Addr().String(), err
}

// A loopPublisher hands a loop the frames that it is to write.
type loopPublisher struct {
	conn net.Conn
	out  *bufio.Writer
	size int
}

func dialLoop(address string, size int) (*loopPublisher, error) {
	conn, err := net.DialTimeout("tcp", address, handshakeTimeout)
	if err != nil {
		return nil, err
	}
	return &loopPublisher{conn: conn, out: bufio.NewWriterSize(conn, 64<<10), size: size}, nil
}

func (p *loopPublisher) publish(n int) error {
	_, err := p.out.Write(delivery(n, p.size))
	return err
}

func (p *loopPublisher) flush() error      { return p.out.Flush() }
func (p *loopPublisher) acknowledged() int { return -1 }
func (p *loopPublisher) close()            { p.conn.Close() }

// runLoop is the loop's process. It ends with ctx or with the publisher's connection.
func runLoop(ctx context.Context, mode string) error {
	sessions, err1 := net.FileListener(os.NewFile(3, "sessions"))
	frames, err2 := net.FileListener(os.NewFile(4, "frames"))
	authenticator, err3 := auth.NewJWT(auth.JWTConfig{Secrets: [][]byte{[]byte(os.Getenv(loopSecret))}})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if cert := os.Getenv(loopCert); cert != "" {
		if sessions, err1 = listenTLS(sessions, cert, os.Getenv(loopKey)); err1 != nil {
			return err1
		}
	}
	l := &loop{auth: authenticator, batched: mode != "loop"}
	if mode == "loop-deflate" {
		l.deflater = newDeflater(flate.BestSpeed)
	}
	go http.Serve(sessions, l)
	defer context.AfterFunc(ctx, func() { frames.Close() })()
	feed, err := frames.Accept()
	if err != nil {
		return treatEnd(ctx, err)
	}
	defer context.AfterFunc(ctx, func() { feed.Close() })()
	return treatEnd(ctx, l.run(feed))
}

// A loop writes to all sessions what comes from its feed.
type loop struct {
	auth     *auth.JWT
	batched  bool
	deflater *deflater // nil: it does not compress
	out      []byte    // what was compressed
	mu       sync.Mutex
	sessions []net.Conn
}

// ServeHTTP opens a session.
func (l *loop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 512, Subprotocols: []string{stompSubprotocol}, EnableCompression: l.deflater != nil}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Print(err)
		return
	}
	if err := l.subscribe(r.Context(), conn); err != nil {
		log.Print(err)
		conn.Close()
	}
}

// subscribe answers CONNECT, whose token it checks, and SUBSCRIBE.
func (l *loop) subscribe(ctx context.Context, conn *websocket.Conn) error {
	connect, err := receiveFrame(conn)
	if err != nil {
		return err
	}
	token, _ := connect.Get("Authorization")
	if _, err := l.auth.Authenticate(ctx, auth.Credentials{Token: auth.Token(token)}); err != nil {
		return err
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte("CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\x00")); err != nil {
		return err
	}
	if _, err := receiveFrame(conn); err != nil {
		return err
	}
	go awaitEnd(conn)
	l.mu.Lock() // from the RECEIPT on nothing is missed
	defer l.mu.Unlock()
	l.sessions = append(l.sessions, conn.NetConn())
	return conn.WriteMessage(websocket.TextMessage, []byte("RECEIPT\nreceipt-id:r\n\n\x00"))
}

// awaitEnd reads, as every server must, to see that a session has ended. It has a goroutine of its
// own so that net/http can let go of the request.
func awaitEnd(conn *websocket.Conn) {
	for {
		if _, _, err := conn.NextReader(); err != nil {
			conn.Close()
			return
		}
	}
}

func receiveFrame(conn *websocket.Conn) (stomp.Frame, error) {
	_, message, err := conn.ReadMessage()
	if err != nil {
		return stomp.Frame{}, err
	}
	d := stomp.NewDecoder(stomp.Limits{})
	d.Write(message)
	return d.Next()
}

// treatEnd takes an error after the end of ctx as none.
func treatEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// run writes the feed's frames to the sessions until it ends.
func (l *loop) run(feed io.Reader) error {
	var buffer [readBytes]byte
	kept := 0
	for {
		n, err := feed.Read(buffer[kept:])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		data := buffer[:kept+n]
		whole, err := l.write(data)
		if err != nil {
			return err
		}
		kept = copy(buffer[:], data[whole:])
	}
}

// write writes the whole frames in data and returns how many bytes they are.
func (l *loop) write(data []byte) (whole int, err error) {
	l.out = l.out[:0]
	for {
		f, err := nextFrame(data[whole:])
		if err != nil {
			return 0, err
		}
		if f.size == 0 {
			break
		}
		switch {
		case l.deflater != nil:
			l.out = l.deflater.appendFrame(l.out, f.opcode, f.payload)
		case !l.batched:
			l.writeAll(data[whole : whole+f.size])
		}
		whole += f.size
	}
	switch {
	case len(l.out) > 0:
		l.writeAll(l.out)
	case l.batched && whole > 0:
		l.writeAll(data[:whole])
	}
	return whole, nil
}

func (l *loop) writeAll(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.sessions {
		conn.Write(p)
	}
}
