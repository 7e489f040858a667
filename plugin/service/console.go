package service

import (
	"net/http"

	"mqtt-stomp-bridge/plugin/console"
)

// console returns the pages of the ops endpoint.
func (s *Service) console() http.Handler {
	return console.Handler(watched{s.bridge, s.auth}, console.Options{Payloads: s.payloads.Load})
}
