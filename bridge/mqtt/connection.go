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
	dialTimeout = 10 * time.Second
	// lasting is how long a connection must live to reset the back-off. autopaho reconnects at once
	// after a loss, so two bridges with one client id would otherwise evict each other many times
	// a second.
	lasting = time.Minute
	// restlessAfter is the number of shorter connections in a row after which the log no longer
	// has a line for each, but says that none lasts.
	restlessAfter = 3
)

// connection is one of the client's two: it dials, logs what goes wrong, and reconnects after
// growing pauses. autopaho makes the attempts and calls back, each time on a goroutine of its own;
// what the callbacks share is guarded by mu.
type connection struct {
	name     string // in log lines and connection states
	keeps    bool   // its session outlives it
	clientID string
	cfg      Config
	log      *slog.Logger
	failures *logLimiter // failed attempts, of both connections
	losses   logLimiter  // connections that did not last
	counters *counters
	pongs    atomic.Uint64 // pings that the broker has answered

	complete func(*paho.Connect)   // fills in the CONNECT packet
	deliver  func(*conn, []*Event) // see conn; queued events follow CONNACK at once
	onUp     func(*conn)           // before the first event of the connection
	changed  func()                // after the state changed; no lock is held
	ended    <-chan struct{}       // closed when the client is

	life    sync.Mutex                  // held while opening and closing; before mu
	manager *autopaho.ConnectionManager // guarded by life; nil: not open

	mu        sync.Mutex
	broker    *url.URL      // of the present attempt
	dialed    *conn         // the latest
	live      *live         // nil: not connected
	ready     chan struct{} // closed while live is set
	state     ConnectionState
	unsettled int // connections in a row that did not last
	fights    int // of these, the last in a row that ended as a take-over does, see fought
}

// live is an accepted connection and what to speak through it.
type live struct {
	*autopaho.ConnectionManager
	conn *conn
}

// open begins connecting and goes on until close.
func (c *connection) open(ctx context.Context) error {
	c.life.Lock()
	defer c.life.Unlock()
	if c.manager != nil {
		return nil
	}
	c.mu.Lock()
	c.unsettled, c.fights = 0, 0 // the connection before was closed by us
	c.mu.Unlock()
	manager, err := autopaho.NewConnection(ctx, c.config())
	if err != nil {
		return fmt.Errorf("starting %s connection: %w", c.name, err)
	}
	c.manager = manager
	return nil
}

// close disconnects and waits until nothing of the connection runs any more, or for
// ctx. It hands over no more events, but sends the acknowledgements that are due.
func (c *connection) close(ctx context.Context) error {
	c.life.Lock()
	defer c.life.Unlock()
	if c.manager == nil {
		return nil
	}
	manager := c.manager
	c.manager = nil
	if cn := c.latest(); cn != nil {
		cn.expire()
		cn.flushAcks(ctx)
	}
	err := manager.Disconnect(ctx)
	if err != nil { // ctx has ended: autopaho may still wait for the broker
		if cn := c.latest(); cn != nil {
			cn.Close()
		}
		err = fmt.Errorf("closing %s connection: %w", c.name, err)
	}
	c.detach()
	return err
}

func (c *connection) config() autopaho.ClientConfig {
	return autopaho.ClientConfig{
		ServerUrls:           c.cfg.URLs,
		KeepAlive:            uint16(c.cfg.KeepAlive / time.Second),
		ReconnectBackoff:     c.backoff,
		ConnectTimeout:       dialTimeout,
		AttemptConnection:    c.dial,
		ConnectPacketBuilder: c.connect,
		OnConnectionUp:       c.up,
		OnConnectionDown:     func() bool { c.detach(); return true },
		OnConnectError:       c.failed,
		ClientConfig: paho.ClientConfig{
			ClientID:           c.clientID,
			OnServerDisconnect: c.disconnected,
			OnClientError:      c.lost,
			PacketTimeout:      2 * publishTimeout, // not before ours
		},
	}
}

// backoff is how long autopaho waits before an attempt, the first one (0) included.
func (c *connection) backoff(attempt int) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pause(attempt+c.unsettled, rand.Float64())
}

// connect completes the CONNECT packet. It is called before each attempt.
func (c *connection) connect(p *paho.Connect, broker *url.URL) (*paho.Connect, error) {
	c.mu.Lock()
	c.broker = broker
	c.mu.Unlock()
	if err := c.cfg.identify(p); err != nil {
		return nil, err
	}
	c.complete(p)
	return p, nil
}

// identify fills in what every CONNECT packet carries.
func (c Config) identify(p *paho.Connect) error {
	p.UsernameFlag, p.Username = c.Username != "", c.Username
	if c.Password != nil {
		password, err := c.Password()
		if err != nil {
			return fmt.Errorf("reading password: %w", err)
		}
		p.PasswordFlag, p.Password = true, password
	}
	p.Properties = &paho.ConnectProperties{
		MaximumPacketSize:  &c.MaxPacketSize,
		RequestProblemInfo: true, // or the broker may not give its reasons
	}
	return nil
}

// dial makes the network connection of an attempt.
func (c *connection) dial(ctx context.Context, _ autopaho.ClientConfig, broker *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	cn, err := c.cfg.dial(ctx, broker)
	if err != nil {
		return nil, err
	}
	// The connection before has ended, so nothing adds to the count meanwhile.
	cn.pongs, cn.pongsBefore = &c.pongs, c.pongs.Load()
	cn.deliver = c.deliver
	c.mu.Lock()
	c.dialed = cn
	c.mu.Unlock()
	return cn, nil
}

// up is called when the broker has accepted the connection.
func (c *connection) up(manager *autopaho.ConnectionManager, ack *paho.Connack) {
	c.mu.Lock()
	cn, broker := c.dialed, c.broker
	c.mu.Unlock()
	cn.accepted(ack, time.Now())
	if c.onUp != nil {
		c.onUp(cn)
	}
	close(cn.up) // from here on events are read

	c.mu.Lock()
	c.live = &live{manager, cn}
	c.state = ConnectionState{Connected: true, Since: cn.since}
	close(c.ready)
	c.mu.Unlock()
	c.failures.forget()
	c.log.Log(context.Background(), c.level(slog.LevelInfo), "connected to the broker", "connection", c.name,
		"broker", broker.Redacted(), "client_id", c.clientID, "session_present", cn.present)
	c.changed()
}

// detach notes that there is no connection any more.
func (c *connection) detach() {
	c.mu.Lock()
	if c.live == nil {
		c.mu.Unlock()
		return
	}
	now := time.Now()
	settled := now.Sub(c.live.conn.since) >= lasting
	if settled {
		c.unsettled, c.fights = 0, 0
	}
	c.unsettled++ // at least one: even after a long life the first attempt follows a pause
	c.live = nil
	c.ready = make(chan struct{})
	c.state = ConnectionState{Since: now, Err: c.state.Err}
	c.mu.Unlock()
	if settled {
		c.losses.forget()
	}
	c.changed()
}

// latest returns the network connection made last, accepted or not.
func (c *connection) latest() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dialed
}

// current returns the accepted connection, or nil.
func (c *connection) current() *live {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live
}

// url returns the address of the broker that was tried last.
func (c *connection) url() *url.URL {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broker
}

// await returns the accepted connection, waiting for one if there is none.
func (c *connection) await(ctx context.Context) (*live, error) {
	for {
		c.mu.Lock()
		live, ready := c.live, c.ready
		c.mu.Unlock()
		if live != nil {
			return live, nil
		}
		select {
		case <-ready:
		case <-c.ended:
			return nil, errors.New("the client is closed")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *connection) status() ConnectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	if s.Connected {
		s.Err = nil
	}
	return s
}

// failed is called when an attempt to connect has failed.
func (c *connection) failed(err error) {
	c.counters.connectErrors.Add(1)
	var refused *autopaho.ConnackError
	if errors.As(err, &refused) {
		err = &BrokerError{"the broker refuses the connection", refused.ReasonCode, refused.Reason}
	} else if inner := errors.Unwrap(err); inner != nil {
		err = inner // without autopaho's words around it
	}
	c.mu.Lock()
	broker := c.broker
	c.fights = 0 // whoever fights for a client id finds the broker there
	c.mu.Unlock()
	if times, say := c.failures.due(broker.String()+" "+errorKind(err), time.Now()); say {
		c.log.Warn("cannot connect to the broker, will keep trying", "connection", c.name,
			"broker", broker.Redacted(), "client_id", c.clientID, "error", err, "attempts", times)
	}
	c.note(err)
	c.changed()
}

// lost is called when a connection ends otherwise than by a DISCONNECT.
func (c *connection) lost(err error) {
	c.log.Log(context.Background(), c.level(slog.LevelWarn), "connection to the broker lost",
		"connection", c.name, "client_id", c.clientID, "error", err)
	if c.fought(err, time.Now()) {
		c.sayTakenOver(err)
	} else if c.restless() {
		c.sayRestless(err)
	}
	c.note(err)
	c.changed()
}

// secondClient is the usual reason why connections evict each other.
const secondClient = "is a second bridge running with the same client_id? " +
	"Mosquitto's use_username_as_clientid gives the bridge's own two connections one client id"

// fought reports whether the connection, which has ended with err, was probably ended by another
// client with the same identifier. Mosquitto, up to 2.0.11 at least, sends no DISCONNECT then, but
// only closes, which arrives as the end of the stream, a reset or a broken pipe. What tells it from
// other losses is its rhythm: several times in a row a connection that was accepted, with the
// session there if it keeps one (Mosquitto moves it to the newcomer), is closed soon, and the next
// attempt is accepted at once.
func (c *connection) fought(err error, now time.Time) bool {
	cn := c.latest()
	select { // a reset right after the CONNACK may be here before up is called
	case <-cn.up:
	case <-cn.expired:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	absent := c.keeps && !cn.present
	if absent || now.Sub(cn.since) >= lasting || !hungUp(err) {
		c.fights = 0
		return false
	}
	if c.fights++; c.fights < restlessAfter {
		return false
	}
	if c.keeps {
		c.counters.takenOver.Add(1)
	}
	return true
}

func (c *connection) sayTakenOver(err error) {
	if times, say := c.losses.due("taken over", time.Now()); say {
		c.log.Warn("connections to the broker do not last: "+secondClient,
			"connection", c.name, "client_id", c.clientID, "error", err, "times", times)
	}
}

// sayRestless says that no connection lasts.
func (c *connection) sayRestless(err error) {
	if times, say := c.losses.due(errorKind(err), time.Now()); say {
		c.log.Warn("connections to the broker do not last", "connection", c.name, "client_id", c.clientID, "error", err, "times", times)
	}
}

// disconnected is called when the broker has sent a DISCONNECT.
func (c *connection) disconnected(p *paho.Disconnect) {
	err := &BrokerError{"the broker ends the connection", p.ReasonCode, p.Properties.ReasonString}
	if p.ReasonCode != codeSessionTakenOver {
		c.lost(err)
		return
	}
	c.counters.takenOver.Add(1)
	if times, say := c.losses.due(errorKind(err), time.Now()); say {
		c.log.Warn("another client has taken over the client id: "+secondClient,
			"connection", c.name, "client_id", c.clientID, "times", times)
	}
	c.note(err)
	c.changed()
}

// restless reports whether the last few connections were short.
func (c *connection) restless() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unsettled >= restlessAfter
}

// level is normal, or debug while no connection lasts.
func (c *connection) level(normal slog.Level) slog.Level {
	if c.restless() {
		return slog.LevelDebug
	}
	return normal
}

// note keeps why there is no connection. After a loss it may be called before or after detach,
// which therefore leaves the reason as it is.
func (c *connection) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Err = err
}
