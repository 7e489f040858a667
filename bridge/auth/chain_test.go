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
