package mqtt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

const (
	readBuffer   = 64 << 10
	keptBuffer   = 64 << 10 // a larger write buffer is let go
	writeTimeout = 10 * time.Second
	// drainTime is how long events that were received before a connection ended may still be handed
	// over. What is not handed over is not acknowledged either and comes again, unless the broker
	// has lost the session: hence the patience.
	drainTime = 2 * time.Second
	// flushTime bounds how long a disconnect waits for the acknowledgements that are due.
	flushTime = 2 * time.Second
	// maxInFlight bounds the publishes of one connection that wait for their PUBACK, below the
	// broker's own Receive Maximum.
	maxInFlight = 64
)

// errClosed reports that the broker closed the connection without a DISCONNECT.
var errClosed = errors.New("the broker closed the connection")

// What NewVisit, and the log, say of what is not a broker of MQTT 5.
var (
	ErrNoAnswer = errors.New("the broker closed the connection without an answer")
	ErrNotMQTT  = errors.New("the broker does not speak MQTT: its first packet is not a CONNACK")
	ErrOldMQTT  = errors.New("the broker does not speak MQTT 5: it answers as MQTT 3.1.1 does")

	ErrNotWebSocket = errors.New("the broker does not accept WebSocket connections there")
)

// conn is a network connection to the broker as paho wants it. Reads come from one large buffer,
// since paho takes a packet in three reads or more; a packet over the limit is refused before paho
// allocates room for it, since paho would. A packet is sent in one write, since paho writes it in
// several pieces too; a write that gets nowhere ends the connection.
type conn struct {
	net.Conn

	publishes atomic.Uint64 // PUBLISH packets that have begun to arrive

	// owned by the reader
	r        *bufio.Reader
	ahead    sync.WaitGroup // of what reads ahead for r
	limit    int            // of a whole packet, in bytes
	left     int            // of the current packet, not yet read
	answered bool
	begun    bool // answered, and up

	// What takes the events of a PUBLISH each, in order of receipt; they are its own, the slice is
	// not. Nil: paho takes them. Set before the first read; the rest is owned by the reader.
	deliver  func(*conn, []*Event)
	brought  uint64   // events with an acknowledgement so far
	gathered []*Event // not yet delivered
	events   []Event  // to be filled in
	block    []byte   // of payloads

	owed *owed // what must happen before it is left

	writing sync.Mutex
	out     []byte    // guarded by writing: the packet being written
	timed   time.Time // guarded by writing: when the deadline of writes was set

	pongs       *atomic.Uint64 // pings answered; a connection shares it with those before
	pongsBefore uint64         // what it was when this one was dialed

	ctx     context.Context // ends with the connection; its cause says why
	end     context.CancelCauseFunc
	expired chan struct{} // closed when its events are no longer handed over
	expire  func()        // closes expired, once

	up         chan struct{} // closed when the broker has accepted; what follows is set before
	since      time.Time
	present    bool   // the broker had a session present
	session    uint64 // Event.Session of what it brings
	connection uint64 // and its Event.Connection
	maxPacket  int    // what the broker accepts, in bytes; 0: no limit
	slots      chan struct{}

	sessionExpiry *time.Duration // that the broker grants; nil: as asked (MQTT 5, 3.2.2.3.2)
}

// accepted notes what the broker has said at the connect.
func (c *conn) accepted(ack *paho.Connack, now time.Time) {
	c.since = now
	c.present = ack.SessionPresent
	inFlight := maxInFlight
	if p := ack.Properties; p != nil {
		if p.MaximumPacketSize != nil {
			c.maxPacket = int(*p.MaximumPacketSize)
		}
		if p.ReceiveMaximum != nil {
			inFlight = min(inFlight, int(*p.ReceiveMaximum))
		}
		if p.SessionExpiryInterval != nil {
			expiry := time.Duration(*p.SessionExpiryInterval) * time.Second
			c.sessionExpiry = &expiry
		}
	}
	c.slots = make(chan struct{}, inFlight)
}

// Read reads from the current packet, never beyond it.
func (c *conn) Read(p []byte) (int, error) {
	if c.left == 0 {
		if c.answered && !c.begun {
			// Nothing is read behind the CONNACK before paho's Connect has returned: an event needs
			// to know its session, and the end of a connection that has only half begun confuses
			// paho.
			select {
			case <-c.up:
			case <-c.ctx.Done():
			}
			c.begun = true
		}
		if err := c.nextPacket(); err != nil {
			return 0, c.readError(err)
		}
		c.answered = true
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	if err != nil {
		err = c.readError(err)
	}
	return n, err
}

// readError says what the end of the stream means.
func (c *conn) readError(err error) error {
	if cause := context.Cause(c.ctx); cause != nil && cause != context.Canceled {
		err = cause // a write failed, and closed what is read here
	}
	switch {
	case !c.answered && hungUp(err):
		return ErrNoAnswer
	case err == io.EOF:
		return errClosed
	}
	return err
}

// hungUp reports whether err says that the other side has closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, errClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// nextPacket waits for a packet that is for paho and checks it. Where there is a deliver it takes
// what comes before: PUBLISH packets.
func (c *conn) nextPacket() error {
	for {
		if err := c.awaitPacket(); err != nil {
			return err
		}
		first, header, length, _ := c.fixedHeader()
		if err := c.checkPacket(first>>4, header, length); err != nil {
			return err
		}
		if c.deliver == nil || first>>4 != packets.PUBLISH {
			c.left = header + length
			return nil
		}
		err := c.takePublish(first&0xf, header, length)
		if err != nil || !c.isGathering() {
			c.deliverGathered()
		}
		if err != nil {
			return err
		}
	}
}

// awaitPacket waits until the fixed header of the next packet is in the buffer.
func (c *conn) awaitPacket() error {
	for n := 2; n <= maxFixedHeader; n++ {
		if _, err := c.r.Peek(n); err != nil {
			return err
		}
		if _, _, _, whole := c.fixedHeader(); whole {
			return nil
		}
	}
	return errors.New("reading packet: remaining length of more than four octets")
}

const maxFixedHeader = 5

// fixedHeader returns what the buffer has of the fixed header of a packet: its first octet, its own
// length and the remaining length (MQTT 5, 2.1: a type octet, then that length in one to four
// octets).
func (c *conn) fixedHeader() (first byte, header, length int, whole bool) {
	head, _ := c.r.Peek(min(maxFixedHeader, c.r.Buffered()))
	for i := 1; i < len(head); i++ {
		length |= int(head[i]&0x7f) << (7 * (i - 1))
		if head[i] < 0x80 {
			return head[0], i + 1, length, true
		}
	}
	return 0, 0, 0, false
}

func (c *conn) checkPacket(kind byte, header, length int) error {
	if !c.answered && kind != packets.CONNACK {
		return ErrNotMQTT
	}
	// An MQTT 5 CONNACK is three octets at least; two are one of MQTT 3.1.1.
	if kind == packets.CONNACK && length == 2 {
		head, err := c.r.Peek(header + length)
		if err != nil {
			return err
		}
		return fmt.Errorf("%w, with return code %d", ErrOldMQTT, head[header+1])
	}
	if header+length > c.limit {
		return fmt.Errorf("reading packet: %d bytes, the limit is %d", header+length, c.limit)
	}
	switch kind {
	case packets.PUBLISH:
		c.publishes.Add(1)
	case packets.PINGRESP:
		c.owed.pings(-1)
		if !c.isExpired() { // then it may answer the ping of flushAcks, which may overlap with paho's
			c.pongs.Add(1)
		}
	}
	return nil
}

// Lock begins a packet. paho holds it while it writes the packet's pieces, which makes writing safe
// for concurrent use.
func (c *conn) Lock() {
	c.writing.Lock()
}

// Write adds p to the packet that Unlock sends. It must be called between the two.
func (c *conn) Write(p []byte) (int, error) {
	if c.closed() {
		return 0, net.ErrClosed
	}
	c.out = append(c.out, p...)
	return len(p), nil
}

// Unlock sends the packet in one write, within the write timeout. A failed write ends the
// connection: paho itself would only notice when the next ping is not answered.
func (c *conn) Unlock() {
	if len(c.out) > 0 {
		if c.out[0]>>4 == packets.PINGREQ {
			c.owed.pings(1)
		}
		c.send(c.out)
	}
	c.out = c.out[:0]
	if cap(c.out) > keptBuffer {
		c.out = nil
	}
	c.writing.Unlock()
	c.sendAcks() // that came meanwhile
}

// send writes p with writing held. A deadline is good for many writes, since setting one costs as
// much as a small write.
func (c *conn) send(p []byte) {
	var err error
	if now := time.Now(); now.Sub(c.timed) > writeTimeout/10 {
		c.timed = now
		err = c.SetWriteDeadline(now.Add(writeTimeout))
	}
	if err == nil {
		_, err = c.Conn.Write(p)
	}
	if err != nil {
		c.end(err)
		c.Close()
	}
}

// sendAcks sends the acknowledgements that are due, in one write. It does not wait: whoever is
// writing at the moment sends them next. Nor does the write: they are no more than the events that
// the broker sends without one, so the system has room even if the broker reads nothing.
func (c *conn) sendAcks() {
	for c.owed.isDue() && c.writing.TryLock() {
		if acks := c.owed.takeDue(); len(acks) > 0 && !c.closed() {
			c.send(acks)
		}
		c.owed.sentDue()
		c.writing.Unlock()
	}
}

// Close ends the connection. Its events expire a little later.
func (c *conn) Close() error {
	c.end(nil)
	time.AfterFunc(drainTime, c.expire)
	return c.Conn.Close()
}

// flushAcks waits until the broker has taken the acknowledgements that are due. One that is not
// sent is lost at the disconnect, and one that is sent may be: a broker that notices first that the
// connection has ended does not read on. The answer to a ping says that it has read everything
// before. flushAcks does not wait for a connection that has ended or that does not answer.
func (c *conn) flushAcks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	ctx, unbind := c.bound(ctx)
	defer unbind()
	if c.owed.awaitSent(ctx) && ctx.Err() == nil {
		c.ping(ctx)
	}
}

// ping returns when the broker has answered a ping, and so has read all that was sent before.
func (c *conn) ping(ctx context.Context) error {
	ctx, unbind := c.bound(ctx)
	defer unbind()
	if _, err := packets.NewControlPacket(packets.PINGREQ).WriteTo(c); err != nil {
		return err
	}
	c.owed.awaitPongs(ctx)
	return ctx.Err()
}

// closed reports whether Close was called.
func (c *conn) closed() bool {
	return c.ctx.Err() != nil
}

// isExpired reports whether its events are no longer handed over.
func (c *conn) isExpired() bool {
	select {
	case <-c.expired:
		return true
	default:
		return false
	}
}

// bound returns a context that ends with ctx or with the connection. paho leaves what waits for an
// answer waiting when the connection is lost.
func (c *conn) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
