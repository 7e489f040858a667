package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/plugin/config"
)

// An authentication makes authenticators of configurations. It carries over what must survive a
// reload: the fetched keys, since the key server may be down, and the counts of failed logins.
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

// prepare returns the authenticator of c, and what makes it the one in force: adopt must be called
// before it is used. Nothing has changed until then.
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
			next.stopKeys = background(next.keys.Run)
		}
	}
	*a = next
	if anonymous {
		a.logger.Warn("clients may connect without a token or a password", "key", "auth.anonymous")
	}
}

// close ends what runs, and waits for it.
func (a *authentication) close() {
	if a.stopKeys != nil {
		a.stopKeys()
	}
}

// background starts f; stop ends it and waits for it.
func background(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}
