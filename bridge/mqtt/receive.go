package mqtt

import (
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// handOver takes one PUBLISH from paho, which calls it in order of receipt from one goroutine per
// connection, and waits until there is room for it: this is the back-pressure. It does nothing else
// that takes time.
func (c *Client) handOver(p paho.PublishReceived) (bool, error) {
	cn := c.receiving.latest()
	c.subs.count(p.Packet.Topic)
	c.retained.live.Store(time.Now().UnixNano())
	// Two connections may be here at once, the old one with what it has left. Stop closes events
	// under the same mutex, so that nothing is sent to it after that. Once an event has been left
	// out, because of Stop or because it has expired, so is all that follows, or the order breaks.
	c.handing.Lock()
	defer c.handing.Unlock()
	if c.stopping() || cn.isExpired() {
		c.counters.dropped.Add(1)
		return true, nil
	}
	select {
	case c.events <- newEvent(p, cn, time.Now()):
		c.counters.events.Add(1)
	case <-cn.expired:
		c.counters.dropped.Add(1)
	case <-c.stop:
		c.counters.dropped.Add(1)
	}
	return true, nil
}

func newEvent(p paho.PublishReceived, cn *conn, now time.Time) *Event {
	e := &Event{
		Topic:          p.Packet.Topic,
		Payload:        p.Packet.Payload,
		QoS:            p.Packet.QoS,
		Retained:       p.Packet.Retain,
		Dup:            p.Packet.Duplicate(),
		PacketID:       p.Packet.PacketID,
		Received:       now,
		SessionPresent: cn.present,
		Session:        cn.session,
		Connection:     cn.connection,
		Pongs:          cn.pongsBefore,
		client:         p.Client,
		packet:         p.Packet,
		owed:           cn.owed,
	}
	if e.QoS > 0 {
		e.number = cn.owed.number()
	}
	if q := p.Packet.Properties; q != nil {
		e.ContentType = q.ContentType
		for _, u := range q.User {
			e.User = append(e.User, UserProperty{Name: u.Key, Value: u.Value})
		}
	}
	return e
}

// Events returns the received events in order of receipt. The channel is bounded:
// while it is full the broker is made to wait. It is closed by Stop.
func (c *Client) Events() <-chan *Event {
	return c.events
}

// Ack acknowledges e on the connection that brought it. What goes out is the longest
// acknowledged run in order of receipt, so an event that is never acknowledged holds
// up all later ones. After that connection has ended Ack does nothing: the broker
// sends the event again. At QoS 0 there is nothing to acknowledge.
func (c *Client) Ack(e *Event) {
	if e.ended != nil {
		close(e.ended)
	}
	if e.QoS == 0 || e.client == nil {
		return
	}
	// The only error here is paho.ErrPacketNotFound: a connection that has ended.
	if err := e.client.Ack(e.packet); err != nil {
		c.counters.staleAcks.Add(1)
		return
	}
	e.owed.acknowledged(e.number)
	c.counters.acks.Add(1)
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
