package service

import (
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/plugin/config"
)

// policy returns what c lets the authenticator's clients do.
func policy(c *config.Config, authenticator auth.Authenticator) (server.Policy, error) {
	origins, err := server.NewOrigins(c.Server.AllowedOrigins)
	groups := groups(c)
	return server.Policy{Auth: authenticator, Access: access(c), Tokens: tokens(groups), Groups: groups, Origins: origins}, err
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
func tokens(groups func(auth.Identity) []string) func(auth.Identity) []string {
	return func(who auth.Identity) []string {
		all := []string{audience.User(who.User)}
		for _, name := range groups(who) {
			all = append(all, audience.Group(name))
		}
		return all
	}
}

// groups returns the function that finds an identity's groups in the claim that the configuration
// names, which is a text or a list.
func groups(c *config.Config) func(auth.Identity) []string {
	claim := c.Auth.GroupsClaim
	return func(who auth.Identity) (names []string) {
		groups, isList := who.Claims[claim].([]any)
		if !isList {
			groups = []any{who.Claims[claim]}
		}
		for _, g := range groups {
			if name, ok := g.(string); ok && name != "" {
				names = append(names, name)
			}
		}
		return names
	}
}
