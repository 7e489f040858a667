package service

import (
	"net"
	"net/http"
	"time"

	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/console"
	"mqtt-stomp-bridge/plugin/operators"
	"mqtt-stomp-bridge/plugin/ops"
)

// console returns the pages of the ops endpoint.
func (s *Service) console() http.Handler {
	return console.Handler(watched{s.bridge, s.auth}, console.Options{
		Payloads: s.payloads.Load,
		Standing: func() console.Standing { return *s.standing.Load() },
		User:     operators.User,
		Framed:   s.options.Publish != nil,
		Publish:  s.options.Publish,
		Bench:    s.options.Rules,
	})
}

// pages returns what the bridge serves beside its endpoint, nil for nothing. complete puts in what
// needs a bridge, once there is one and before it runs.
func (s *Service) pages() (pages http.Handler, complete func()) {
	if s.options.Pages == nil {
		return nil, func() {}
	}
	mux := http.NewServeMux()
	own, _, _ := net.SplitHostPort(s.config.Server.Listen)
	return ops.Named(mux, own), func() {
		mux.Handle("/", s.options.Pages(s.bridge))
		if s.options.Publish != nil {
			mux.Handle("/console/", operators.Own(s.console()))
		}
	}
}

// stands notes that the configuration is in force from now on.
func (s *Service) stands(c *config.Config) {
	s.standing.Store(&console.Standing{Version: s.options.Build.Version, Hash: c.Hash, Since: time.Now(), Files: c.Files})
}

// refuses notes why the last reload was refused. Operators may read the whole text, as the log has it.
func (s *Service) refuses(reason string) {
	now := *s.standing.Load()
	now.Error, now.ErrorAt = reason, time.Now()
	s.standing.Store(&now)
}
