//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
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
	index    int
	conn     net.Conn
	tcp      *net.TCPConn // below conn
	inflater *inflater    // nil: nothing is compressed
	protocol protocol
	opcode   byte   // of the frames that it sends
	partial  []byte // what was read and not taken: at most the beginning of a frame, once it reads events
	beat     []byte // what the protocol wants sent now and then; nil: nothing
	deaf     bool   // it never reads events
	ledger   ledger
	bytes    int64  // of the frames with events
	last     []byte // the id of the last message, where it has one
}

// A protocol is what is spoken over the WebSocket of a session.
type protocol interface {
	// next returns the first message in the payload of a frame, and what follows it.
	next(payload []byte) (message, rest []byte, err error)
	// answer returns what must be sent for a message without an event: often nothing. The error is
	// what the message complains of.
	answer(message []byte) ([]byte, error)
}

// An endpoint is where a session connects.
type endpoint struct {
	address, path string
	subprotocols  string
	tls           *tls.Config // nil: without TLS
	inflater      *inflater   // what the server must agree to compress goes through it; nil: nothing
	dialer        net.Dialer
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

// openSession opens a WebSocket from a source address of its own. The index numbers the session;
// the caller says what is spoken.
func openSession(ctx context.Context, index int, e endpoint) (*session, error) {
	e.dialer.Timeout, e.dialer.LocalAddr, e.dialer.KeepAlive = handshakeTimeout, sourceAddress(index), -1
	conn, err := e.dialer.DialContext(ctx, "tcp", e.address)
	if err != nil {
		return nil, err
	}
	s := &session{index: index, conn: conn, tcp: conn.(*net.TCPConn), inflater: e.inflater}
	s.tcp.SetLinger(0) // closing resets: an ordinary close would keep the port from the next session for a minute
	if e.tls != nil {
		s.conn = tls.Client(conn, e.tls)
	}
	s.conn.SetDeadline(time.Now().Add(handshakeTimeout))
	if err := s.upgrade(e); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) upgrade(e endpoint) error {
	extensions := ""
	if e.inflater != nil {
		extensions = "Sec-WebSocket-Extensions: " + deflateOffer + "\r\n"
	}
	_, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: %s\r\n%s\r\n", e.path, e.address, handshakeKey, e.subprotocols, extensions)
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
		if e.inflater != nil && !bytes.Contains(head, []byte("permessage-deflate")) {
			return fmt.Errorf("upgrading: the server does not compress: %q", head)
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
		f, err := nextFrame(s.partial)
		switch {
		case err != nil:
			return nil, err
		case f.size == 0:
			if err := s.fill(); err != nil {
				return nil, err
			}
			continue
		}
		s.partial = s.partial[f.size:]
		if f.opcode < opClose {
			return s.content(f)
		}
		if err := s.control(f.opcode, f.payload); err != nil {
			return nil, err
		}
	}
}

// content returns the payload of a frame as it was before it was compressed, if it was.
func (s *session) content(f frame) ([]byte, error) {
	switch {
	case !f.compressed:
		return f.payload, nil
	case s.inflater == nil:
		return nil, errors.New("a frame is compressed, which was not agreed on")
	}
	return s.inflater.message(f.payload)
}

// await receives messages until one is what the caller waits for, and answers the others.
func (s *session) await(isIt func(message []byte) bool) error {
	for {
		payload, err := s.receive()
		if err != nil {
			return err
		}
		for len(payload) > 0 {
			var message []byte
			if message, payload, err = s.protocol.next(payload); err != nil {
				return err
			}
			if isIt(message) {
				return nil
			}
			if err := s.reply(message); err != nil {
				return err
			}
		}
	}
}

// reply sends the answer to a message, where one is due.
func (s *session) reply(message []byte) error {
	answer, err := s.protocol.answer(message)
	if err != nil || answer == nil {
		return err
	}
	return s.send(s.opcode, answer)
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

// close ends the session without a word, also of TLS: its reader would still get the answer to it.
func (s *session) close() { s.tcp.Close() }

// keepAlive sends the beat, where there is one.
func (s *session) keepAlive() {
	if s.beat != nil {
		s.conn.Write(s.beat)
	}
}

// readBytes is how much one read takes, at most.
const readBytes = 64 << 10

var readPool = sync.Pool{New: func() any { return new([readBytes]byte) }}

// read takes in events until the connection ends; closing it from this side is no error. A session
// that waits holds no buffer, and one wake-up is one system call; with TLS it is as crypto/tls has
// it.
func (s *session) read(o observer) error {
	s.conn.SetDeadline(time.Time{})
	if err := s.take(s.partial, o); err != nil { // what came together with the end of the handshake
		return err
	}
	ended := s.readAll(o)
	if errors.Is(ended, net.ErrClosed) {
		return nil
	}
	return ended
}

func (s *session) readAll(o observer) (ended error) {
	if s.conn != net.Conn(s.tcp) {
		return s.readRecords(o)
	}
	raw, err := s.tcp.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool {
		ended = s.drain(int(fd), o)
		return ended != nil
	})
	return cmp.Or(ended, err)
}

// readRecords reads through TLS, whose records have up to 16 KiB.
func (s *session) readRecords(o observer) error {
	buffer := make([]byte, 16<<10)
	for {
		n, err := s.conn.Read(buffer)
		if n > 0 {
			if err := s.take(append(s.partial, buffer[:n]...), o); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// drain reads until nothing is there. The poller wakes its caller at every arrival after that.
func (s *session) drain(fd int, o observer) error {
	buffer := readPool.Get().(*[readBytes]byte)
	defer readPool.Put(buffer)
	for {
		kept := 0
		if len(s.partial) <= readBytes/2 { // otherwise the frame may be longer than the buffer
			kept = copy(buffer[:], s.partial)
		}
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
		data := buffer[:kept+n]
		if kept < len(s.partial) {
			data = append(s.partial, data...)
		}
		if err := s.take(data, o); err != nil {
			return err
		}
		if kept+n < len(buffer) {
			return nil
		}
	}
}

// An intake is what one read of a session brings.
type intake struct {
	observer
	at       time.Time
	expected int
	arrivals int
	last     []byte // the last message with an event
}

// take notes the events in data and keeps what follows the last whole frame. Data may lie where
// s.partial does.
func (s *session) take(data []byte, o observer) error {
	in := intake{observer: o, at: time.Now(), expected: o.expects()}
	for {
		f, err := nextFrame(data)
		if err != nil {
			return err
		}
		if f.size == 0 {
			break
		}
		if err := s.takeFrame(f, &in); err != nil {
			return err
		}
		data = data[f.size:]
	}
	if id, ok := messageID(in.last); ok {
		s.last = append(s.last[:0], id...)
	}
	s.partial = append(s.partial[:0], data...)
	o.heard(in.arrivals)
	return nil
}

func (s *session) takeFrame(f frame, in *intake) error {
	if f.opcode >= opClose {
		return s.control(f.opcode, f.payload)
	}
	payload, err := s.content(f)
	if err != nil {
		return err
	}
	before := in.arrivals
	for len(payload) > 0 {
		var message []byte
		if message, payload, err = s.protocol.next(payload); err != nil {
			return err
		}
		if err := s.takeMessage(message, in); err != nil {
			return err
		}
	}
	if in.arrivals > before {
		s.bytes += int64(f.size)
	}
	return nil
}

func (s *session) takeMessage(message []byte, in *intake) error {
	n, ok := number(message)
	if !ok {
		return s.reply(message)
	}
	if n >= in.expected {
		return fmt.Errorf("event %d of %d arrived", n, in.expected)
	}
	if s.ledger.note(n) {
		in.arrived(s.index, n, in.at)
	}
	in.last = message
	in.arrivals++
	return nil
}
