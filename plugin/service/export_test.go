package service

import (
	"log/slog"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/plugin/config"
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
