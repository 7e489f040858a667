package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

const (
	// ackInterval is how often paho sends the acknowledgements that are due.
	ackInterval = 5 * time.Millisecond
	dialTimeout = 10 * time.Second
	// lasting is the age at which a connection counts as a good one. One that ends
	// earlier makes the pause before the next attempt longer: autopaho makes that one
	// without any, and two bridges with one client identifier would take it from
	// each other many times a second.
	lasting = time.Minute
	// restlessAfter is after how many such connections in a row it is not each one that is
	// logged any more, but that none lasts.
	restlessAfter = 3
)

// link keeps one connection to the broker: it dials, says what goes wrong, and comes
// back after growing pauses.
type link struct {
	name     string // in log lines and connection states
	clientID string
	cfg      Config
	log      *slog.Logger
	failures *herald // attempts that failed, of both links
	losses   herald  // connections that did not last
	counters *counters
	pongs    atomic.Uint64 // pings that the broker has answered

	complete func(*paho.Connect)                        // fills in the CONNECT packet
	handlers []func(paho.PublishReceived) (bool, error) // set before the first connect: queued events follow CONNACK at once
	onUp     func(*conn)                                // before the first event of the connection
	changed  func()                                     // after the state changed; no lock is held
	ended    <-chan struct{}                            // closed when the client is

	life    sync.Mutex                  // held while opening and closing; before mu
	manager *autopaho.ConnectionManager // guarded by life; nil: not open

	mu        sync.Mutex
	broker    *url.URL      // of the present attempt
	dialed    *conn         // the latest
	live      *live         // nil: not connected
	ready     chan struct{} // closed while live is set
	state     Connection
	unsettled int // connections in a row that did not last
}

// live is an accepted connection and what to speak through it.
type live struct {
	*autopaho.ConnectionManager
	conn *conn
}

// open begins connecting and goes on until close.
func (l *link) open(ctx context.Context) error {
	l.life.Lock()
	defer l.life.Unlock()
	if l.manager != nil {
		return nil
	}
	l.mu.Lock()
	l.unsettled = 0
	l.mu.Unlock()
	manager, err := autopaho.NewConnection(ctx, l.config())
	if err != nil {
		return fmt.Errorf("starting %s connection: %w", l.name, err)
	}
	l.manager = manager
	return nil
}

// close disconnects and waits until nothing of the connection runs any more, or for
// ctx. It hands over no more events, but sends the acknowledgements that are due.
func (l *link) close(ctx context.Context) error {
	l.life.Lock()
	defer l.life.Unlock()
	if l.manager == nil {
		return nil
	}
	manager := l.manager
	l.manager = nil
	if c := l.latest(); c != nil {
		c.expire()
	}
	l.flushAcks(ctx)
	err := manager.Disconnect(ctx)
	if err != nil {
		if c := l.latest(); c != nil {
			c.Close()
		}
		err = fmt.Errorf("closing %s connection: %w", l.name, err)
	}
	l.detach()
	return err
}

// flushAcks waits for two ack intervals. Acknowledgements that are not sent yet are
// lost at the disconnect.
func (l *link) flushAcks(ctx context.Context) {
	select {
	case <-time.After(2 * ackInterval):
	case <-ctx.Done():
	}
}

func (l *link) config() autopaho.ClientConfig {
	return autopaho.ClientConfig{
		ServerUrls:           l.cfg.URLs,
		KeepAlive:            uint16(l.cfg.KeepAlive / time.Second),
		ReconnectBackoff:     l.backoff,
		ConnectTimeout:       dialTimeout,
		AttemptConnection:    l.dial,
		ConnectPacketBuilder: l.connect,
		OnConnectionUp:       l.up,
		OnConnectionDown:     func() bool { l.detach(); return true },
		OnConnectError:       l.failed,
		ClientConfig: paho.ClientConfig{
			ClientID:                   l.clientID,
			OnPublishReceived:          l.handlers,
			OnServerDisconnect:         l.disconnected,
			OnClientError:              l.lost,
			EnableManualAcknowledgment: len(l.handlers) > 0, // it has a timer of its own that never rests
			SendAcksInterval:           ackInterval,
		},
	}
}

// backoff is how long autopaho waits before an attempt, the first one (0) included.
func (l *link) backoff(attempt int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return pause(attempt+l.unsettled, rand.Float64())
}

// connect completes the CONNECT packet. It is called before each attempt.
func (l *link) connect(p *paho.Connect, broker *url.URL) (*paho.Connect, error) {
	l.mu.Lock()
	l.broker = broker
	l.mu.Unlock()
	if l.cfg.Username != "" {
		p.UsernameFlag, p.Username = true, l.cfg.Username
	}
	if l.cfg.Password != nil {
		password, err := l.cfg.Password()
		if err != nil {
			return nil, fmt.Errorf("reading password: %w", err)
		}
		p.PasswordFlag, p.Password = true, password
	}
	p.Properties = &paho.ConnectProperties{
		MaximumPacketSize:  &l.cfg.MaxPacketSize,
		RequestProblemInfo: true, // or the broker may not give its reasons
	}
	l.complete(p)
	return p, nil
}

// dial makes the network connection of an attempt.
func (l *link) dial(ctx context.Context, _ autopaho.ClientConfig, broker *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := dial(ctx, broker, l.cfg.TLS, l.cfg.MaxPacketSize)
	if err != nil {
		return nil, err
	}
	c.pongs, c.pongsBefore = &l.pongs, l.pongs.Load() // the connection before has ended
	l.mu.Lock()
	l.dialed = c
	l.mu.Unlock()
	return c, nil
}

// up is called when the broker has accepted the connection.
func (l *link) up(manager *autopaho.ConnectionManager, ack *paho.Connack) {
	l.mu.Lock()
	c, broker := l.dialed, l.broker
	l.mu.Unlock()
	c.accepted(ack, time.Now())
	if l.onUp != nil {
		l.onUp(c)
	}
	close(c.up)

	l.mu.Lock()
	l.live = &live{manager, c}
	l.state = Connection{Connected: true, Since: c.since}
	close(l.ready)
	l.mu.Unlock()
	l.failures.forget()
	l.log.Log(context.Background(), l.level(slog.LevelInfo), "connected to the broker", "connection", l.name, "broker", broker.Redacted(), "client_id", l.clientID, "session_present", c.present)
	l.changed()
}

// detach notes that there is no connection any more.
func (l *link) detach() {
	l.mu.Lock()
	if l.live == nil {
		l.mu.Unlock()
		return
	}
	now := time.Now()
	settled := now.Sub(l.live.conn.since) >= lasting
	if settled {
		l.unsettled = 0
	}
	l.unsettled++
	l.live = nil
	l.ready = make(chan struct{})
	l.state = Connection{Since: now, Err: l.state.Err}
	l.mu.Unlock()
	if settled {
		l.losses.forget()
	}
	l.changed()
}

// latest returns the network connection made last, accepted or not.
func (l *link) latest() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dialed
}

// current returns the accepted connection, or nil.
func (l *link) current() *live {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live
}

// await returns the accepted connection, waiting for one if there is none.
func (l *link) await(ctx context.Context) (*live, error) {
	for {
		l.mu.Lock()
		live, ready := l.live, l.ready
		l.mu.Unlock()
		if live != nil {
			return live, nil
		}
		select {
		case <-ready:
		case <-l.ended:
			return nil, errors.New("the client is closed")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *link) connection() Connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	if s.Connected {
		s.Err = nil
	}
	return s
}

// failed is called when an attempt to connect has failed.
func (l *link) failed(err error) {
	l.counters.connectErrors.Add(1)
	var refused *autopaho.ConnackError
	if errors.As(err, &refused) {
		err = &brokerError{"the broker refuses the connection", refused.ReasonCode, refused.Reason}
	} else if inner := errors.Unwrap(err); inner != nil {
		err = inner // without autopaho's words around it
	}
	l.mu.Lock()
	broker := l.broker
	l.mu.Unlock()
	if times, say := l.failures.due(broker.String()+" "+kind(err), time.Now()); say {
		l.log.Warn("cannot connect to the broker, will keep trying", "connection", l.name, "broker", broker.Redacted(), "client_id", l.clientID, "err", err, "attempts", times)
	}
	l.note(err)
	l.changed()
}

// lost is called when a connection ends otherwise than by a DISCONNECT.
func (l *link) lost(err error) {
	l.log.Log(context.Background(), l.level(slog.LevelWarn), "connection to the broker lost", "connection", l.name, "client_id", l.clientID, "err", err)
	if l.restless() {
		l.sayRestless(err)
	}
	l.note(err)
	l.changed()
}

// secondClient is why connections mostly take each other's place.
const secondClient = "is a second bridge running with the same client_id? mosquitto's use_username_as_clientid makes one of the bridge's own two connections"

// sayRestless says that no connection lasts. Mosquitto, up to 2.0.11 at least, sends
// no DISCONNECT to a client whose identifier is taken over: it only closes.
func (l *link) sayRestless(err error) {
	times, say := l.losses.due(kind(err), time.Now())
	if !say {
		return
	}
	message := "connections to the broker do not last"
	if errors.Is(err, errClosed) {
		message += ": " + secondClient
	}
	l.log.Warn(message, "connection", l.name, "client_id", l.clientID, "err", err, "times", times)
}

// disconnected is called when the broker has sent a DISCONNECT.
func (l *link) disconnected(p *paho.Disconnect) {
	err := &brokerError{"the broker ends the connection", p.ReasonCode, p.Properties.ReasonString}
	if p.ReasonCode != codeSessionTakenOver {
		l.lost(err)
		return
	}
	l.counters.takenOver.Add(1)
	if times, say := l.losses.due(kind(err), time.Now()); say {
		l.log.Warn("another client has taken over the client id: "+secondClient, "connection", l.name, "client_id", l.clientID, "times", times)
	}
	l.note(err)
	l.changed()
}

// restless reports whether the last few connections were short.
func (l *link) restless() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unsettled >= restlessAfter
}

// level is normal, or debug while no connection lasts.
func (l *link) level(normal slog.Level) slog.Level {
	if l.restless() {
		return slog.LevelDebug
	}
	return normal
}

// note keeps why there is no connection. autopaho calls back on goroutines of their
// own: after a loss this may come before or after detach.
func (l *link) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Err = err
}
