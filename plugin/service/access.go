package service

import (
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/server/origin"
	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/plugin/config"
)

// policy returns what c lets the authenticator's clients do.
func policy(c *config.Config, chain auth.Chain) (server.Policy, error) {
	origins, err := origin.NewAllowed(c.Server.AllowedOrigins)
	if err != nil {
		return server.Policy{}, err
	}
	hosts, err := origin.NewHosts(c.Server.Hosts)
	return server.Policy{
		Auth:      chain,
		Access:    access(c),
		Tokens:    tokens(chain),
		Groups:    chain.Groups,
		Origins:   origins,
		Hosts:     hosts,
		Anonymous: c.Auth.Anonymous,
	}, err
}

// access returns who may subscribe to what.
func access(c *config.Config) server.Access {
	if c.Access == nil {
		return nil // and no interface around a nil pointer
	}
	return c.Access
}

// tokens returns the function that maps an identity to its audience tokens: its user, and its
// groups.
func tokens(chain auth.Chain) func(auth.Identity) []string {
	return func(who auth.Identity) []string {
		all := []string{audience.User(who.User)}
		for _, name := range chain.Groups(who).Names {
			all = append(all, audience.Group(name))
		}
		return all
	}
}
