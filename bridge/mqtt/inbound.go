package mqtt

import (
	"io"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// A session brings most events by far of all packets, so they do not take paho's way, with two
// goroutines and a timer for the acknowledgements: as paho reads, its connection takes the PUBLISH
// packets out of the stream and hands over those that one read has brought together. Whatever else
// the broker sends is paho's.

// maxGathered bounds the events that are handed over together, and the bytes of each block of
// memory that their payloads share.
const (
	maxGathered      = 64
	maxGatheredBytes = 16 << 10
)

// takePublish takes a PUBLISH that nextPacket has found and does not leave to paho. It is handed
// over with those that have arrived behind it.
func (c *conn) takePublish(flags byte, header, length int) error {
	body, err := c.body(header, length)
	if err != nil {
		return err
	}
	e := c.room()
	if err := decodePublish(e, flags, body); err != nil {
		return err
	}
	if e.QoS > 0 {
		c.brought++
		e.number = c.brought
	}
	c.gathered = append(c.gathered, e)
	return nil
}

// body takes a whole packet from the stream and returns what follows its fixed header, in memory
// that only events have.
func (c *conn) body(header, length int) ([]byte, error) {
	if _, err := c.r.Discard(header); err != nil {
		return nil, err
	}
	if length > cap(c.block)-len(c.block) {
		c.block = make([]byte, 0, max(length, min(c.r.Buffered(), maxGatheredBytes)))
	}
	start := len(c.block)
	c.block = c.block[:start+length]
	body := c.block[start : start+length : start+length]
	_, err := io.ReadFull(c.r, body)
	return body, err
}

// room returns an event to be filled in.
func (c *conn) room() *Event {
	if len(c.events) == 0 {
		c.events = make([]Event, max(1, min(maxGathered, c.r.Buffered()/smallPublish)))
	}
	e := &c.events[0]
	c.events = c.events[1:]
	e.conn, e.SessionPresent, e.Session, e.Connection, e.Pongs = c, c.present, c.session, c.connection, c.pongsBefore
	return e
}

// smallPublish is about the size of a packet, by which room guesses how many are there.
const smallPublish = 256

// deliverGathered hands over what was gathered.
func (c *conn) deliverGathered() {
	if len(c.gathered) == 0 {
		return
	}
	now := time.Now()
	for _, e := range c.gathered {
		e.Received = now
	}
	c.deliver(c, c.gathered)
	clear(c.gathered) // or what has been dealt with would be kept
	c.gathered, c.events, c.block = c.gathered[:0], nil, nil
}

// isGathering reports whether another PUBLISH waits whole in the buffer, to be handed over together
// with those before.
func (c *conn) isGathering() bool {
	if len(c.gathered) >= maxGathered {
		return false
	}
	first, header, length, whole := c.fixedHeader()
	return whole && first>>4 == packets.PUBLISH && header+length <= c.r.Buffered()
}
