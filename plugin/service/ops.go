package service

import (
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/server/gate"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/ops"
)

// The ops endpoint serves few, and must not use up the descriptors that clients leave.
const (
	opsConnections = 24
	opsTimeout     = 5 * time.Second
)

// serveOps serves the ops endpoint where there is one, until the returned function is called.
func (s *Service) serveOps() (closeAndWait func()) {
	if s.ops == nil {
		return func() {}
	}
	s.noteClosed(s.config.Ops)
	console := newShare(consoleConnections, consoleKept)
	own, _, _ := net.SplitHostPort(s.config.Ops.Listen)
	web := &http.Server{
		Handler: console.handler(ops.Handler(watched{s.bridge, s.auth}, ops.Options{
			Build:        s.options.Build,
			Reloads:      s.reloads.figures,
			TokenKeys:    s.auth.keysStatus,
			ShowPayloads: s.payloads.Load,
			Hosts:        append(slices.Clone(s.config.Ops.Hosts), own),
			Operators:    s.operators,
			Console:      s.console(),
		})),
		ReadTimeout: opsTimeout, // also of the pause before the next request
		ErrorLog:    slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
		ConnContext: withConn,
		ConnState:   console.state,
	}
	l := gate.New(s.ops, gate.Config{Connections: opsConnections, Name: "ops.listen", Logger: s.logger})
	var serving sync.WaitGroup
	serving.Go(func() { web.Serve(answers{l}) })
	return func() {
		web.Close()
		serving.Wait()
	}
}

// loopback reports whether only this machine reaches the ops endpoint.
func (s *Service) loopback() bool {
	if s.ops == nil {
		return false
	}
	address, ok := s.ops.Addr().(*net.TCPAddr)
	return ok && address.IP.IsLoopback()
}

// noteClosed logs why the console shows nothing, where nobody has said that it should not.
func (s *Service) noteClosed(c config.Ops) {
	if c.Console && !c.Login.Demanded() && !s.loopback() {
		s.logger.Info("the console is closed: ops.listen is no loopback address, and ops.login demands no login", "ops.listen", c.Listen)
	}
}
