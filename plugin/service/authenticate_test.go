package service_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

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

// An identity is in the audiences of its user and of the groups that its claim names, as a text or
// a list.
func TestTokens(t *testing.T) {
	tokens := service.Tokens(&config.Config{Auth: config.Auth{GroupsClaim: "teams"}})
	user, billing, sales := audience.User("ada"), audience.Group("billing"), audience.Group("sales")
	for claim, want := range map[string][]string{
		`{}`:                                  {user},
		`{"groups": "billing"}`:               {user},
		`{"teams": "billing"}`:                {user, billing},
		`{"teams": ["billing", "sales"]}`:     {user, billing, sales},
		`{"teams": ["billing", 7, "", null]}`: {user, billing},
		`{"teams": ""}`:                       {user},
		`{"teams": {"billing": true}}`:        {user},
		`{"teams": [["billing"], "sales"]}`:   {user, sales},
	} {
		var claims map[string]any
		if err := json.Unmarshal([]byte(claim), &claims); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tokens(auth.Identity{User: "ada", Claims: claims})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", claim, diff)
		}
	}
}
