package server

import (
	"bufio"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// An inbound is a connection as gorilla has it: after the handshake only to read from, so that whatever is written goes
// through one place, the outbound. Only the goroutine that reads uses it.
type inbound struct {
	net.Conn
	answered bool // the handshake is
	broken   bool // gorilla has found that the peer breaks the protocol of WebSockets, which it tries to say in a close frame
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
	conn, err := s.upgrader.Upgrade(h, r, nil)
	if err != nil {
		return nil, nil, err
	}
	h.in.answered = true
	return conn, h.in, nil
}
