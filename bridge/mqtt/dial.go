package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// ErrOver is why no connection is made once Config.Over is closed: a CONNECT would take the session
// from whoever has it now.
var ErrOver = errors.New("another one may read from the broker now")

// dial connects to u, which has passed checkURL, unless that is over.
func (c Config) dial(ctx context.Context, u *url.URL) (*conn, error) {
	if c.over() {
		return nil, ErrOver
	}
	cn, err := dial(ctx, u, c.TLS, c.MaxPacketSize)
	if err == nil && c.over() { // it may have taken long, and the CONNECT comes next
		cn.Close()
		return nil, ErrOver
	}
	return cn, err
}

func (c Config) over() bool {
	select {
	case <-c.Over:
		return true
	default:
		return false
	}
}

// dial connects to u, which has passed checkURL. It reads no proxy from the
// environment.
func dial(ctx context.Context, u *url.URL, config *tls.Config, limit uint32) (*conn, error) {
	nc, err := dialScheme(ctx, u, config)
	if err != nil {
		return nil, err
	}
	c := &conn{
		Conn:    nc,
		r:       bufio.NewReaderSize(nc, readBuffer),
		limit:   int(limit),
		pongs:   new(atomic.Uint64),
		owed:    newOwed(),
		expired: make(chan struct{}),
		up:      make(chan struct{}),
	}
	c.ctx, c.end = context.WithCancelCause(context.Background())
	c.expire = sync.OnceFunc(func() { close(c.expired) })
	return c, nil
}

func dialScheme(ctx context.Context, u *url.URL, config *tls.Config) (net.Conn, error) {
	var d net.Dialer
	switch u.Scheme {
	case "unix":
		return d.DialContext(ctx, "unix", u.Host+u.Path)
	case "ws", "wss":
		return dialWebSocket(ctx, u, config)
	}
	if UsesTLS(u) {
		td := tls.Dialer{NetDialer: &d, Config: config}
		return td.DialContext(ctx, "tcp", address(u))
	}
	return d.DialContext(ctx, "tcp", address(u))
}

func dialWebSocket(ctx context.Context, u *url.URL, config *tls.Config) (net.Conn, error) {
	d := websocket.Dialer{
		TLSClientConfig: config,
		Subprotocols:    []string{"mqtt"}, // MQTT 5, 6: the client must offer it
	}
	ws, response, err := d.DialContext(ctx, u.String(), nil)
	switch {
	case response != nil && err != nil:
		return nil, fmt.Errorf("%w: it answers %q", ErrNotWebSocket, response.Status)
	case err != nil && !UsesTLS(u) && hungUp(err): // with TLS it may have been the handshake of that
		return nil, ErrNoAnswer
	case err != nil:
		return nil, err
	}
	return &webSocketConn{Conn: ws}, nil
}

// webSocketConn makes a stream of a WebSocket connection. MQTT 5, 6: packets are not
// aligned with WebSocket messages.
type webSocketConn struct {
	*websocket.Conn
	message io.Reader // rest of the message being read
}

// Read reads from the current message, or from the next one that is not empty.
func (c *webSocketConn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, r, err := c.NextReader()
			switch {
			case websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseAbnormalClosure):
				return 0, io.EOF
			case err != nil:
				return 0, err
			case kind != websocket.BinaryMessage:
				return 0, errors.New("reading packet: a WebSocket message that is not binary")
			}
			c.message = r
		}
		n, err := c.message.Read(p)
		if err == io.EOF {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write sends p as one message.
func (c *webSocketConn) Write(p []byte) (int, error) {
	if err := c.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline sets both deadlines.
func (c *webSocketConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
