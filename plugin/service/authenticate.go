package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/operators"
)

// An authentication makes authenticators of configurations. It carries over what must survive a
// reload: the fetched keys, since the key server may be down, and the counts of failed logins.
type authentication struct {
	broker    mqtt.Config // as at the start: its settings need a restart
	logger    *slog.Logger
	withdrawn chan<- struct{} // see auth.JWKSConfig

	files *auth.PasswordFile // of operators; it lasts, since it counts failed logins

	// Of the configuration in force.
	operators auth.Providers // whose tokens operators may show
	settings  config.AuthBroker
	logins    *auth.Broker              // nil: none
	sets      atomic.Pointer[[]*keySet] // the ops endpoint asks how they stand; never nil
}

// A keySet is a published key set, which providers may share.
type keySet struct {
	url         string
	insecure    bool
	authorities *x509.CertPool // nil: the system's
	keys        *auth.JWKS
	stop        func() // nil: it has not been started
}

func newAuthentication(logger *slog.Logger, withdrawn chan<- struct{}) *authentication {
	a := &authentication{logger: logger, withdrawn: withdrawn, files: auth.NewPasswordFile()}
	a.sets.Store(new([]*keySet))
	return a
}

// prepare returns the authenticator of c, and what makes it the one in force: adopt must be called
// before it is used. Nothing has changed until then.
func (a *authentication) prepare(c *config.Config) (chain auth.Chain, adopt func(), err error) {
	var logins *auth.Broker
	var sets []*keySet
	var operators auth.Providers
	for _, kind := range c.Auth.Kinds {
		var one auth.Authenticator
		switch kind {
		case auth.KindJWT:
			one, operators, sets, err = a.providers(c.Auth.Providers, c.Ops.Login.RequiredClaims)
		case auth.KindBroker:
			logins, err = a.passwords(c.Auth.Broker)
			one = logins
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
	return chain, func() {
		a.logins, a.settings, a.operators = logins, c.Auth.Broker, operators
		a.use(sets)
		a.warn(c.Auth)
	}, nil
}

// providers returns the authenticator of JSON Web Tokens, the one of operators, whose tokens must
// have further claims, and the key sets that they need: those in force, where they will do.
func (a *authentication) providers(configs []config.JWT, further []auth.RequiredClaim) (clients, operators auth.Providers, sets []*keySet, err error) {
	for _, c := range configs {
		j := jwtConfig(c)
		if c.JWKSURL != "" {
			set, err := a.keySet(c, append(sets, *a.sets.Load()...))
			if err != nil {
				return nil, nil, nil, err
			}
			if !slices.Contains(sets, set) {
				sets = append(sets, set)
			}
			j.JWKS = set.keys
		}
		one, err := auth.NewJWT(j)
		if err != nil {
			return nil, nil, nil, err
		}
		clients = append(clients, one)
		j.RequiredClaims = slices.Concat(j.RequiredClaims, further)
		if one, err = auth.NewJWT(j); err != nil {
			return nil, nil, nil, err
		}
		operators = append(operators, one)
	}
	return clients, operators, sets, nil
}

// operatorPolicy returns who may use the ops endpoint by c, whose authenticators have been adopted.
// What is configured and cannot work, as claims without keys, demands a login that nobody has.
func (a *authentication) operatorPolicy(c *config.Config) operators.Policy {
	p := operators.Policy{NoConsole: !c.Ops.Console}
	if len(c.Ops.Login.RequiredClaims) > 0 {
		p.Tokens = a.operators
	}
	a.files.Use(c.Ops.Login.Passwords)
	if c.Ops.Login.PasswordFile != "" {
		p.Passwords = a.files
	}
	return p
}

// keySet returns the key set of a provider, one of those that are known or a new one.
func (a *authentication) keySet(c config.JWT, known []*keySet) (*keySet, error) {
	for _, s := range known {
		if s.url == c.JWKSURL && s.insecure == c.JWKSInsecureHTTP && s.authorities.Equal(c.JWKSCAs) {
			return s, nil
		}
	}
	keys, err := newKeySet(c, a.logger, a.withdrawn)
	return &keySet{url: c.JWKSURL, insecure: c.JWKSInsecureHTTP, authorities: c.JWKSCAs, keys: keys}, err
}

// newKeySet returns the published key set of a provider. It has to be fetched.
func newKeySet(c config.JWT, logger *slog.Logger, withdrawn chan<- struct{}) (*auth.JWKS, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: c.JWKSCAs} // nil: the system's
	return auth.NewJWKS(auth.JWKSConfig{
		URL:          c.JWKSURL,
		InsecureHTTP: c.JWKSInsecureHTTP,
		Client:       &http.Client{Transport: t},
		Logger:       logger,
		Withdrawn:    withdrawn,
	})
}

// FetchKeys fetches the published keys of a provider once, and returns how many can be used.
func FetchKeys(ctx context.Context, c config.JWT) (int, error) {
	keys, err := newKeySet(c, nil, nil)
	if err == nil {
		err = keys.Fetch(ctx)
	}
	if err != nil {
		return 0, err
	}
	return keys.Status().Keys, nil
}

// passwords returns the authenticator of logins, the one in force where it will do.
func (a *authentication) passwords(settings config.AuthBroker) (*auth.Broker, error) {
	if a.logins != nil && settings == a.settings {
		return a.logins, nil
	}
	checker, err := mqtt.NewLogins(a.broker)
	if err != nil {
		return nil, err
	}
	return auth.NewBroker(auth.BrokerConfig{
		Checker:    checker,
		Cache:      settings.Cache,
		MaxSession: settings.MaxSession,
		UserPrefix: settings.UserPrefix,
		Logger:     a.logger,
	}), nil
}

// use starts the key sets that do not run yet, and ends those that are no longer needed.
func (a *authentication) use(sets []*keySet) {
	for _, s := range sets {
		if s.stop == nil {
			s.stop = background(s.keys.Run)
		}
	}
	for _, s := range *a.sets.Swap(&sets) {
		if !slices.Contains(sets, s) {
			s.stop()
		}
	}
}

// warn logs what is dangerous and was asked for.
func (a *authentication) warn(c config.Auth) {
	if c.Anonymous {
		a.logger.Warn("clients may connect without a token or a password", "key", "auth.anonymous")
	}
	for _, p := range c.Providers {
		if p.JWKSInsecureHTTP && strings.HasPrefix(p.JWKSURL, "http:") {
			a.logger.Warn("token keys are fetched without TLS: whoever can change them on the way can sign tokens",
				"key", "auth.jwt.jwks_insecure_http", "url", p.JWKSURL)
		}
	}
}

// close ends what runs, and waits for it.
func (a *authentication) close() { a.use(nil) }

// keysStatus returns how the key sets in force stand.
func (a *authentication) keysStatus() (all []auth.KeysStatus) {
	for _, s := range *a.sets.Load() {
		all = append(all, s.keys.Status())
	}
	return all
}

// lacking returns why tokens of some provider cannot be checked: its keys were never fetched.
func (a *authentication) lacking() (reasons []bridge.Reason) {
	for _, s := range a.keysStatus() {
		if !s.Fetched.IsZero() {
			continue
		}
		text := "token keys: " + s.URL + ": not fetched yet"
		if s.Err != nil {
			text += ": " + s.Err.Error()
		}
		reasons = append(reasons, bridge.Reason{Part: bridge.PartTokenKeys, Text: text})
	}
	return reasons
}

// watched is a bridge that is ready when tokens can be checked too.
type watched struct {
	*bridge.Bridge
	auth *authentication
}

// Ready returns why the bridge cannot do its work at the moment.
func (w watched) Ready() []bridge.Reason { return append(w.Bridge.Ready(), w.auth.lacking()...) }

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
