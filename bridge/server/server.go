// Package server is the WebSocket endpoint: it serves the hub's queues to authenticated STOMP
// clients.
package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/server/gate"
	"mqtt-stomp-bridge/bridge/server/writer"
	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/bridge/trail"
)

// Config says what a Server serves; every field without a default must be set.
type Config struct {
	Hub            *hub.Hub
	Policy         Policy         // the first one, see SetPolicy
	TrustedProxies []netip.Prefix // whose X-Forwarded-For or PROXY header is believed
	ProxyProtocol  bool           // each connection of a trusted proxy begins with a PROXY header
	TLS            *tls.Config    // nil: none
	Path           string         // default /ws.communication
	HeartBeat      time.Duration  // offered in both directions, default 30s
	Limits         Limits
	Version        string       // of this software, for the server header
	Pages          http.Handler // for all other paths; nil: 404
	Trail          *trail.Ring  // gets what sessions came through that have ended, see Traced; nil: nothing is noted
	Logger         *slog.Logger
}

// Limits bound what peers may cost; zero fields take the defaults.
type Limits struct {
	Sessions             int           // connections at once, default 20,000
	SessionsPerUser      int           // 0: no limit
	SessionsPerAddress   int           // of IPv6 by /64; 0: no limit
	EndOldest            bool          // at the last two limits: the oldest session ends, and the newcomer is let in
	Connects             int           // new connections a second; 0: no limit
	Subscriptions        int           // per session, default 64
	ConnectTimeout       time.Duration // from the upgrade to an accepted CONNECT, default 10s
	WriteTimeout         time.Duration // of a single write, default 10s
	UnauthenticatedBytes int           // read before CONNECT was accepted, default 64 KiB
	Message              int           // bytes of a MESSAGE frame; the server sends what there is: it is for whoever fills the log. Default 1 MiB
	UnreadBytes          int           // of all sessions, in writes under way, see writer.Limits; default 128 MiB
	OutgoingBytes        int           // of answers that wait, beyond which no more requests are read, default 64 KiB
	Frame                stomp.Limits
}

// A Server upgrades connections and runs their sessions. It is an http.Handler for its path.
type Server struct {
	config     Config
	upgrader   websocket.Upgrader
	writers    *writer.Pool
	connects   *connectRate // nil: no limit
	refusalLog *refusalLog
	context    context.Context // ends with the server
	cancel     context.CancelFunc

	gate   atomic.Pointer[gate.Gate] // set by Serve
	policy atomic.Pointer[Policy]
	// authChanges counts how often what Policy.Auth accepts may have changed: credentials that were
	// checked before the last change must be checked again.
	authChanges atomic.Uint64

	opened   atomic.Int64 // sessions so far
	ends     tally        // session ends by cause
	refusals tally        // handshakes refused, and connections, by cause
	closes   tally        // close frames of clients, by code
	repeats  placeCounts

	mu       sync.Mutex
	sessions map[*session]struct{}
	reserved int                   // sessions, and handshakes on their way to one
	networks map[netip.Addr]*crowd // of those, by auth.ClientNet; only where that is limited
	users    map[string]*crowd     // sessions, by user; only where that is limited
	closing  bool
	running  sync.WaitGroup
}

// readBuffer is the smallest that gorilla allows: it is used for headers and heart-beats. Larger
// messages are read past it, see readChunk.
const readBuffer = 128

// New returns a Server.
func New(c Config) *Server {
	c.withDefaults()
	c.Logger = slog.New(clipped{c.Logger.Handler()})
	s := &Server{
		config: c,
		writers: writer.NewPool(c.Hub, writer.Limits{
			WriteTimeout: c.Limits.WriteTimeout,
			AnswerBytes:  c.Limits.OutgoingBytes,
			UnreadBytes:  c.Limits.UnreadBytes,
		}),
		sessions: map[*session]struct{}{},
		networks: map[netip.Addr]*crowd{},
		users:    map[string]*crowd{},
	}
	s.refusalLog = newRefusalLog(c.Logger)
	s.context, s.cancel = context.WithCancel(context.Background())
	if n := c.Limits.Connects; n > 0 {
		s.connects = newConnectRate(n)
	}
	s.upgrader = websocket.Upgrader{
		HandshakeTimeout: c.Limits.ConnectTimeout,
		ReadBufferSize:   readBuffer,
		// Never used; without it every connection would have a buffer. See inbound.
		WriteBufferPool: new(sync.Pool),
		CheckOrigin:     func(*http.Request) bool { return true }, // ServeHTTP has done it
	}
	s.policy.Store(&s.config.Policy)
	return s
}

// Defaults of Config.
const (
	DefaultPath      = "/ws.communication"
	DefaultHeartBeat = 30 * time.Second
)

// DefaultLimits returns what the zero fields of Limits stand for.
func DefaultLimits() Limits {
	return Limits{
		Sessions:             20_000,
		Subscriptions:        64,
		ConnectTimeout:       10 * time.Second,
		WriteTimeout:         10 * time.Second,
		UnauthenticatedBytes: 64 << 10,
		Message:              1 << 20,
		OutgoingBytes:        64 << 10,
		UnreadBytes:          128 << 20,
		Frame:                stomp.DefaultLimits(),
	}
}

func (c *Config) withDefaults() {
	d := DefaultLimits()
	setDefault(&c.Path, DefaultPath)
	setDefault(&c.HeartBeat, DefaultHeartBeat)
	setDefault(&c.Limits.Sessions, d.Sessions)
	setDefault(&c.Limits.Subscriptions, d.Subscriptions)
	setDefault(&c.Limits.ConnectTimeout, d.ConnectTimeout)
	setDefault(&c.Limits.WriteTimeout, d.WriteTimeout)
	setDefault(&c.Limits.UnauthenticatedBytes, d.UnauthenticatedBytes)
	setDefault(&c.Limits.OutgoingBytes, d.OutgoingBytes)
	setDefault(&c.Limits.UnreadBytes, d.UnreadBytes)
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// ServeHTTP upgrades the request and starts its session.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	remote := s.remote(r)
	if why := s.policy.Load().checkPage(r); why != nil {
		s.answer(w, remote, why)
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		s.answerNoUpgrade(w, r, remote)
		return
	}
	if why := s.reserve(remote); why != nil {
		s.answer(w, remote, why)
		return
	}
	shown, by, status, err := s.authenticateRequest(r, remote)
	var denied *auth.Error
	if errors.As(err, &denied) && isPage(r.Header) {
		err = nil // a page has sent the token, and a page cannot read the status: CONNECT is answered instead
	}
	if err != nil {
		s.release(remote)
		s.answer(w, remote, refuse(status, err.Error()))
		return
	}
	conn, in, err := s.upgrade(w, r)
	if err != nil { // the client has its answer
		s.refusals.add(noHandshake)
		s.release(remote)
		return
	}
	x := s.newSession(conn, in, remote)
	x.handshake, x.denied = shown, denied
	if !s.register(x) {
		x.end(goingAway)
	}
	if by != nil {
		if err := x.letIn(by); err != nil {
			x.reject(nil, err)
		}
	}
	// In a goroutine of its own: the handler's return frees what net/http holds for the request.
	go x.run()
}

// goingAway is how sessions end when the server does.
var goingAway = ending{cause: "shutdown", code: websocket.CloseGoingAway, quiet: true}

const noHandshake = "no websocket handshake"

// answerNoUpgrade answers a request that does not ask for an upgrade: somebody looks at the
// endpoint, or a proxy has dropped the headers that are meant for one connection alone (RFC 9110,
// 7.6.1).
func (s *Server) answerNoUpgrade(w http.ResponseWriter, r *http.Request, remote string) {
	s.refusals.add(noHandshake)
	const hint = "a proxy in front of the bridge must forward the headers Upgrade and Connection"
	if r.Header.Get("Sec-WebSocket-Key") != "" {
		s.refusalLog.add(slog.LevelWarn, noHandshake, remote, "handshake refused",
			"remote", remote, "status", http.StatusUpgradeRequired, "reason", noHandshake, "hint", hint)
	}
	w.Header().Set("Upgrade", "websocket")
	w.Header()["Connection"] = []string{"close", "Upgrade"}
	http.Error(w, noHandshake+"; "+hint, http.StatusUpgradeRequired)
}

// answer answers a handshake that is refused.
func (s *Server) answer(w http.ResponseWriter, remote string, why *refusal) {
	s.refusals.add(why.cause)
	attrs := append([]any{"remote", remote, "status", why.status, "reason", why.reason}, why.attrs...)
	if why.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	s.refusalLog.add(slog.LevelWarn, why.cause, remote, "handshake refused", attrs...)
	w.Header().Set("Connection", "close") // a refused client must not hold the connection
	http.Error(w, why.reason, why.status)
}

func (s *Server) register(x *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[x] = struct{}{}
	return !s.closing
}

func (s *Server) unregister(x *session) {
	s.mu.Lock()
	delete(s.sessions, x)
	s.mu.Unlock()
	if x.entered {
		s.leave(x)
	}
	s.release(x.remote)
}

func (s *Server) snapshot() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.sessions))
	for x := range s.sessions {
		all = append(all, x)
	}
	return all
}

// Counts are a server's figures.
type Counts struct {
	Connections int              // open now, sessions or not
	Sessions    int              // open now
	Unread      int              // bytes in memory that clients have not taken yet
	Opened      int64            // so far
	Ends        map[string]int64 // sessions ended, by cause
	Refusals    map[string]int64 // handshakes refused, by cause
	Closes      map[string]int64 // sessions ended by a close frame of the client, by its code, see closeLabel
}

// Counts returns the figures so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := Counts{
		Sessions: len(s.sessions),
		Unread:   s.writers.Unread(),
		Opened:   s.opened.Load(),
		Ends:     s.ends.all(),
		Refusals: s.refusals.all(),
		Closes:   s.closes.all(),
	}
	if g := s.gate.Load(); g != nil {
		n.Connections = g.Open()
	}
	return n
}

// A tally counts by a small set of names. The zero value is ready to use.
type tally struct {
	mu     sync.Mutex
	counts map[string]int64
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int64{}
	}
	t.counts[name]++
}

func (t *tally) all() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[string]int64{}
	maps.Copy(all, t.counts)
	return all
}

// newID returns a session's id: hexadecimal, because several clients do not unescape.
func newID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
