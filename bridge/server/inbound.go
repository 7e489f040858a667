package server

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// An inbound is the connection that gorilla gets. After the handshake gorilla can only read from
// it: all writes go through the session's writer. Only the goroutine that reads uses it.
type inbound struct {
	net.Conn
	answered bool        // the handshake was answered
	broken   bool        // gorilla has tried to write a close frame: the peer breaks the WebSocket protocol
	wasRead  func(n int) // called with the bytes of each read; nil during the handshake
}

// Read implements net.Conn.
func (c *inbound) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.wasRead != nil {
		c.wasRead(n)
	}
	return n, err
}

// Write implements net.Conn.
func (c *inbound) Write(p []byte) (int, error) {
	if c.answered {
		c.broken = true
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline implements net.Conn.
func (c *inbound) SetWriteDeadline(t time.Time) error {
	if c.answered {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// A hijacker gives gorilla an inbound for the connection.
type hijacker struct {
	http.ResponseWriter
	in *inbound
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.in = &inbound{Conn: conn}
	return h.in, buffers, nil
}

// upgrade answers the handshake.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) (*websocket.Conn, *inbound, error) {
	h := &hijacker{ResponseWriter: w}
	header := http.Header{}
	if name := subprotocol(r.Header); name != "" {
		header.Set("Sec-WebSocket-Protocol", name)
	}
	conn, err := s.upgrader.Upgrade(h, r, header)
	if err != nil {
		return nil, nil, err
	}
	h.in.answered = true
	return conn, h.in, nil
}

// subprotocols are those of STOMP, the highest version first.
var subprotocols = []string{"v12.stomp", "v11.stomp", "v10.stomp"}

// subprotocol returns the best that the client offers, empty if there is none. The offer may take
// several header lines (RFC 6455, 11.3.4); gorilla would read only the first.
func subprotocol(h http.Header) string {
	offered := strings.Split(strings.Join(h.Values("Sec-WebSocket-Protocol"), ","), ",")
	for _, name := range subprotocols {
		if slices.ContainsFunc(offered, func(o string) bool { return strings.TrimSpace(o) == name }) {
			return name
		}
	}
	return ""
}
