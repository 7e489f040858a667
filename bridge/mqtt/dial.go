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
	"time"

	"github.com/gorilla/websocket"
)

// checkURL reports what is wrong with a broker URL. The error never holds a password.
func checkURL(u *url.URL) error {
	if u == nil {
		return errors.New("broker url is nil")
	}
	if u.User != nil {
		return fmt.Errorf("broker url %q: user information does not belong here, it would be logged; set the user name and password", u.Redacted())
	}
	switch u.Scheme {
	case "mqtt", "tcp", "mqtts", "ssl", "tls", "ws", "wss":
		if u.Hostname() == "" {
			return fmt.Errorf("broker url %q: no host", u)
		}
	case "unix":
		if u.Host+u.Path == "" {
			return fmt.Errorf("broker url %q: no path", u)
		}
	default:
		return fmt.Errorf("broker url %q: unknown scheme %q: must be mqtt, mqtts, tcp, ssl, tls, ws, wss or unix", u, u.Scheme)
	}
	return nil
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
	case "mqtts", "ssl", "tls":
		td := tls.Dialer{NetDialer: &d, Config: config}
		return td.DialContext(ctx, "tcp", address(u, "8883"))
	case "ws", "wss":
		return dialWebSocket(ctx, u, config)
	default:
		return d.DialContext(ctx, "tcp", address(u, "1883"))
	}
}

func address(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func dialWebSocket(ctx context.Context, u *url.URL, config *tls.Config) (net.Conn, error) {
	d := websocket.Dialer{
		TLSClientConfig: config,
		Subprotocols:    []string{"mqtt"}, // MQTT 5, 6: the client must offer it
	}
	ws, response, err := d.DialContext(ctx, u.String(), nil)
	if err != nil {
		if response != nil {
			err = fmt.Errorf("%w: the broker answers %q", err, response.Status)
		}
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
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
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
