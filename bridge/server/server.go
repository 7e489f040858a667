// Package server is the WebSocket endpoint: it serves the hub's queues to authenticated STOMP clients.
package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// Config says what a Server serves; every field without a default must be set.
type Config struct {
	Hub            *hub.Hub
	Queues         []string // the hub's, in the order in which a client is told of them
	Auth           auth.Authenticator
	AllowedOrigins []string      // see NewOrigins
	Path           string        // default /ws.communication
	HeartBeat      time.Duration // offered in both directions, default 30s
	Limits         Limits
	Version        string       // of this software, for the server header
	Pages          http.Handler // for all other paths; nil: 404
	Logger         *slog.Logger
}

// Limits bound what peers may cost; zero fields take the defaults.
type Limits struct {
	Sessions             int           // connections at once, default 20,000
	Subscriptions        int           // per session, default 16
	ConnectTimeout       time.Duration // from the upgrade to an accepted CONNECT, default 10s
	WriteTimeout         time.Duration // of a single write, default 10s
	UnauthenticatedBytes int           // read before CONNECT was accepted, default 64 KiB
	Frame                stomp.Limits
}

// A Server upgrades connections and runs their sessions. It is an http.Handler for its path.
type Server struct {
	config   Config
	upgrader websocket.Upgrader
	auth     atomic.Pointer[auth.Authenticator]
	origins  atomic.Pointer[Origins]
	ends     tally // session ends by cause
	refusals tally // handshakes refused, by cause

	mu       sync.Mutex
	sessions map[*session]struct{}
	closing  bool
	running  sync.WaitGroup
}

// New returns a Server.
func New(c Config) (*Server, error) {
	origins, err := NewOrigins(c.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	c.withDefaults()
	s := &Server{config: c, sessions: map[*session]struct{}{}}
	s.upgrader = websocket.Upgrader{
		HandshakeTimeout: c.Limits.ConnectTimeout,
		ReadBufferSize:   512,
		WriteBufferSize:  512, // the handshake's answer alone; sessions write without gorilla
		Subprotocols:     []string{"v12.stomp", "v11.stomp", "v10.stomp"},
		CheckOrigin:      func(*http.Request) bool { return true }, // ServeHTTP has done it
	}
	s.auth.Store(&c.Auth)
	s.origins.Store(&origins)
	return s, nil
}

func (c *Config) withDefaults() {
	setDefault(&c.Path, "/ws.communication")
	setDefault(&c.HeartBeat, 30*time.Second)
	setDefault(&c.Limits.Sessions, 20_000)
	setDefault(&c.Limits.Subscriptions, 16)
	setDefault(&c.Limits.ConnectTimeout, 10*time.Second)
	setDefault(&c.Limits.WriteTimeout, 10*time.Second)
	setDefault(&c.Limits.UnauthenticatedBytes, 64<<10)
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// ServeHTTP upgrades the request and starts its session.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	by, err := s.admitRequest(r)
	if err != nil {
		s.refuse(w, r, http.StatusUnauthorized, err.Error())
		return
	}
	if !s.origins.Load().allow(r) {
		s.refuse(w, r, http.StatusForbidden, "origin is not allowed")
		return
	}
	if !s.reserve() {
		s.refuse(w, r, http.StatusServiceUnavailable, "too many sessions")
		return
	}
	conn, err := s.upgrader.Upgrade(w, r, nil) // answers for itself when it fails
	if err != nil {
		s.refusals.add("no websocket handshake")
		s.running.Done()
		return
	}
	x := s.newSession(conn, by)
	if !s.register(x) {
		x.end(ending{cause: "shutdown", code: websocket.CloseGoingAway, quiet: true})
	}
	// In a goroutine of its own: the handler's return frees what net/http holds for the request.
	go func() {
		defer s.running.Done()
		x.run()
		s.unregister(x)
	}()
}

// admitRequest authenticates a handshake that carries a token; without one, CONNECT has to.
func (s *Server) admitRequest(r *http.Request) (*credentials, error) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return nil, nil
	}
	return s.admit(r.Context(), authorization)
}

func (s *Server) admit(ctx context.Context, authorization string) (*credentials, error) {
	identity, err := (*s.auth.Load()).Authenticate(ctx, authorization)
	if err != nil {
		return nil, err
	}
	return &credentials{authorization: authorization, identity: identity}, nil
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, reason string) {
	s.refusals.add(reason)
	attrs := []any{"remote", r.RemoteAddr, "status", status, "reason", reason}
	switch status {
	case http.StatusForbidden:
		attrs = append(attrs, "origin", r.Header.Get("Origin"), "hint", "name this origin in server.allowed_origins")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	s.config.Logger.Warn("handshake refused", attrs...)
	http.Error(w, reason, status)
}

// reserve counts a session in before it is made; it reports false when there are too many or the server closes.
func (s *Server) reserve() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.sessions) >= s.config.Limits.Sessions {
		return false
	}
	s.running.Add(1)
	return true
}

func (s *Server) register(x *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[x] = struct{}{}
	return !s.closing
}

func (s *Server) unregister(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x)
}

// Serve accepts connections until ctx is done. Then every client gets a clean close, and Serve returns when all sessions have
// ended, which takes about a second at most. It returns nil after ctx, or the listener's error.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle(s.config.Path, s)
	if s.config.Pages != nil {
		mux.Handle("/", s.config.Pages)
	}
	web := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: s.config.Limits.ConnectTimeout,
		MaxHeaderBytes:    32 << 10, // room for a token of 16 KiB
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { web.Close() })
	err := web.Serve(l)
	if stop() { // the listener failed by itself
		web.Close()
	}
	s.close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// close ends all sessions and waits for them.
func (s *Server) close() {
	s.mu.Lock()
	s.closing = true
	for x := range s.sessions {
		x.end(ending{cause: "shutdown", code: websocket.CloseGoingAway, quiet: true})
	}
	s.mu.Unlock()
	s.running.Wait()
}

// SetAuth replaces the authenticator. Sessions whose token it refuses end with 401.
func (s *Server) SetAuth(a auth.Authenticator) {
	s.auth.Store(&a)
	for _, x := range s.snapshot() {
		by := x.credentials.Load()
		if by == nil {
			continue
		}
		if _, err := a.Authenticate(context.Background(), by.authorization); err != nil {
			x.unauthorized(nil, err)
		}
	}
}

// SetOrigins replaces the origins that are allowed; sessions that are open stay.
func (s *Server) SetOrigins(o Origins) { s.origins.Store(&o) }

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
	Sessions int              // open now
	Ends     map[string]int64 // sessions ended, by cause
	Refusals map[string]int64 // handshakes refused, by cause
}

// Counts returns the figures so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{Sessions: len(s.sessions), Ends: s.ends.all(), Refusals: s.refusals.all()}
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
	for name, n := range t.counts {
		all[name] = n
	}
	return all
}

// newID returns a session's id: hexadecimal, as several clients do not unescape.
func newID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
