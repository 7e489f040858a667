//go:build unix

package writer

import (
	"net"
	"sync"
	"syscall"
)

// rawConn returns what writeAtOnce needs, nil where conn is not a socket's: a pipe, TLS.
func rawConn(conn net.Conn) syscall.RawConn {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// writeAtOnce writes as much of p as the kernel takes without waiting.
func writeAtOnce(raw syscall.RawConn, p []byte) (int, error) {
	a := attempts.Get().(*attempt)
	a.p, a.n, a.err = p, 0, nil
	err := raw.Write(a.write)
	n := a.n
	if err == nil {
		err = a.err
	}
	a.p = nil
	attempts.Put(a)
	return n, err
}

// An attempt is the argument of one write. It is kept, with the function that the runtime calls, so
// that a write allocates nothing.
type attempt struct {
	p     []byte
	n     int
	err   error
	write func(fd uintptr) bool
}

var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.write = a.do
	return a
}}

// do reports true, or the runtime would wait until the socket takes more.
func (a *attempt) do(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), a.p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
		case err != nil:
			a.err = err
		default:
			a.n = n
		}
		return true
	}
}
