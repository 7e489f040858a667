// Package gate accepts the connections of clients. It counts them before their first byte arrives,
// reads PROXY headers, and reports connections that do not begin with a request.
package gate

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
)

// Config says what a Gate lets through. The zero value of each field means no limit and no check.
type Config struct {
	Connections int                   // at once
	PerNetwork  int                   // of one auth.ClientNet at once
	Trusted     func(netip.Addr) bool // proxies, to which PerNetwork does not apply
	// ProxyProtocol has each connection of a trusted proxy begin with a PROXY header, version 1 or
	// 2, which says where the client is.
	ProxyProtocol bool
	HeaderTimeout time.Duration // for the PROXY header, default 5s
	TLS           bool          // clients are to begin with TLS, after the PROXY header
	Name          string        // of the listener, for the log
	Logger        *slog.Logger
	// Refused is called for each connection that is closed here, from any goroutine. It may be nil.
	Refused func(Refusal)
}

// A Refusal is why a connection was closed before it became a request.
type Refusal struct {
	Cause  string // one of a few
	Remote string // address and port
	Hint   string // may be empty
}

// Causes of refusals.
const (
	TooMany          = "too many connections"
	TooManyOfAddress = "too many connections of one address"
	NoHeader         = "no PROXY header"
	BadHeader        = "malformed PROXY header"
	UnexpectedHeader = "unexpected PROXY header"
	UnexpectedTLS    = "TLS on a port without TLS"
	ExpectedTLS      = "no TLS on a port with TLS"
)

// A Gate is a net.Listener. Its connections count until they are closed.
type Gate struct {
	net.Listener
	config Config

	mu       sync.Mutex
	open     int
	networks map[netip.Addr]int // open connections of each; only where that is limited
	failing  string             // why connections could not be accepted the last time; "": they could
	failures int                // in a row
}

var _ net.Listener = (*Gate)(nil)

// New returns a Gate before the listener.
func New(l net.Listener, c Config) *Gate {
	if c.HeaderTimeout == 0 {
		c.HeaderTimeout = 5 * time.Second
	}
	if c.Trusted == nil {
		c.Trusted = func(netip.Addr) bool { return false }
	}
	if c.Refused == nil {
		c.Refused = func(Refusal) {}
	}
	return &Gate{Listener: l, config: c, networks: map[netip.Addr]int{}}
}

// Accept returns the next connection that there is room for.
func (g *Gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		g.accepted(err)
		if err != nil {
			return nil, err
		}
		c := &Conn{Conn: conn, gate: g}
		peer := addressOf(conn.RemoteAddr())
		proxy := g.config.Trusted(peer)
		if !g.enter(c) {
			c.Close()
			g.refuse(TooMany, conn.RemoteAddr(), "raise server.limits.sessions, or the limit of open files")
			continue
		}
		if !proxy && !g.countFor(c, peer) {
			c.Close()
			g.refuse(TooManyOfAddress, conn.RemoteAddr(), "")
			continue
		}
		if proxy && g.config.ProxyProtocol {
			c.header = newHeader(conn)
		} else {
			c.unseen = true
		}
		return c, nil
	}
}

// accepted logs when accepting begins to fail, fails otherwise, and works again: it is tried many
// times a second.
func (g *Gate) accepted(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	g.mu.Lock()
	before, failures := g.failing, g.failures
	g.failing = text
	if err != nil {
		g.failures++
	} else {
		g.failures = 0
	}
	g.mu.Unlock()
	switch {
	case text == before || g.config.Logger == nil:
	case err != nil:
		g.config.Logger.Error("connections cannot be accepted", "listener", g.config.Name, "error", err)
	default:
		g.config.Logger.Info("connections are accepted again", "listener", g.config.Name, "failures", failures)
	}
}

// enter counts the connection; it reports false when there are too many.
func (g *Gate) enter(c *Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.config.Connections > 0 && g.open >= g.config.Connections {
		return false
	}
	g.open++
	c.counted = true
	return true
}

// countFor counts the connection for the client's network too, unless that is not limited or not
// known. It reports false when there are too many.
func (g *Gate) countFor(c *Conn, client netip.Addr) bool {
	network := auth.ClientNet(client)
	if g.config.PerNetwork == 0 || !network.IsValid() {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !c.counted || g.networks[network] >= g.config.PerNetwork { // it may be closed meanwhile
		return false
	}
	g.networks[network]++
	c.network = network
	return true
}

// leave undoes both.
func (g *Gate) leave(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !c.counted {
		return
	}
	c.counted = false
	g.open--
	if !c.network.IsValid() {
		return
	}
	if g.networks[c.network]--; g.networks[c.network] == 0 {
		delete(g.networks, c.network)
	}
}

// Open returns how many connections are open.
func (g *Gate) Open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *Gate) refuse(cause string, remote net.Addr, hint string) {
	g.config.Refused(Refusal{Cause: cause, Remote: remote.String(), Hint: hint})
}

// addressOf returns an address without its port, the zero address when it is of another network.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}
