package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/bridge/mqtt"
)

const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 10 * time.Second // of the broker, to any one packet
	keepAlive     = 30               // seconds
	maxPacket     = 1 << 20          // bytes; what the bridge itself takes
	receiveMax    = 256
)

// A session is one connection of the doctor's.
type session struct {
	*paho.Client
	ack  *paho.Connack
	life context.Context // ends with the connection; its cause says why
}

// A refusal is a CONNACK that lets nobody in.
type refusal struct {
	code byte   // MQTT 5 reason code
	said string // the broker's own words, may be empty
}

// Error implements error.
func (r *refusal) Error() string { return mqtt.ReasonText(r.code, r.said) }

// errOldMQTT is an answer in MQTT 3.1.1.
var errOldMQTT = errors.New("the broker answers in MQTT 3.1.1: it does not speak MQTT 5, or not on this port")

// errNotMQTT is an answer that is no CONNACK.
var errNotMQTT = errors.New("what listens there does not speak MQTT")

// errNoAnswer is a connection that ends before a CONNACK.
var errNoAnswer = errors.New("the broker closes the connection without an answer")

// connect opens a connection under the client identifier; the session lives on for expiry seconds. received is called for
// each message, one at a time; nil: none is expected.
func (d *doctor) connect(ctx context.Context, u *url.URL, id string, clean bool, expiry uint32, received func(*paho.Publish)) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	request, err := d.connectPacket(id, clean, expiry)
	if err != nil {
		return nil, err
	}
	nc, err := d.Dial(ctx, u)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancelCause(context.Background())
	client := paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(&watchedConn{Conn: nc}),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			if received != nil {
				received(p.Packet)
			}
			return true, nil
		}},
		OnClientError: func(err error) { end(err) },
		OnServerDisconnect: func(p *paho.Disconnect) {
			end(&refusal{p.ReasonCode, p.Properties.ReasonString})
		},
		PacketTimeout: answerTimeout,
	})
	ack, err := client.Connect(ctx, request)
	switch {
	case ack != nil && ack.ReasonCode >= firstRefusal:
		return nil, &refusal{ack.ReasonCode, ack.Properties.ReasonString}
	case isEOF(err): // while the CONNECT was written
		return nil, errNoAnswer
	case err != nil:
		return nil, err
	}
	return &session{client, ack, life}, nil
}

func (d *doctor) connectPacket(id string, clean bool, expiry uint32) (*paho.Connect, error) {
	most, window := uint32(maxPacket), uint16(receiveMax)
	b := d.Settings.Broker
	p := &paho.Connect{
		ClientID:     id,
		CleanStart:   clean,
		KeepAlive:    keepAlive,
		Username:     b.Username,
		UsernameFlag: b.Username != "",
		Properties:   &paho.ConnectProperties{MaximumPacketSize: &most, ReceiveMaximum: &window, RequestProblemInfo: true},
	}
	if expiry > 0 {
		p.Properties.SessionExpiryInterval = &expiry
	}
	if d.Password != nil {
		password, err := d.Password()
		if err != nil {
			return nil, fmt.Errorf("broker.password_file: %w", err)
		}
		p.PasswordFlag, p.Password = true, password
	}
	return p, nil
}

// leave ends the connection, and with it the session unless keep is set.
func (s *session) leave(keep bool) {
	p := &paho.Disconnect{}
	if !keep {
		p.Properties = &paho.DisconnectProperties{SessionExpiryInterval: new(uint32)}
	}
	s.Disconnect(p)
	<-s.Done()
}

// subscribe returns the reason code of the SUBACK.
func (s *session) subscribe(ctx context.Context, filter string) (byte, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	ack, err := s.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
	if ack != nil && len(ack.Reasons) == 1 {
		return ack.Reasons[0], nil
	}
	return 0, err
}

// publish publishes at QoS 1 and returns the reason code of the PUBACK.
func (s *session) publish(ctx context.Context, p *paho.Publish) (byte, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	p.QoS = 1
	response, err := s.Publish(ctx, p)
	if response != nil {
		return response.ReasonCode, nil
	}
	return 0, err
}

// bound returns a context that ends with ctx, with the connection, or after the time that the broker has to answer. paho
// would wait for an answer on a connection that is lost.
func (s *session) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	stop := context.AfterFunc(s.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// A watchedConn says what is wrong with an answer that is no CONNACK of MQTT 5. paho would wait for the rest of it.
type watchedConn struct {
	net.Conn
	first []byte // what was read, at most 2; owned by the reader
}

// Read reads from the connection.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.first = append(c.first, p[:min(n, 2-len(c.first))]...)
	switch {
	case len(c.first) == 0 && isEOF(err):
		return 0, errNoAnswer
	case len(c.first) > 0 && c.first[0] != packets.CONNACK<<4:
		return 0, errNotMQTT
	// An MQTT 5 CONNACK has three octets at least after its length; two are one of MQTT 3.1.1.
	case len(c.first) == 2 && c.first[1] == 2:
		return 0, errOldMQTT
	}
	return n, err
}
