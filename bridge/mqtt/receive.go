package mqtt

import "github.com/eclipse/paho.golang/packets"

// handOver takes the events that a read has brought, on the goroutine that reads the connection,
// and waits until there is room for them: this is the back-pressure. It does nothing else that
// takes time.
func (c *Client) handOver(cn *conn, events []*Event) {
	c.subs.count(events)
	c.retained.live.Store(events[0].Received.UnixNano())
	// Two connections may be here at once, the old one with what it has left. Stop closes events
	// under the same mutex, so that nothing is sent to it after that. Once an event has been left
	// out, because of Stop or because it has expired, so is all that follows, or the order breaks.
	c.handing.Lock()
	defer c.handing.Unlock()
	handed := 0
	for handed < len(events) && c.handOne(cn, events[handed]) {
		handed++
	}
	c.counters.events.Add(uint64(handed))
	c.counters.dropped.Add(uint64(len(events) - handed))
}

// handOne reports false if the event is left out.
func (c *Client) handOne(cn *conn, e *Event) bool {
	if c.stopping() || cn.isExpired() {
		return false
	}
	select {
	case c.events <- e:
		return true
	default: // it has to wait
	}
	select {
	case c.events <- e:
		return true
	case <-cn.expired:
	case <-c.stop:
	}
	return false
}

// Events returns the received events in order of receipt. The channel is bounded:
// while it is full the broker is made to wait. It is closed by Stop.
func (c *Client) Events() <-chan *Event {
	return c.events
}

// Ack acknowledges events on the connection that brought them, in one write. What goes out is the
// longest acknowledged run in order of receipt, so an event that is never acknowledged holds up all
// later ones. After that connection has ended Ack does nothing: the broker sends the events again.
// At QoS 0 there is nothing to acknowledge. It does not wait for the broker.
func (c *Client) Ack(events ...*Event) {
	var last *conn
	for _, e := range events {
		if e.ended != nil {
			close(e.ended)
		}
		if e.number == 0 {
			continue
		}
		if e.conn.closed() {
			c.counters.staleAcks.Add(1)
			continue
		}
		if last != nil && last != e.conn {
			last.sendAcks()
		}
		last = e.conn
		last.owed.acknowledged(e.number, e.acknowledgement())
		c.counters.acks.Add(1)
	}
	if last != nil {
		last.sendAcks()
	}
}

// acknowledgement is the packet that acknowledges e, in its short form, which means success (MQTT
// 5, 3.4.2.1 and 3.5.2.1). What follows a PUBREC is left to paho.
func (e *Event) acknowledgement() [4]byte {
	kind := byte(packets.PUBACK)
	if e.QoS == 2 {
		kind = packets.PUBREC
	}
	return [4]byte{kind << 4, 2, byte(e.PacketID >> 8), byte(e.PacketID)}
}

// Pongs returns how many pings the broker has answered on the receiving connections so far. A ping
// is sent at least once a keep-alive, never before the last one was answered, and after the
// acknowledgements that were due.
func (c *Client) Pongs() uint64 {
	return c.receiving.pongs.Load()
}

// stopping reports whether Stop was called.
func (c *Client) stopping() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// Stop takes no more events and closes Events, once nothing waits to be handed over.
// What was not handed over is not acknowledged. The connections stay, so that what
// was handed over can still be acknowledged.
func (c *Client) Stop() {
	c.stopOnce.Do(func() {
		close(c.stop)
		c.handing.Lock()
		defer c.handing.Unlock()
		close(c.events)
	})
}
