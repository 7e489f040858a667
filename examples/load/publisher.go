package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A publisher brings events on their way. Its methods are for one goroutine.
type publisher interface {
	publish(n int) error // may keep the event until flush
	flush() error
	acknowledged() int // events that the other side has accepted; -1: it does not say
	close()
}

// An mqttPublisher publishes to a broker by MQTT 3.1.1, as fast as it can write.
type mqttPublisher struct {
	conn   net.Conn
	out    *bufio.Writer
	qos    byte
	size   int
	packet []byte
	acks   atomic.Int64
	ended  chan struct{} // closed when the reader has ended
}

// dialPublisher connects to the broker.
func dialPublisher(address string, qos, size int) (*mqttPublisher, error) {
	conn, err := net.DialTimeout("tcp", address, handshakeTimeout)
	if err != nil {
		return nil, err
	}
	p := &mqttPublisher{conn: conn, out: bufio.NewWriterSize(conn, 64<<10), qos: byte(qos), size: size, ended: make(chan struct{})}
	if err := p.connect(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connecting to the broker at %s: %w", address, err)
	}
	go p.readAcks()
	return p, nil
}

func (p *mqttPublisher) connect() error {
	p.conn.SetDeadline(time.Now().Add(handshakeTimeout))
	defer p.conn.SetDeadline(time.Time{})
	if _, err := p.conn.Write(appendConnect(nil, "load-publisher")); err != nil {
		return err
	}
	var answer [4]byte
	if _, err := io.ReadFull(p.conn, answer[:]); err != nil {
		return err
	}
	return checkConnack(answer[:])
}

// readAcks counts PUBACKs, the only packets that come, of four bytes each (MQTT 3.1.1, 3.4).
func (p *mqttPublisher) readAcks() {
	defer close(p.ended)
	in := bufio.NewReader(p.conn)
	for {
		var ack [4]byte
		if _, err := io.ReadFull(in, ack[:]); err != nil {
			return
		}
		p.acks.Add(1)
	}
}

func (p *mqttPublisher) publish(n int) error {
	p.packet = appendPublish(p.packet[:0], topic, p.qos, uint16(n%0xFFFF+1), event(n, p.size))
	_, err := p.out.Write(p.packet)
	return err
}

func (p *mqttPublisher) flush() error { return p.out.Flush() }

func (p *mqttPublisher) acknowledged() int {
	if p.qos == 0 {
		return -1
	}
	return int(p.acks.Load())
}

func (p *mqttPublisher) close() {
	p.conn.Close()
	<-p.ended
}

// appendConnect appends a CONNECT for a clean session without keep-alive (MQTT 3.1.1, 3.1).
func appendConnect(dst []byte, clientID string) []byte {
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0}
	return appendPacket(dst, 0x10, appendString(body, clientID))
}

// checkConnack returns what a CONNACK refuses (MQTT 3.1.1, 3.2).
func checkConnack(packet []byte) error {
	if len(packet) != 4 || packet[0] != 0x20 || packet[3] != 0 {
		return fmt.Errorf("the broker answered % x", packet)
	}
	return nil
}

// appendSubscribe appends a SUBSCRIBE at QoS 0 (MQTT 3.1.1, 3.8).
func appendSubscribe(dst []byte, filter string) []byte {
	return appendPacket(dst, 0x82, append(appendString([]byte{0, 1}, filter), 0))
}

// appendPublish appends a PUBLISH (MQTT 3.1.1, 3.3).
func appendPublish(dst []byte, topic string, qos byte, id uint16, payload []byte) []byte {
	body := appendString(make([]byte, 0, 4+len(topic)+len(payload)), topic)
	if qos > 0 {
		body = binary.BigEndian.AppendUint16(body, id)
	}
	return appendPacket(dst, 0x30|qos<<1, append(body, payload...))
}

func appendPacket(dst []byte, header byte, body []byte) []byte {
	dst = append(dst, header)
	n := len(body)
	for ; n > 127; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(append(dst, byte(n)), body...)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}
