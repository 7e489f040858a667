package gate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
)

// A Conn is a connection that was let through. It is a syscall.Conn where the one below is.
type Conn struct {
	net.Conn
	gate   *Gate
	header *header // nil: none is expected
	unseen bool    // nothing was read yet; only the reader uses it

	// Guarded by gate.mu.
	counted bool
	network netip.Addr // that it is counted for too; the zero address: none
}

var errRefused = errors.New("gate: the connection was refused")

// A header is the PROXY header that a connection begins with.
type header struct {
	once     sync.Once
	buffer   *bufio.Reader // what was read beyond the header too; nil: used up
	remote   net.Addr      // of the client; nil: as the connection says
	err      error
	mu       sync.Mutex
	deadline time.Time // as it was set from above
}

// headerBuffer takes a header of version 1, which has to fit. It is no more than the connection
// needs for the first bytes of its request anyway.
const headerBuffer = 256

func newHeader(conn net.Conn) *header {
	return &header{buffer: bufio.NewReaderSize(conn, headerBuffer)}
}

// Read implements net.Conn. The first one waits for the PROXY header where one is expected.
func (c *Conn) Read(p []byte) (int, error) {
	if h := c.header; h != nil {
		h.once.Do(c.readHeader)
		if h.err != nil {
			return 0, h.err
		}
		if h.buffer != nil && h.buffer.Buffered() > 0 {
			return h.buffer.Read(p)
		}
		h.buffer = nil
	}
	n, err := c.Conn.Read(p)
	if c.unseen && n > 0 {
		c.unseen = false
		if !c.look(p[:n]) {
			return 0, errRefused
		}
	}
	return n, err
}

// readHeader reads the PROXY header and counts the connection for the client that it names.
func (c *Conn) readHeader() {
	h, g := c.header, c.gate
	h.mu.Lock()
	c.Conn.SetReadDeadline(earlier(h.deadline, time.Now().Add(g.config.HeaderTimeout)))
	h.mu.Unlock()
	said, err := proxyproto.Read(h.buffer)
	h.mu.Lock()
	c.Conn.SetReadDeadline(h.deadline)
	h.mu.Unlock()
	var timeout net.Error
	missing := errors.Is(err, proxyproto.ErrNoProxyProtocol)
	switch {
	case missing && h.buffer.Buffered() == 0: // a check whether the port is open
		h.err = io.EOF
		return
	case missing, errors.As(err, &timeout) && timeout.Timeout():
		h.err = errRefused
		g.refuse(NoHeader, c.Conn.RemoteAddr(), "have the proxy send it (HAProxy: send-proxy-v2), or set server.proxy_protocol: false")
		return
	case err != nil:
		h.err = errRefused
		g.refuse(BadHeader, c.Conn.RemoteAddr(), "")
		return
	}
	if said.Command.IsLocal() { // a proxy's health check
		return
	}
	if client, ok := said.SourceAddr.(*net.TCPAddr); ok {
		h.remote = client
	}
	if !g.countFor(c, addressOf(h.remote)) {
		h.err = errRefused
		g.refuse(TooManyOfAddress, h.remote, "")
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// First bytes that do not belong to a request.
var (
	proxyV1  = []byte("PROXY ")
	proxyV2  = []byte("\r\n\r\n\x00\r\nQUIT\n")
	tlsHello = []byte{0x16, 0x03}
)

// look reports whether the first bytes may begin a request, and reports those that do not: net/http
// would answer 400 or nothing, and log nothing.
func (c *Conn) look(p []byte) bool {
	g := c.gate
	switch {
	case bytes.HasPrefix(p, proxyV1), len(p) >= 5 && bytes.HasPrefix(proxyV2, p[:min(len(p), len(proxyV2))]):
		hint := "set server.proxy_protocol: true and name the proxy in server.trusted_proxies"
		if g.config.ProxyProtocol {
			hint = "name the proxy in server.trusted_proxies"
		}
		g.refuse(UnexpectedHeader, c.Conn.RemoteAddr(), hint)
		return false
	case !g.config.TLS && bytes.HasPrefix(p, tlsHello):
		g.refuse(UnexpectedTLS, c.Conn.RemoteAddr(), "connect with ws://, or set server.cert_file and server.key_file")
		return false
	case g.config.TLS && bytes.HasPrefix(p, []byte("GET ")): // net/http answers it
		g.refuse(ExpectedTLS, c.Conn.RemoteAddr(), "connect with wss://")
	}
	return true
}

// RemoteAddr implements net.Conn: it is the client's address. Where a PROXY header is expected it
// waits for that.
func (c *Conn) RemoteAddr() net.Addr {
	if h := c.header; h != nil {
		h.once.Do(c.readHeader)
		if h.remote != nil {
			return h.remote
		}
	}
	return c.Conn.RemoteAddr()
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.Conn.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if h := c.header; h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.deadline = t
	}
	return c.Conn.SetReadDeadline(t)
}

// Close implements net.Conn. The connection does not count any more.
func (c *Conn) Close() error {
	c.gate.leave(c)
	return c.Conn.Close()
}

// SyscallConn implements syscall.Conn. Use it for writing only: reading would miss what came with
// the PROXY header.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if raw, ok := c.Conn.(syscall.Conn); ok {
		return raw.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
