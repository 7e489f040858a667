package service

import (
	"net"
	"net/http"

	"mqtt-stomp-bridge/plugin/console"
	"mqtt-stomp-bridge/plugin/ops"
)

// console returns the pages of the ops endpoint.
func (s *Service) console() http.Handler {
	return console.Handler(watched{s.bridge, s.auth}, console.Options{
		Payloads: s.payloads.Load,
		Framed:   s.options.Publish != nil,
		Publish:  s.options.Publish,
	})
}

// pages returns what the bridge serves beside its endpoint. addConsole completes it once there is a
// bridge, and before it runs.
func (s *Service) pages() (pages http.Handler, addConsole func()) {
	if s.options.Publish == nil {
		return s.options.Pages, func() {}
	}
	mux := http.NewServeMux()
	if s.options.Pages != nil {
		mux.Handle("/", s.options.Pages)
	}
	own, _, _ := net.SplitHostPort(s.config.Server.Listen)
	return ops.Named(mux, own), func() { mux.Handle("/console/", s.console()) }
}
