package service

import (
	"log/slog"
	"net"
	"net/http"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/console"
)

// What tests reach without a running service.
var CollectAfterRush = collectAfterRush

func Tokens(chain auth.Chain) func(auth.Identity) []string { return tokens(chain) }

const Pause = pause

func NewAuthentication(broker mqtt.Config) *authentication {
	a := newAuthentication(slog.New(slog.DiscardHandler), nil)
	a.broker = broker
	return a
}

func (a *authentication) Prepare(c *config.Config) (auth.Chain, func(), error) { return a.prepare(c) }

func (a *authentication) HasLogins() bool { return a.logins != nil }

const (
	ConsoleConnections = consoleConnections
	ConsoleKept        = consoleKept
)

// BoundConsole has the server leave connections to those who ask for something else than the console.
func BoundConsole(s *http.Server) {
	c := newShare(consoleConnections, consoleKept)
	s.Handler, s.ConnContext, s.ConnState = c.handler(s.Handler), withConn, c.state
}

// Answering returns a connection of the ops endpoint.
func Answering(c net.Conn) net.Conn { return &answering{c} }

func (s *Service) Standing() console.Standing { return *s.standing.Load() }
