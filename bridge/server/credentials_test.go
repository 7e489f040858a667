package server_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/server"
)

// passwords is a broker that knows some logins.
type passwords map[string]string

func (p passwords) CheckPassword(_ context.Context, login, password string) (bool, error) {
	good, ok := p[login]
	return ok && good == password, nil
}

// enter opens a session with the handshake's header and sends the frame; it returns the client and
// what it has got.
func (h *house) enter(header http.Header, connect string) (*client, string) {
	h.t.Helper()
	conn, response, err := h.dial(header)
	if err != nil {
		return nil, response.Status
	}
	c := newClient(h.t, conn)
	go c.read()
	c.send("CONNECT | accept-version:1.2" + connect)
	return c, c.gets()
}

// gets returns what comes now.
func (c *client) gets() string {
	synctest.Wait()
	var texts []string
	for _, r := range c.take() {
		texts = append(texts, r.text)
	}
	return strings.Join(texts, "\n")
}

func basic(login, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(login+":"+password))
}

// A login of HTTP's Basic lets in where the broker checks logins, and is a proxy's where the client
// shows something itself or logins are not checked.
func TestBasicInTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		jwt := auth.Providers{h.authenticator(h.jwt).(*auth.JWT)}
		broker := auth.NewBroker(auth.BrokerConfig{Checker: passwords{"ann": "pass", "bob": "word"}})
		token := h.token("ann", time.Hour)
		for _, tt := range []struct {
			name, authorization, connect string
			chain                        auth.Chain
			want                         string
		}{
			{"a login", basic("ann", "pass"), "", auth.Chain{broker}, "user-name:ann"},
			{"a wrong one", basic("ann", "guess"), "", auth.Chain{broker}, "401 login or passcode is not right"},
			{"a proxy's, beside a login", basic("proxy", "x"), " | login:bob | passcode:word", auth.Chain{broker}, "user-name:bob"},
			{"a proxy's, beside a token", basic("proxy", "x"), " | Authorization:" + token, auth.Chain{broker, jwt}, "user-name:ann"},
			{"a proxy's, beside nothing", basic("proxy", "x"), "", auth.Chain{jwt}, "401 no token"},
			{"a proxy's, where nothing is needed", basic("proxy", "x"), "", auth.Chain{jwt, auth.Anonymous{}}, "user-name:anonymous"},
			{"another scheme of a proxy", "Negotiate YIIJ", " | Authorization:" + token, auth.Chain{jwt}, "user-name:ann"},
			{"in the frame", "", " | Authorization:" + basic("ann", "pass"), auth.Chain{jwt, broker}, "user-name:ann"},
			{"a bad token", "Bearer abc", "", auth.Chain{jwt, broker}, "401 Unauthorized"},
		} {
			h.setAuth(tt.chain)
			header := http.Header{}
			if tt.authorization != "" {
				header.Set("Authorization", tt.authorization)
			}
			c, got := h.enter(header, tt.connect)
			if !strings.Contains(got, tt.want) {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
			if c != nil {
				c.conn.Close()
				synctest.Wait()
			}
		}
	})
}

// A session is renewed by what is of the same kind and provider alone: an equal name elsewhere may
// be somebody else's.
func TestRenewalIsOfTheSameSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		provider := func(name string, key int) (*auth.JWT, string) {
			c := auth.JWTConfig{Name: name, Secrets: secrets[key : key+1], Issuers: []string{name}}
			token, err := c.Sign(auth.Grant{User: "ann", TTL: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return h.authenticator(c).(*auth.JWT), token
		}
		one, oneToken := provider("one", 0)
		two, twoToken := provider("two", 1)
		again, err := auth.JWTConfig{Secrets: secrets[:1], Issuers: []string{"one"}}.Sign(auth.Grant{User: "ann", TTL: 2 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		named, err := auth.HashToken("ann", strings.Repeat("static", 6))
		if err != nil {
			t.Fatal(err)
		}
		broker := auth.NewBroker(auth.BrokerConfig{Checker: passwords{"ann": "pass"}})
		h.setAuth(auth.Chain{auth.Providers{one, two}, auth.Tokens{named}, broker})
		const other = "401 the new token is of another kind or provider than the first"
		first := " | Authorization:" + oneToken
		for _, tt := range []struct{ name, first, next, want string }{
			{"the same provider", first, " | Authorization:" + again, "RECEIPT | receipt-id:r"},
			{"another provider", first, " | Authorization:" + twoToken, other},
			{"a static token", first, " | Authorization:" + strings.Repeat("static", 6), other},
			{"a login", first, " | login:ann | passcode:pass", other},
			{"a token after a login", " | login:ann | passcode:pass", " | Authorization:" + oneToken, other},
			{"a login after a login", " | login:ann | passcode:pass", " | login:ann | passcode:pass", "RECEIPT | receipt-id:r"},
		} {
			c, got := h.enter(nil, tt.first)
			if !strings.Contains(got, "user-name:ann") {
				t.Fatalf("%s: got %s", tt.name, got)
			}
			c.send("SEND | destination:/auth/token | receipt:r" + tt.next)
			if got := c.gets(); !strings.Contains(got, tt.want) {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
			c.conn.Close()
			synctest.Wait()
		}
	})
}

// A token whose user is called anonymous cannot be renewed with nothing and outlive its end.
func TestNobodyBecomesAnonymous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		jwt := auth.Providers{h.authenticator(h.jwt).(*auth.JWT)}
		h.setAuth(auth.Chain{jwt, auth.Anonymous{}})
		token := " | Authorization:" + h.token("anonymous", time.Minute)
		if _, got := h.enter(nil, token); !strings.Contains(got, "401 the user anonymous is for clients without credentials alone") {
			t.Errorf("got %s", got)
		}
		h.setAuth(auth.Chain{jwt})
		c, got := h.enter(nil, token)
		if !strings.Contains(got, "user-name:anonymous") {
			t.Errorf("where nobody is anonymous: got %s", got)
		}
		h.setAuth(auth.Chain{jwt, auth.Anonymous{}})
		if got := c.gets(); !strings.Contains(got, "401 the user anonymous") {
			t.Errorf("when others come to be anonymous: got %s", got)
		}
	})
}

// The log at debug says which groups a session has, and why it has none.
func TestGroupsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups := auth.Groups{Names: []string{"sales", "12"}}
		h := newHouse(t, server.Config{})
		h.setPolicy(func(p *server.Policy) { p.Groups = func(auth.Identity) auth.Groups { return groups } })
		connect := " | Authorization:" + h.token("ann", time.Hour)
		h.enter(nil, connect)
		if got := h.lines.String(); !strings.Contains(got, `msg="let in"`) || !strings.Contains(got, `user=ann by=jwt groups="[sales 12]"`) {
			t.Errorf("logged:\n%s", got)
		}
		groups = auth.Groups{Lacking: "claim a.b: the token has no claim a"}
		h.enter(nil, connect)
		if got := h.lines.String(); !strings.Contains(got, `groups=[] groups_lacking="claim a.b: the token has no claim a"`) {
			t.Errorf("logged:\n%s", got)
		}
	})
}
