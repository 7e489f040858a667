package auth_test

import (
	"context"
	"errors"
	"testing"

	"mqtt-stomp-bridge/bridge/auth"
)

// answers always gives the same answer.
type answers struct {
	id  auth.Identity
	err error
}

func (a answers) Authenticate(context.Context, auth.Credentials) (auth.Identity, error) {
	return a.id, a.err
}
func (a answers) Recheck(auth.Identity) error { return a.err }

func TestChain(t *testing.T) {
	yes, also := answers{id: auth.Identity{User: "ann"}}, answers{id: auth.Identity{User: "bob"}}
	no, never := answers{err: &auth.Error{Reason: "no"}}, answers{err: &auth.Error{Reason: "never"}}
	strange, odd := answers{err: &auth.Error{Reason: "strange", Foreign: true}}, answers{err: &auth.Error{Reason: "odd", Foreign: true}}
	unable, away := answers{err: errors.New("unable")}, answers{err: errors.New("away")}
	tests := []struct {
		name  string
		chain auth.Chain
		user  string
		want  string
	}{
		{"first", auth.Chain{yes, also}, "ann", ""},
		{"second", auth.Chain{no, strange, unable, also, yes}, "bob", ""},
		{"none accepts", auth.Chain{no, never}, "", "no"},
		{"a foreign reason counts less", auth.Chain{strange, no, odd, never}, "", "no"},
		{"all are foreign", auth.Chain{strange, odd}, "", "strange"},
		{"who could not check might have accepted", auth.Chain{strange, no, unable, away}, "", "unable"},
		{"nobody is asked", auth.Chain{}, "", "no token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := tt.chain.Authenticate(t.Context(), auth.Credentials{Token: "x"})
			if id.User != tt.user || (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
				t.Errorf("got %q, %v, want %q, %s", id.User, err, tt.user, tt.want)
			}
			err = tt.chain.Recheck(auth.Identity{User: "x"})
			want := tt.want
			if len(tt.chain) == 0 {
				want = "this kind of login is not accepted any more"
			}
			if (err == nil) != (want == "") || err != nil && err.Error() != want {
				t.Errorf("Recheck: got %v, want %s", err, want)
			}
		})
	}
}

// What a client is told is about what it has shown.
func TestReasonFitsTheToken(t *testing.T) {
	jwt := jwtOf(t, config())
	static := auth.Tokens{hashed(t, "reports", serviceToken)}
	broker := auth.NewBroker(auth.BrokerConfig{Checker: &logins{passwords: map[string]string{"ann": "pass"}}})
	expired := token(`{"sub":"ann","exp":1}`)
	tests := []struct {
		name  string
		shown auth.Credentials
		want  string
	}{
		{"nothing", auth.Credentials{}, "no token"},
		{"a JSON Web Token", auth.Credentials{Token: expired}, "token expired"},
		{"the same as passcode", auth.Credentials{Passcode: expired}, "token expired"},
		{"a static one", auth.Credentials{Token: "guessed"}, "token is not known"},
		{"a password", auth.Credentials{Login: "ann", Passcode: "guessed"}, "login or passcode is not right"},
		{"a login alone", auth.Credentials{Login: "ann"}, "no token"},
	}
	for _, order := range []auth.Chain{{jwt, static, broker}, {broker, static, jwt}, {static, broker, jwt}} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				_, err := order.Authenticate(t.Context(), tt.shown)
				if tt.shown.Token == "" && tt.shown.Passcode == "" { // any of them says it
					checkOneOf(t, err, "no token", "no login and passcode")
					return
				}
				checkError(t, err, tt.want)
			})
		}
	}
}

func checkOneOf(t *testing.T, err error, reasons ...string) {
	t.Helper()
	for _, reason := range reasons {
		if err != nil && err.Error() == reason {
			return
		}
	}
	t.Errorf("got %v, want one of %q", err, reasons)
}

func TestAnonymous(t *testing.T) {
	nothing, shown := auth.Credentials{Login: "ann"}, []auth.Credentials{{Token: "x"}, {Passcode: "x"}}
	for _, a := range []auth.Anonymous{{}, {Sole: true}} {
		id, err := a.Authenticate(t.Context(), nothing)
		if err != nil || id.User != auth.AnonymousUser || !id.Expires.IsZero() || id.By != auth.KindAnonymous {
			t.Errorf("nothing shown: got %v, %v", id, err)
		}
		if err := a.Recheck(id); err != nil {
			t.Errorf("Recheck: %v", err)
		}
		checkError(t, a.Recheck(auth.Identity{User: auth.AnonymousUser, By: auth.KindJWT}), "this kind of login is not accepted any more")
		for _, c := range shown {
			if _, err := a.Authenticate(t.Context(), c); (err == nil) != a.Sole {
				t.Errorf("sole %t: got %v", a.Sole, err)
			}
		}
	}
}

// A session stays after a reload while its own kind is there and still says yes.
func TestChainRecheck(t *testing.T) {
	jwt := jwtOf(t, config())
	static := auth.Tokens{hashed(t, "reports", serviceToken)}
	all := auth.Chain{jwt, static, auth.Anonymous{}}
	for _, c := range []auth.Credentials{{Token: token(`{"sub":"ann","exp":1800000000}`)}, {Token: serviceToken}, {}} {
		id, err := all.Authenticate(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for i, one := range all {
			gone := auth.Chain{}
			for j, a := range all {
				if i != j {
					gone = append(gone, a)
				}
			}
			if own := one.Recheck(id) == nil; own != (gone.Recheck(id) != nil) {
				t.Errorf("%s: the chain without its kind says %v", id.By, gone.Recheck(id))
			}
		}
	}
}

// A token is no password: what one kind recognises as its own, the broker never gets to see.
func TestTokensAreNotShownToTheBroker(t *testing.T) {
	good, expired := token(`{"sub":"ann","exp":1800000000}`), token(`{"sub":"ann","exp":1}`)
	encrypted := "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc"
	tests := []struct {
		name  string
		shown auth.Credentials
		asked int
		want  string
	}{
		{"token of another user", auth.Credentials{Login: "bob", Passcode: good}, 0, "login is not the token's user"},
		{"with its scheme", auth.Credentials{Login: "bob", Passcode: "Bearer " + good}, 0, "login is not the token's user"},
		{"expired", auth.Credentials{Login: "ann", Passcode: expired}, 0, "token expired"},
		{"of another key", auth.Credentials{Login: "ann", Passcode: signed(hs256, `{"sub":"ann","exp":1800000000}`, other)}, 0, "signature is not valid"},
		{"encrypted", auth.Credentials{Login: "ann", Passcode: encrypted}, 0, "token is encrypted, and the bridge has no key for that: have the issuer sign it alone"},
		{"static token of another login", auth.Credentials{Login: "bob", Passcode: serviceToken}, 0, "login is not the token's user"},
		{"as the login", auth.Credentials{Login: good, Passcode: "pass"}, 0, "*"}, // the first reason, in whatever order
		{"static token as the login", auth.Credentials{Login: serviceToken, Passcode: "pass"}, 0, "*"},
		{"by Basic", auth.Credentials{Login: "bob", Passcode: good, Basic: true}, 0, "login is not the token's user"},
		{"password with two dots", auth.Credentials{Login: "bob", Passcode: "a.b.c"}, 1, "login or passcode is not right"},
		{"password that begins as a token does", auth.Credentials{Login: "bob", Passcode: "eyJ.b.c"}, 1, "login or passcode is not right"},
		{"password", auth.Credentials{Login: "ann", Passcode: "pass"}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range 3 { // in any order
				l := &logins{passwords: map[string]string{"ann": "pass"}}
				chain := auth.Chain{auth.NewBroker(auth.BrokerConfig{Checker: l}), auth.Providers{jwtOf(t, config())}, auth.Tokens{hashed(t, "reports", serviceToken)}}
				chain = append(chain[i:], chain[:i]...)
				_, err := chain.Authenticate(t.Context(), tt.shown)
				if l.questions() != tt.asked {
					t.Errorf("order %d: the broker was asked %d times, want %d", i, l.questions(), tt.asked)
				}
				if tt.want != "*" || err == nil {
					checkError(t, err, tt.want)
				}
			}
		})
	}
	// Where no kind of token is on, a password may look like one: some brokers take tokens for it.
	l := &logins{passwords: map[string]string{"ann": good}}
	if _, err := (auth.Chain{auth.NewBroker(auth.BrokerConfig{Checker: l})}).Authenticate(t.Context(), auth.Credentials{Login: "ann", Passcode: good}); err != nil {
		t.Error(err)
	}
}

// HTTP's Basic is a login where the broker checks logins, and otherwise somebody else's.
func TestBasicIsALoginForTheBrokerAlone(t *testing.T) {
	basic := auth.Credentials{Login: "ann", Passcode: "pass", Basic: true}
	wrong := auth.Credentials{Login: "ann", Passcode: "guess", Basic: true}
	broker := auth.NewBroker(auth.BrokerConfig{Checker: &logins{passwords: map[string]string{"ann": "pass"}}})
	jwt, static, anonymous := auth.Providers{jwtOf(t, config())}, auth.Tokens{hashed(t, "pass", serviceToken)}, auth.Anonymous{}
	tests := []struct {
		name  string
		chain auth.Chain
		shown auth.Credentials
		user  string
		want  string
	}{
		{"right", auth.Chain{jwt, broker, anonymous}, basic, "ann", ""},
		{"wrong", auth.Chain{jwt, broker, anonymous}, wrong, "", "login or passcode is not right"},
		{"unreadable", auth.Chain{broker, anonymous}, auth.Credentials{Passcode: "***", Basic: true}, "", "no login"},
		{"without a broker", auth.Chain{jwt, static}, basic, "", "no token"},
		{"without a broker, but nothing is needed", auth.Chain{jwt, anonymous}, basic, "anonymous", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := tt.chain.Authenticate(t.Context(), tt.shown)
			checkError(t, err, tt.want)
			if id.User != tt.user {
				t.Errorf("got %q, want %q", id.User, tt.user)
			}
		})
	}
}

// Users of one name from two kinds can be told apart, and nobody passes for an anonymous client.
func TestNamesOfUsers(t *testing.T) {
	c := config()
	c.UserPrefix = "id:"
	people := auth.Providers{jwtOf(t, c)}
	broker := auth.NewBroker(auth.BrokerConfig{UserPrefix: "mqtt:", Checker: &logins{passwords: map[string]string{"ann": "pass"}}})
	chain := auth.Chain{people, broker}
	good := token(`{"sub":"ann","exp":1800000000}`)
	for _, tt := range []struct {
		shown auth.Credentials
		user  string
		want  string
	}{
		{auth.Credentials{Token: good}, "id:ann", ""},
		{auth.Credentials{Login: "ann", Passcode: good}, "id:ann", ""},
		{auth.Credentials{Login: "id:ann", Passcode: good}, "id:ann", ""},
		{auth.Credentials{Login: "mqtt:ann", Passcode: good}, "", "login is not the token's user"},
		{auth.Credentials{Login: "ann", Passcode: "pass"}, "mqtt:ann", ""},
	} {
		id, err := chain.Authenticate(t.Context(), tt.shown)
		checkError(t, err, tt.want)
		if id.User != tt.user {
			t.Errorf("got %q, want %q", id.User, tt.user)
		}
		if tt.want != "" {
			continue
		}
		if err := chain.Recheck(id); err != nil {
			t.Errorf("Recheck: %v", err)
		}
		// A reload that names users differently ends their sessions.
		plain := auth.Chain{auth.Providers{jwtOf(t, config())}, auth.NewBroker(auth.BrokerConfig{Checker: &logins{}})}
		if err := plain.Recheck(id); err == nil || (err.Error() != "token is of another user now" && id.By == auth.KindJWT) {
			t.Errorf("without prefixes: %v", err)
		}
	}

	const reserved = "the user anonymous is for clients without credentials alone"
	named := auth.Credentials{Token: token(`{"sub":"anonymous","exp":1800000000}`)}
	open := auth.Chain{auth.Providers{jwtOf(t, config())}, auth.Tokens{hashed(t, "anonymous", serviceToken)}, auth.Anonymous{}}
	for _, shown := range []auth.Credentials{named, {Token: serviceToken}} {
		_, err := open.Authenticate(t.Context(), shown)
		checkError(t, err, reserved)
		id, err := open[:2].Authenticate(t.Context(), shown)
		if err != nil || id.User != "anonymous" {
			t.Errorf("where nobody is anonymous: %v, %v", id, err)
		}
		checkError(t, open.Recheck(id), reserved)
	}
	prefixed := auth.Chain{people, auth.Anonymous{}}
	if id, err := prefixed.Authenticate(t.Context(), named); err != nil || id.User != "id:anonymous" {
		t.Errorf("with a prefix: %v, %v", id, err)
	}
}

// What cannot be read is named, with what can be done.
func TestTokensThatAreNotSigned(t *testing.T) {
	const opaque = "token is opaque, not a JSON Web Token: request one for an audience, so that the issuer makes a signed JWT"
	const encrypted = "token is encrypted, and the bridge has no key for that: have the issuer sign it alone"
	for value, want := range map[string]string{
		"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc":  encrypted,
		"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEifQ.AA.aaaa.bbbb.cccc": encrypted,
		"a.b.c.d.e":                          "token is not a JSON Web Token",
		"ya29.a0AfH6SMBx-opaque_token":       opaque,
		"gho_16C7e42F292c6912E7710c838347Ae": opaque,
		"2YotnFZFEjr1zCsicMWpAA==":           opaque,
		"short":                              "token is not a JSON Web Token",
		"with a space and long enough":       "token is not a JSON Web Token",
	} {
		_, err := authenticate(t, config(), value)
		checkError(t, err, want)
	}
}
