package demo

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// A Broker is an MQTT 5 broker in this process. It keeps everything in memory and lets everybody do
// everything, so its listener should be on the loopback interface. Its methods are safe for
// concurrent use.
type Broker struct {
	addr   net.Addr
	server *mqtt.Server
	close  func() error
}

// StartBroker starts a broker on listener, which belongs to it from now on. It logs at debug level
// only.
func StartBroker(listener net.Listener, logger *slog.Logger) (*Broker, error) {
	server := mqtt.New(&mqtt.Options{
		InlineClient: true,
		Logger:       slog.New(asDebug{logger.With("component", "demo broker").Handler()}),
	})
	connections := &connections{Listener: listener, open: map[net.Conn]struct{}{}}
	b := &Broker{addr: listener.Addr(), server: server, close: sync.OnceValue(func() error {
		connections.Close() // or the server waits for those that have sent no CONNECT
		return server.Close()
	})}
	if err := b.start(connections); err != nil {
		b.Close()
		return nil, fmt.Errorf("starting the demo's broker: %w", err)
	}
	return b, nil
}

func (b *Broker) start(listener net.Listener) error {
	if err := b.server.AddHook(new(allowAll), nil); err != nil {
		return err
	}
	if err := b.server.AddListener(closed{listeners.NewNet("demo", listener)}); err != nil {
		return err
	}
	return b.server.Serve()
}

// Addr returns the address that clients connect to.
func (b *Broker) Addr() net.Addr { return b.addr }

// Publish publishes at QoS 1, for whoever subscribes. It returns when the message is on its way to
// all subscribers, and keeps it for those that are away.
func (b *Broker) Publish(topic string, payload []byte) error {
	if err := b.server.Publish(topic, payload, false, 1); err != nil {
		return fmt.Errorf("publishing to %q: %w", topic, err)
	}
	return nil
}

// Close disconnects all clients and closes the listener. A second call does nothing.
func (b *Broker) Close() error { return b.close() }

// allowAll lets every client connect, read and write.
type allowAll struct{ mqtt.HookBase }

func (*allowAll) ID() string { return "allow all" }

func (*allowAll) Provides(b byte) bool {
	return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck
}

func (*allowAll) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }
func (*allowAll) OnACLCheck(*mqtt.Client, string, bool) bool              { return true }

// asDebug lowers every record to debug level: what the broker has to say is of use only to who
// looks for a fault.
type asDebug struct{ slog.Handler }

func (h asDebug) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}

func (h asDebug) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, r)
}

func (h asDebug) WithAttrs(attrs []slog.Attr) slog.Handler {
	return asDebug{h.Handler.WithAttrs(attrs)}
}

func (h asDebug) WithGroup(name string) slog.Handler { return asDebug{h.Handler.WithGroup(name)} }

// A closed listener has no clients when it is closed, since its connections were. So the server need
// not look for them: its Clients.GetByListener takes a read lock twice, and never gets the second if
// a client leaves in between.
type closed struct{ listeners.Listener }

// Close implements listeners.Listener.
func (l closed) Close(listeners.CloseFn) { l.Listener.Close(func(string) {}) }

// connections is a listener whose Close ends what it has accepted.
type connections struct {
	net.Listener

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// Accept implements net.Listener.
func (l *connections) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	l.open[c] = struct{}{}
	return &accepted{c, l}, nil
}

// Close implements net.Listener.
func (l *connections) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for c := range l.open {
		c.Close()
	}
	return l.Listener.Close()
}

type accepted struct {
	net.Conn
	listener *connections
}

// Close implements net.Conn.
func (c *accepted) Close() error {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	delete(c.listener.open, c.Conn)
	return c.Conn.Close()
}
