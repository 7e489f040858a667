//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// A session is one subscriber: a WebSocket that was opened and has subscribed. One goroutine reads
// it; send may be called by any.
type session struct {
	index   int
	conn    *net.TCPConn
	partial []byte // what was read and not taken: at most the beginning of a frame, once it reads events
	beat    []byte // what the protocol wants sent now and then; nil: nothing
	deaf    bool   // it never reads events
	ledger  ledger
	last    []byte // the id of the last message, where it has one
}

// An observer follows what sessions get. Its methods are safe for concurrent use.
type observer interface {
	expects() int                         // events; they are numbered from 0
	arrived(session, n int, at time.Time) // event n, for the first time at that session
	heard(arrivals int)                   // events that came, repeated ones too
}

// The key of a handshake and the answer that it must get (the example of RFC 6455, 1.3).
const (
	handshakeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

const handshakeTimeout = 30 * time.Second

// openSession opens a WebSocket from a source address of its own. The index numbers the session.
func openSession(ctx context.Context, dialer net.Dialer, index int, address, path, protocol string) (*session, error) {
	dialer.Timeout, dialer.LocalAddr, dialer.KeepAlive = handshakeTimeout, sourceAddress(index), -1
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &session{index: index, conn: conn.(*net.TCPConn)}
	s.conn.SetLinger(0) // closing resets: an ordinary close would keep the port from the next session for a minute
	s.conn.SetDeadline(time.Now().Add(handshakeTimeout))
	if err := s.upgrade(address, path, protocol); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) upgrade(address, path, protocol string) error {
	_, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", path, address, handshakeKey, protocol)
	if err != nil {
		return err
	}
	for {
		head, rest, found := bytes.Cut(s.partial, []byte("\r\n\r\n"))
		if !found {
			if err := s.fill(); err != nil {
				return fmt.Errorf("upgrading: %w", err)
			}
			continue
		}
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) || !bytes.Contains(head, []byte(handshakeAccept)) {
			return fmt.Errorf("upgrading: the server answered %q", head)
		}
		s.partial = append([]byte(nil), rest...)
		return nil
	}
}

// fill reads more bytes, for the handshake.
func (s *session) fill() error {
	var buffer [2048]byte
	n, err := s.conn.Read(buffer[:])
	s.partial = append(s.partial, buffer[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// receive waits for the next data frame and returns its payload, for the handshake.
func (s *session) receive() ([]byte, error) {
	for {
		opcode, payload, size, err := nextFrame(s.partial)
		switch {
		case err != nil:
			return nil, err
		case size == 0:
			if err := s.fill(); err != nil {
				return nil, err
			}
			continue
		}
		s.partial = s.partial[size:]
		if opcode == opText || opcode == opBinary {
			return payload, nil
		}
		if err := s.control(opcode, payload); err != nil {
			return nil, err
		}
	}
}

// send writes one WebSocket message.
func (s *session) send(opcode byte, payload []byte) error {
	_, err := s.conn.Write(appendMaskedFrame(nil, opcode, payload))
	return err
}

// control answers a frame that carries no data.
func (s *session) control(opcode byte, payload []byte) error {
	switch opcode {
	case opPing:
		return s.send(opPong, payload)
	case opClose:
		return fmt.Errorf("the server closed the WebSocket: %q", payload)
	}
	return nil
}

// keepAlive sends the beat, where there is one.
func (s *session) keepAlive() {
	if s.beat != nil {
		s.conn.Write(s.beat)
	}
}

// readBytes is how much one read takes, at most; no frame may be longer than half of it.
const readBytes = 64 << 10

var readPool = sync.Pool{New: func() any { return new([readBytes]byte) }}

// read takes in events until the connection ends; closing it from this side is no error. A session
// that waits holds no buffer, and one wake-up is one system call.
func (s *session) read(o observer) error {
	s.conn.SetDeadline(time.Time{})
	if err := s.take(s.partial, o); err != nil { // what came together with the end of the handshake
		return err
	}
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var ended error
	err = raw.Read(func(fd uintptr) bool {
		ended = s.drain(int(fd), o)
		return ended != nil
	})
	if ended == nil {
		ended = err
	}
	if errors.Is(ended, net.ErrClosed) {
		return nil
	}
	return ended
}

// drain reads until nothing is there. The poller wakes its caller at every arrival after that.
func (s *session) drain(fd int, o observer) error {
	buffer := readPool.Get().(*[readBytes]byte)
	defer readPool.Put(buffer)
	for {
		kept := copy(buffer[:], s.partial)
		n, err := syscall.Read(fd, buffer[kept:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return nil
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		if err := s.take(buffer[:kept+n], o); err != nil {
			return err
		}
		if kept+n < len(buffer) {
			return nil
		}
	}
}

// take notes the events in data and keeps what follows the last whole frame.
func (s *session) take(data []byte, o observer) error {
	now, expected, arrivals := time.Now(), o.expects(), 0
	var last []byte
	for {
		opcode, payload, size, err := nextFrame(data)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		data = data[size:]
		if n, ok := number(payload); ok {
			if n >= expected {
				return fmt.Errorf("event %d of %d arrived", n, expected)
			}
			if s.ledger.note(n) {
				o.arrived(s.index, n, now)
			}
			last = payload
			arrivals++
		} else if opcode >= opClose {
			if err := s.control(opcode, payload); err != nil {
				return err
			}
		} else if bytes.HasPrefix(payload, []byte("ERROR\n")) {
			return fmt.Errorf("the server ended the session: %q", payload)
		}
	}
	if id, ok := messageID(last); ok {
		s.last = append(s.last[:0], id...)
	}
	s.partial = append(s.partial[:0], data...)
	o.heard(arrivals)
	return nil
}
