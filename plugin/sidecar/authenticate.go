package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/plugin/config"
)

// An authentication makes authenticators of configurations. It keeps from one to the next what must outlive a reload: the
// published keys, which may not be to be had again just now, and the failed logins.
type authentication struct {
	broker    mqtt.Config // as at the start: its settings need a restart
	logger    *slog.Logger
	withdrawn chan<- struct{} // see auth.JWKSConfig

	// Of the configuration in force.
	settings config.AuthBroker
	logins   *auth.Broker // nil: none
	keysURL  string
	keysCAs  *x509.CertPool // nil: the system's
	keys     *auth.JWKS     // nil: none
	stopKeys func()
}

// prepare returns the authenticator of c, and what makes it the one in force: adopt must be called before it is used. Nothing
// has changed until then.
func (a *authentication) prepare(c *config.Config) (chain auth.Chain, adopt func(), err error) {
	next := *a
	for _, kind := range c.Auth.Kinds {
		var one auth.Authenticator
		switch kind {
		case auth.KindJWT:
			one, err = next.jwt(c)
		case auth.KindBroker:
			one, err = next.passwords(c.Auth.Broker)
		case auth.KindTokensFile:
			one = c.Auth.Tokens
		case auth.KindAnonymous:
			one = auth.Anonymous{Sole: len(c.Auth.Kinds) == 1}
		}
		if err != nil {
			return nil, nil, fmt.Errorf("auth.%s: %w", kind, err)
		}
		chain = append(chain, one)
	}
	if c.Auth.JWT.JWKSURL == "" {
		next.keysURL, next.keysCAs, next.keys = "", nil, nil
	}
	if !c.Auth.Broker.Enabled {
		next.logins = nil
	}
	return chain, func() { a.adopt(next, c.Auth.Anonymous) }, nil
}

func (a *authentication) jwt(c *config.Config) (auth.Authenticator, error) {
	j := jwtConfig(c)
	if url, authorities := c.Auth.JWT.JWKSURL, c.Auth.JWT.JWKSCAs; url != "" {
		if url != a.keysURL || !authorities.Equal(a.keysCAs) {
			keys, err := auth.NewJWKS(auth.JWKSConfig{URL: url, Client: keysClient(authorities), Logger: a.logger, Withdrawn: a.withdrawn})
			if err != nil {
				return nil, err
			}
			a.keysURL, a.keysCAs, a.keys = url, authorities, keys
		}
		j.JWKS = a.keys
	}
	return auth.NewJWT(j)
}

// keysClient returns a client that trusts those authorities alone; nil: the system's.
func keysClient(authorities *x509.CertPool) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: authorities}
	return &http.Client{Transport: t}
}

func (a *authentication) passwords(settings config.AuthBroker) (auth.Authenticator, error) {
	if a.logins == nil || settings != a.settings {
		checker, err := mqtt.NewLogins(a.broker)
		if err != nil {
			return nil, err
		}
		a.settings = settings
		a.logins = auth.NewBroker(auth.BrokerConfig{Checker: checker, Cache: settings.Cache, MaxSession: settings.MaxSession, Logger: a.logger})
	}
	return a.logins, nil
}

// adopt puts next into force.
func (a *authentication) adopt(next authentication, anonymous bool) {
	if next.keys != a.keys {
		a.close()
		next.stopKeys = nil
		if next.keys != nil {
			next.stopKeys = run(next.keys.Run)
		}
	}
	*a = next
	if anonymous {
		a.logger.Warn("clients are let in without a token or a password", "key", "auth.anonymous")
	}
}

// close ends what runs, and waits for it.
func (a *authentication) close() {
	if a.stopKeys != nil {
		a.stopKeys()
	}
}

// run starts f; stop ends it and waits for it.
func run(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

func jwtConfig(c *config.Config) auth.JWTConfig {
	j := c.Auth.JWT
	a := auth.JWTConfig{
		PublicKeys:     j.PublicKeys,
		Algorithms:     j.Algorithm,
		UserClaim:      j.UserClaim,
		Issuer:         j.Issuer,
		Audience:       j.Audience,
		RequiredClaims: j.RequiredClaims,
		Leeway:         j.Leeway,
		AllowNoExpiry:  j.AllowNoExpiry,
	}
	if a.Leeway == 0 {
		a.Leeway = -1 // 0s in the configuration is none, not the default
	}
	for _, s := range j.Secret {
		a.Secrets = append(a.Secrets, []byte(s))
	}
	return a
}

// signToken returns a token of the configured secret, for those who have no other.
func signToken(c *config.Config, user string, ttl time.Duration) (string, error) {
	if len(c.Auth.JWT.Secret) == 0 {
		return "", errors.New("auth.jwt.secret: there is none to sign a token with: set BRIDGE_AUTH_JWT_SECRET_FILE or BRIDGE_AUTH_JWT_SECRET, or ask whoever has the private key")
	}
	return jwtConfig(c).Sign(user, ttl)
}

// policy returns what c lets the authenticator's clients do.
func policy(c *config.Config, authenticator auth.Authenticator) (server.Policy, error) {
	origins, err := server.NewOrigins(c.Server.AllowedOrigins)
	return server.Policy{Auth: authenticator, Access: access(c), Tokens: tokens(c), Origins: origins}, err
}

// access returns who may subscribe to what.
func access(c *config.Config) server.Access {
	if c.Access == nil {
		return nil // and no interface around a nil pointer
	}
	return c.Access
}

// tokens returns what tells the audiences that a client is of: its user, and the groups in the claim that the configuration
// names, which is a text or a list.
func tokens(c *config.Config) func(auth.Identity) []string {
	claim := c.Auth.GroupsClaim
	return func(who auth.Identity) []string {
		all := []string{audience.User(who.User)}
		groups, isList := who.Claims[claim].([]any)
		if !isList {
			groups = []any{who.Claims[claim]}
		}
		for _, g := range groups {
			if name, ok := g.(string); ok && name != "" {
				all = append(all, audience.Group(name))
			}
		}
		return all
	}
}
