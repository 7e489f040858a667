package writer

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
)

// ListenTLS returns a listener on top of l whose connections have TLS, and to which Writers write
// as they do to connections without: what the kernel does not take at once keeps nobody waiting.
func ListenTLS(l net.Listener, c *tls.Config) net.Listener { return &tlsListener{l, c} }

type tlsListener struct {
	net.Listener
	config *tls.Config
}

// Accept returns the next connection, as a *tls.Conn. Its handshake comes with the first read.
func (l *tlsListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &recordConn{Conn: conn}
	c.tls = tls.Server(c, l.config)
	return c.tls, nil
}

// A recordConn is the connection below a tls.Conn. A record must be written whole and once, or the
// connection is broken for good, so TLS cannot be told that the kernel has taken a part of one. As
// soon as a Writer owns the connection, writing to it therefore never waits and takes everything:
// the rest of the records is kept, and comes before all others.
type recordConn struct {
	net.Conn
	tls *tls.Conn // above

	mu       sync.Mutex
	raw      syscall.RawConn // of Conn; nil: no Writer owns it yet
	records  *[]byte         // what TLS seals for the Writer; nil: it does not
	rest     []byte          // of records, that the kernel has not taken
	flushing bool            // flush writes what was the rest before
}

// sealBytes is how much is sealed before it is known whether the kernel takes it. What is sealed
// belongs to one client; what is not may be shared.
const sealBytes = 16 << 10

// maxRest bounds what waits to be written where TLS adds answers of its own. What a Writer leaves is
// about half as much.
const maxRest = 2 * sealBytes

// recordsOf returns the recordConn of a connection that ListenTLS has made, for a Writer, nil where
// there is none or where it cannot be written to without waiting.
func recordsOf(conn net.Conn) *recordConn {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	c, ok := t.NetConn().(*recordConn)
	if !ok {
		return nil
	}
	raw := rawConn(c.Conn)
	if raw == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = raw
	return c
}

var errUnreadAnswers = errors.New("writer: the peer asks for answers of TLS and does not read them")

// Write implements net.Conn, for TLS.
func (c *recordConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.raw == nil { // the handshake, and HTTP
		c.mu.Unlock()
		return c.Conn.Write(p)
	}
	defer c.mu.Unlock()
	if c.records != nil {
		*c.records = append(*c.records, p...)
		return len(p), nil
	}
	// An answer of TLS itself to what was read: a change of keys, an alert. Or the alert that it ends.
	if len(c.rest)+len(p) > maxRest {
		return 0, errUnreadAnswers
	}
	c.rest = append(c.rest, p...)
	if c.flushing {
		return len(p), nil
	}
	n, err := writeAtOnce(c.raw, c.rest)
	c.rest = c.rest[n:]
	return len(p), err
}

// try has TLS seal as much of p as the kernel takes at once and up to sealBytes more. It returns how
// much that is, and whether all of p is with the kernel.
func (c *recordConn) try(p []byte) (n int, done bool, err error) {
	for done = true; done && err == nil && n < len(p); {
		next := p[n:min(len(p), n+sealBytes)]
		done, err = c.seal(next)
		n += len(next)
	}
	return n, done, err
}

// seal has TLS seal p, writes as much as the kernel takes at once, and reports whether that was all.
func (c *recordConn) seal(p []byte) (done bool, err error) {
	buffer := getBuffer()
	defer putBuffer(buffer)
	c.mu.Lock()
	*buffer = append(*buffer, c.rest...) // a few answers at most, or nothing
	c.rest, c.records = nil, buffer
	c.mu.Unlock()

	_, sealErr := c.tls.Write(p)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = nil
	n, err := writeAtOnce(c.raw, *buffer)
	if n < len(*buffer) {
		c.rest = append([]byte(nil), (*buffer)[n:]...) // few clients are that slow, and the buffer may be much larger
	}
	return len(c.rest) == 0, errors.Join(sealErr, err)
}

// writeAll has TLS seal the pieces, and waits until the kernel has taken them and what came before.
func (c *recordConn) writeAll(pieces [][]byte) error {
	for _, p := range pieces {
		for len(p) > 0 {
			if err := c.flush(); err != nil {
				return err
			}
			n, _, err := c.try(p)
			if err != nil {
				return err
			}
			p = p[n:]
		}
	}
	return c.flush()
}

// flush waits until the kernel has taken the rest.
func (c *recordConn) flush() error {
	for {
		c.mu.Lock()
		rest := c.rest
		c.rest, c.flushing = nil, len(rest) > 0
		c.mu.Unlock()
		if len(rest) == 0 {
			return nil
		}
		if _, err := c.Conn.Write(rest); err != nil {
			return err
		}
	}
}

// waiting returns how many bytes the kernel has not taken.
func (c *recordConn) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rest)
}
