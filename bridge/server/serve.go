package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"mqtt-stomp-bridge/bridge/server/gate"
	"mqtt-stomp-bridge/bridge/server/writer"
)

const (
	// maxUpgradeTime is how long a connection may take until its request has arrived, and how long
	// it may stay afterwards without being a session.
	maxUpgradeTime = 5 * time.Second

	// Connections beyond the limits of sessions, so that those are answered which are one too many.
	surplus           = 16
	surplusPerNetwork = 4
)

// Serve accepts connections until ctx is done. Then every client gets a clean close, and Serve
// returns when all sessions have ended, which takes about a second at most. It returns nil after
// ctx, or the listener's error. Call it once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	limits := s.config.Limits
	untilUpgrade := min(maxUpgradeTime, limits.ConnectTimeout)
	web := &http.Server{
		Handler:        s.handler(),
		ReadTimeout:    untilUpgrade, // of a request, and of the pause before the next; not of a session
		MaxHeaderBytes: 32 << 10,     // room for a token of 16 KiB
		ErrorLog:       slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
	g := gate.New(l, gate.Config{
		Connections:   s.maxConnections(maxDescriptors()),
		PerNetwork:    s.maxPerNetwork(),
		Trusted:       func(a netip.Addr) bool { return s.trusts(a.String()) },
		ProxyProtocol: s.config.ProxyProtocol,
		HeaderTimeout: untilUpgrade,
		TLS:           s.config.TLS != nil,
		Name:          "server.listen",
		Logger:        s.config.Logger,
		Refused:       s.refuseConnection,
	})
	s.gate.Store(g)
	l = g
	if s.config.TLS != nil {
		l = writer.ListenTLS(l, s.config.TLS)
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	var err error
	select {
	case err = <-served:
		web.Close()
	case <-ctx.Done():
		web.Close()
		<-served
	}
	s.close()
	return err
}

// handler serves the endpoint and all other paths.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(s.config.Path, s)
	if s.config.Path != "/" {
		mux.HandleFunc("/", s.serveElsewhere)
	}
	return mux
}

// Descriptors that clients leave to the rest of the process: the journal, the MQTT connections, the
// ops endpoint, a reload. Where many are allowed, logins at the broker need some too.
const (
	reservedDescriptors = 32
	shareOfDescriptors  = 64
	mostReserved        = 256
)

// maxConnections returns how many connections are held at once, in a process that may have that
// many descriptors; 0 when it is not known.
func (s *Server) maxConnections(descriptors int) int {
	most := s.config.Limits.Sessions + surplus
	if descriptors == 0 {
		return most
	}
	room := max(1, descriptors-min(mostReserved, reservedDescriptors+descriptors/shareOfDescriptors))
	if room < s.config.Limits.Sessions {
		s.config.Logger.Info("the limit of open files is lower than server.limits.sessions",
			"open_files", descriptors, "sessions", s.config.Limits.Sessions, "connections", room,
			"hint", "raise it (ulimit -n; LimitNOFILE of systemd; --ulimit of docker), or lower server.limits.sessions")
	}
	return min(most, room)
}

func (s *Server) maxPerNetwork() int {
	if s.config.Limits.SessionsPerAddress == 0 {
		return 0
	}
	return s.mostOf(s.config.Limits.SessionsPerAddress) + surplusPerNetwork
}

// refuseConnection counts and logs a connection that never became a request.
func (s *Server) refuseConnection(why gate.Refusal) {
	s.refusals.add(why.Cause)
	attrs := []any{"remote", why.Remote, "reason", why.Cause}
	if why.Hint != "" {
		attrs = append(attrs, "hint", why.Hint)
	}
	s.refusalLog.add(slog.LevelWarn, why.Cause, why.Remote, "connection refused", attrs...)
}

// close ends all sessions and waits for them.
func (s *Server) close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.cancel()
	for _, x := range s.snapshot() {
		x.end(goingAway)
	}
	s.running.Wait()
	s.refusalLog.close()
}
