package service_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/service"
)

// What is remembered of failed logins goes on until the settings change.
func TestFailuresOutliveAReload(t *testing.T) {
	a := service.NewAuthentication(mqtt.Config{URLs: []*url.URL{{Scheme: "mqtt", Host: "127.0.0.1:1"}}, ClientID: "bridge"})
	next := func(change func(*config.Auth)) auth.Authenticator {
		t.Helper()
		c := config.Default()
		c.Auth.Broker.Enabled = true
		c.Auth.Kinds = []auth.Kind{auth.KindBroker}
		change(&c.Auth)
		chain, adopt, err := a.Prepare(c)
		if err != nil {
			t.Fatal(err)
		}
		adopt()
		if len(chain) == 0 {
			return nil
		}
		return chain[0]
	}
	first := next(func(*config.Auth) {})
	if again := next(func(*config.Auth) {}); again != first {
		t.Error("a reload has made a new one")
	}
	if other := next(func(c *config.Auth) { c.Broker.Cache = time.Second }); other == first {
		t.Error("other settings have no effect")
	}
	next(func(c *config.Auth) { c.Broker.Enabled, c.Kinds = false, nil })
	if a.HasLogins() {
		t.Error("what is not configured any more is kept")
	}
}

// An identity is in the audiences of its user and of its groups, by the settings of its provider.
func TestTokens(t *testing.T) {
	const people, services = "a secret for tests of 32 bytes..", "another one, also with 32 bytes."
	c := config.Default()
	c.Auth.Kinds = []auth.Kind{auth.KindJWT, auth.KindAnonymous}
	provider := func(secret config.Secret, change func(*config.JWT)) {
		p := c.Auth.JWT
		p.Secret, p.GroupsClaim = []config.Secret{secret}, "groups"
		change(&p)
		c.Auth.Providers = append(c.Auth.Providers, p)
	}
	provider(people, func(p *config.JWT) {
		p.Name, p.Issuer, p.UserPrefix, p.GroupsClaim = "people", []string{"id"}, "id:", "realm_access.roles"
	})
	provider(services, func(p *config.JWT) { p.Name, p.GroupsSeparator = "services", " " })
	chain, adopt, err := service.NewAuthentication(mqtt.Config{}).Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	adopt()
	tokens := service.Tokens(chain)
	for _, tt := range []struct {
		secret, claims string
		want           []string
	}{
		{people, `{"iss":"id","realm_access":{"roles":["sales",12]},"groups":"no"}`, []string{audience.User("id:ada"), audience.Group("sales"), audience.Group("12")}},
		{people, `{"iss":"id"}`, []string{audience.User("id:ada")}},
		{services, `{"groups":"billing support","realm_access":{"roles":["no"]}}`, []string{audience.User("ada"), audience.Group("billing"), audience.Group("support")}},
	} {
		claims := jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()}
		if err := json.Unmarshal([]byte(tt.claims), &claims); err != nil {
			t.Fatal(err)
		}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tt.secret))
		if err != nil {
			t.Fatal(err)
		}
		who, err := chain.Authenticate(t.Context(), auth.Credentials{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, tokens(who)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.claims, diff)
		}
	}
	if diff := cmp.Diff([]string{audience.User("ada")}, tokens(auth.Identity{User: "ada", By: auth.KindBroker})); diff != "" {
		t.Errorf("a login (-want +got):\n%s", diff)
	}
}
