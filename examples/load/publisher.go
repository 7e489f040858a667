//go:build linux

package main

import (
	"bufio"
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
	conn    net.Conn
	out     *bufio.Writer
	qos     byte
	payload func(n int) []byte // of event n
	packet  []byte
	acks    atomic.Int64
	ended   chan struct{} // closed when the reader has ended
}

// dialEvents returns what publishes the events as the bridge gets them.
func (b *bench) dialEvents(address string) (publisher, error) {
	return dialPublisher(address, b.qos, func(n int) []byte { return event(n, b.size) })
}

// dialMapped returns what publishes the events as the bridge's sessions get them, for peers that do
// not map.
func (b *bench) dialMapped(address string) (publisher, error) {
	return dialPublisher(address, b.qos, func(n int) []byte { return mapped(n, b.size) })
}

// dialPublisher connects to the broker.
func dialPublisher(address string, qos int, payload func(n int) []byte) (publisher, error) {
	conn, err := net.DialTimeout("tcp", address, handshakeTimeout)
	if err != nil {
		return nil, err
	}
	p := &mqttPublisher{conn: conn, out: bufio.NewWriterSize(conn, 64<<10), qos: byte(qos), payload: payload, ended: make(chan struct{})}
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
	p.packet = appendPublish(p.packet[:0], topic, p.qos, uint16(n%0xFFFF+1), p.payload(n))
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
