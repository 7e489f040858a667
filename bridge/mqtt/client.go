package mqtt

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

const (
	sendingSuffix = "-out"
	pauseTimeout  = 5 * time.Second
)

// Client is the bridge's two connections to one broker. Its methods are safe for
// concurrent use.
type Client struct {
	cfg       Config
	log       *slog.Logger
	receiving *connection
	sending   *connection
	subs      *subscriptions
	retained  *retained
	refusals  logLimiter // of subscriptions and of the status
	counters  counters

	// events has room for more than the broker sends without an acknowledgement: what it sends
	// behind events, such as the answers to pings, must be read although nobody takes them. Closed by
	// Stop.
	events   chan *Event
	handing  sync.Mutex // held while an event is handed over
	stop     chan struct{}
	stopOnce sync.Once

	changes       chan struct{} // capacity 1, like the kicks; never closed
	subscribeKick chan struct{}
	statusKick    chan struct{}

	life    sync.Mutex      // held by Start, Pause, Resume and Close; before the connections' own locks
	ctx     context.Context // of the connections; nil: not started
	cancel  context.CancelFunc
	closed  bool               // guarded by life
	ended   chan struct{}      // closed by Close
	halt    context.CancelFunc // ends keepSubscribed, keepStatus and keepRead
	running sync.WaitGroup

	mu           sync.Mutex
	paused       error
	statusFields map[string]string
	statusErr    error
	unanswered   map[string]error // topic -> why the last PUBLISH there has no answer
	granted      time.Duration    // session expiry, at the last connect
	session      uint64
	connection   uint64 // receiving connections so far
}

// New returns a client that is not yet connecting, or every mistake in cfg.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{
		cfg:           cfg,
		log:           cfg.Logger,
		subs:          newSubscriptions(cfg.Filters, cfg.Stale),
		retained:      newRetained(cfg.Retained),
		events:        make(chan *Event, 2*int(cfg.ReceiveMaximum)),
		stop:          make(chan struct{}),
		changes:       make(chan struct{}, 1),
		subscribeKick: make(chan struct{}, 1),
		statusKick:    make(chan struct{}, 1),
		ended:         make(chan struct{}),
		unanswered:    make(map[string]error),
	}
	failures := &logLimiter{}
	c.receiving = c.newConnection("receiving", cfg.ClientID, failures)
	c.receiving.keeps = true
	c.receiving.deliver = c.handOver
	c.receiving.complete = c.completeReceiving
	c.receiving.onUp = c.received
	c.receiving.changed = func() { signal(c.subscribeKick); c.changed() }
	c.sending = c.newConnection("sending", cfg.ClientID+sendingSuffix, failures)
	c.sending.complete = c.completeSending
	return c, nil
}

func (c *Client) newConnection(name, clientID string, failures *logLimiter) *connection {
	return &connection{
		name:     name,
		clientID: clientID,
		cfg:      c.cfg,
		log:      c.log,
		failures: failures,
		counters: &c.counters,
		changed:  c.changed,
		ended:    c.ended,
		ready:    make(chan struct{}),
	}
}

// completeReceiving asks for a session that outlives the connection.
func (c *Client) completeReceiving(p *paho.Connect) {
	expiry := uint32(c.cfg.SessionExpiry / time.Second)
	p.CleanStart = false
	p.Properties.SessionExpiryInterval = &expiry
	p.Properties.ReceiveMaximum = &c.cfg.ReceiveMaximum
}

// completeSending asks for none, and leaves the will.
func (c *Client) completeSending(p *paho.Connect) {
	p.CleanStart = true
	if !c.cfg.NoStatus {
		p.WillMessage = c.will()
	}
}

// received prepares a new receiving connection before its first event.
func (c *Client) received(cn *conn) {
	c.counters.connects.Add(1)
	c.mu.Lock()
	c.connection++
	first := c.connection == 1
	again := !first || c.cfg.Returning
	cn.connection = c.connection
	if !cn.present {
		c.session++
	}
	cn.session = c.session
	c.granted = c.cfg.SessionExpiry
	if cn.sessionExpiry != nil {
		c.granted = min(c.granted, *cn.sessionExpiry)
	}
	granted := c.granted
	c.mu.Unlock()
	if granted < c.cfg.SessionExpiry {
		c.log.Warn("the broker keeps the session of an absent bridge for a shorter time than asked; after that, events are lost",
			"asked", c.cfg.SessionExpiry, "granted", granted, "client_id", c.cfg.ClientID)
	}
	if again && !cn.present {
		c.counters.absentSessions.Add(1)
		c.log.Warn("the broker has no session for this bridge any more: the events that waited in it are lost",
			"client_id", c.cfg.ClientID)
	}
	c.subs.reset()
	c.retained.ask(first || !cn.present)
}

// Start begins connecting and goes on until Close, whatever the broker does. It does
// not wait for the broker. The end of ctx does not end the connections: what was
// handed over must still be acknowledged then.
func (c *Client) Start(ctx context.Context) error {
	c.life.Lock()
	defer c.life.Unlock()
	if c.ctx != nil || c.closed {
		return errors.New("starting mqtt client: already started or closed")
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	ctx, c.halt = context.WithCancel(c.ctx)
	c.running.Go(func() { c.keepSubscribed(ctx) })
	if !c.cfg.NoStatus {
		c.running.Go(func() { c.keepStatus(ctx) })
	}
	c.running.Go(func() { c.keepRead(ctx) })
	if err := c.sending.open(c.ctx); err != nil {
		return err
	}
	return c.receiving.open(c.ctx)
}

// Pause disconnects the receiving connection and stays away until Resume, for a
// reason that State shows. The broker keeps what arrives meanwhile. Events that are
// received and not handed over yet are left to come again.
func (c *Client) Pause(reason error) {
	c.life.Lock()
	defer c.life.Unlock()
	if c.ctx == nil || c.closed {
		return
	}
	c.mu.Lock()
	already := c.paused != nil
	c.paused = reason
	c.mu.Unlock()
	if already {
		return
	}
	c.log.Warn("receiving paused", "connection", c.receiving.name, "reason", reason)
	ctx, cancel := context.WithTimeout(c.ctx, pauseTimeout)
	defer cancel()
	if err := c.receiving.close(ctx); err != nil {
		c.log.Warn("closed the receiving connection without DISCONNECT", "error", err)
	}
	c.changed()
}

// Resume ends a Pause.
func (c *Client) Resume() {
	c.life.Lock()
	defer c.life.Unlock()
	if c.ctx == nil || c.closed {
		return
	}
	c.mu.Lock()
	c.paused = nil
	c.mu.Unlock()
	if err := c.receiving.open(c.ctx); err != nil {
		c.log.Error("cannot resume receiving", "error", err)
	}
	c.changed()
}

// Close sends the acknowledgements that are due, disconnects the receiving
// connection, publishes the offline status and disconnects the sending one. It stops
// the events, as Stop does. All of it ends with ctx at the latest; the error says
// what was left undone.
func (c *Client) Close(ctx context.Context) error {
	c.Stop()
	c.life.Lock()
	defer c.life.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	defer close(c.ended)
	if c.ctx == nil {
		return nil
	}
	defer c.cancel()
	errs := []error{c.receiving.close(ctx)}
	c.halt()
	c.running.Wait()
	if live := c.sending.current(); live != nil && !c.cfg.NoStatus {
		errs = append(errs, c.publishStatus(ctx, live, c.document(false)))
	}
	errs = append(errs, c.sending.close(ctx))
	return errors.Join(errs...)
}

// changed is called after anything that State shows has changed.
func (c *Client) changed() {
	signal(c.statusKick)
	signal(c.retained.kick)
	signal(c.changes)
}

// signal sends to a channel of capacity 1 unless a signal already waits in it.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
