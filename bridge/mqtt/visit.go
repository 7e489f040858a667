package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

const (
	visitTimeout = 10 * time.Second // of the connection, and of the broker's answer to each packet
	// readAheadTimeout is that of an answer to a visit that reads ahead: it may stand behind all
	// messages of a subscription. Whoever reads them notices a broker that is silent.
	readAheadTimeout = time.Hour
	visitKeepAlive   = 30 // seconds
)

// A Visit is a connection for a short errand, beside those of a Client and of any other program: it
// has a client identifier of its own and no will, does not reconnect, and ends its session unless
// told to leave it. NewVisit is the only way to make one. It is safe for concurrent use.
type Visit struct {
	Connack *paho.Connack // what the broker said of itself when it accepted the connection; read-only

	client  *paho.Client
	conn    *conn
	events  chan *Event     // never closed
	life    context.Context // ends with the connection; its cause says why
	end     context.CancelCauseFunc
	leaving sync.Once
	left    chan struct{} // closed when no event is handed over any more
}

// VisitOptions say what a visit asks for. ClientID is required.
type VisitOptions struct {
	ClientID      string        // one that nobody else has, or it ends their connection
	Resume        bool          // take up the session that an earlier visit has left; otherwise it begins clean
	SessionExpiry time.Duration // whole seconds that the broker keeps the session after Leave; 0: not at all
	ReadAhead     int           // bytes to receive and keep while nobody takes the events; 0: what the system keeps
}

// NewVisit connects to the broker at u; of c only Username, Password, TLS, Over, ReceiveMaximum
// and MaxPacketSize count. The error is a *BrokerError where the broker refuses, and ErrNoAnswer,
// ErrNotMQTT, ErrOldMQTT or ErrNotWebSocket where what listens there does not speak MQTT 5 in the
// way that u says. Close or Leave ends the visit.
func NewVisit(ctx context.Context, u *url.URL, c Config, o VisitOptions) (*Visit, error) {
	ctx, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	c = c.withDefaults()
	if err := checkURL(u, u.Redacted()); err != nil {
		return nil, err
	}
	connect, err := visitConnect(c, o)
	if err != nil {
		return nil, err
	}
	v := &Visit{events: make(chan *Event), left: make(chan struct{})}
	if v.conn, err = c.dial(ctx, u); err != nil {
		return nil, err
	}
	if o.ReadAhead > 0 {
		v.conn.readAhead(o.ReadAhead)
	}
	v.client = paho.NewClient(v.clientConfig(o))
	v.Connack, err = v.client.Connect(ctx, connect)
	if ack := v.Connack; ack != nil && ack.ReasonCode >= firstRefusal {
		err = &BrokerError{"the broker refuses the connection", ack.ReasonCode, ack.Properties.ReasonString}
	}
	if err != nil {
		return nil, err // paho has closed the connection
	}
	v.conn.accepted(v.Connack, time.Now())
	close(v.conn.up)
	return v, nil
}

func (v *Visit) clientConfig(o VisitOptions) paho.ClientConfig {
	patience := visitTimeout
	if o.ReadAhead > 0 {
		patience = readAheadTimeout
	}
	v.life, v.end = context.WithCancelCause(context.Background())
	return paho.ClientConfig{
		Conn:          v.conn,
		PacketTimeout: patience,
		OnClientError: func(err error) { v.end(err) },
		OnServerDisconnect: func(p *paho.Disconnect) {
			v.end(&BrokerError{"the broker ends the connection", p.ReasonCode, p.Properties.ReasonString})
		},
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			select {
			case v.events <- v.event(p.Packet):
			case <-v.left:
			}
			return true, nil
		}},
	}
}

// event is what a PUBLISH is to whoever visits. paho acknowledges it.
func (v *Visit) event(p *paho.Publish) *Event {
	e := &Event{
		Topic:          p.Topic,
		Payload:        p.Payload,
		QoS:            p.QoS,
		Retained:       p.Retain,
		Dup:            p.Duplicate(),
		PacketID:       p.PacketID,
		Received:       time.Now(),
		SessionPresent: v.conn.present,
		ContentType:    p.Properties.ContentType,
	}
	for _, u := range p.Properties.User {
		e.User = append(e.User, UserProperty{Name: u.Key, Value: u.Value})
	}
	return e
}

// visitConnect is the CONNECT packet of a visit.
func visitConnect(c Config, o VisitOptions) (*paho.Connect, error) {
	p := &paho.Connect{
		ClientID:   o.ClientID,
		CleanStart: !o.Resume,
		KeepAlive:  visitKeepAlive,
	}
	if err := c.identify(p); err != nil {
		return nil, err
	}
	expiry := uint32(o.SessionExpiry / time.Second)
	p.Properties.SessionExpiryInterval = &expiry
	p.Properties.ReceiveMaximum = &c.ReceiveMaximum
	return p, nil
}

// Subscribe asks for the filters at that QoS, in one packet, and returns the lowest QoS granted.
// A filter that the broker refuses is a *BrokerError. Some brokers end the connection instead; then
// Done is closed and the error says that too.
func (v *Visit) Subscribe(ctx context.Context, qos byte, filters ...Filter) (granted byte, err error) {
	bound, cancel := v.conn.bound(ctx)
	defer cancel()
	var ack *paho.Suback
	if err = whyEnded(ctx); bound.Err() == nil { // paho would send it all the same
		ack, err = v.client.Subscribe(bound, subscribePacket(qos, filters))
	}
	if ack == nil && err != nil {
		err = v.whyUnanswered(ctx, err)
	}
	granted = qos
	for i, f := range filters {
		got, err := grantedQoS(ack, i, err)
		if err != nil {
			return 0, fmt.Errorf("topic filter %q: %w", f.Topic, err)
		}
		granted = min(granted, got)
	}
	return granted, nil
}

// whyUnanswered is the error of a SUBSCRIBE without an answer, for which paho has err: what ended
// the connection arrives beside it, and maybe later.
func (v *Visit) whyUnanswered(ctx context.Context, err error) error {
	select {
	case <-v.life.Done():
	case <-time.After(time.Second):
		return err
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	const did = "the broker closed the connection at SUBSCRIBE"
	cause := v.Err()
	var said *BrokerError
	switch {
	case errors.As(cause, &said):
		return &BrokerError{did, said.Code, said.Reason}
	case hungUp(cause):
		return errors.New(did)
	}
	return cause
}

// ReadRetained has take called with each retained message under the topic filters, once, until all
// have come, also from a broker that drops some of them at each SUBSCRIBE. It receives the visit's
// events meanwhile. An error of take ends it.
func (v *Visit) ReadRetained(ctx context.Context, filters []string, take func(*Event) error) error {
	return newRetainedReader(v, filters, take).readAll(ctx)
}

// Publish publishes m. Its errors are those of Client.Publish.
func (v *Visit) Publish(ctx context.Context, m Message) error {
	if err := checkTopic(m.Topic); err != nil {
		return err
	}
	return publishError(m.Topic, v.conn.publish(ctx, v.client, m))
}

// Events returns the received events in order of receipt; the broker is made to wait while nobody
// receives them. The channel is never closed. Events are acknowledged when they are received.
func (v *Visit) Events() <-chan *Event { return v.events }

// Done is closed when the connection has ended, by either side; Err then says why.
func (v *Visit) Done() <-chan struct{} { return v.life.Done() }

// Err returns why the connection has ended, nil while it has not.
func (v *Visit) Err() error { return context.Cause(v.life) }

// Close disconnects and ends the session.
func (v *Visit) Close() {
	v.disconnect(&paho.Disconnect{Properties: &paho.DisconnectProperties{SessionExpiryInterval: new(uint32)}})
}

// Leave disconnects and leaves the session to wait for a visit that resumes it.
func (v *Visit) Leave() { v.disconnect(&paho.Disconnect{}) }

func (v *Visit) disconnect(p *paho.Disconnect) {
	v.leaving.Do(func() { close(v.left) }) // or paho waits for who receives the event at hand
	v.client.Disconnect(p)                 // an error means that the connection has ended anyway
	<-v.client.Done()
	v.conn.ahead.Wait()
	v.end(net.ErrClosed)
}
