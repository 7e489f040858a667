package auth_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/auth"
)

func bearer(token string) string {
	return "bearer." + base64.RawURLEncoding.EncodeToString([]byte(token))
}

func TestFromHandshake(t *testing.T) {
	const malformed = "subprotocol bearer is not followed by a token in base64url"
	long := strings.Repeat("x", 16<<10)
	tests := []struct {
		name          string
		authorization []string
		protocols     []string // header lines
		token         string
		want          string // reason; empty: none
	}{
		{name: "nothing"},
		{name: "raw", authorization: []string{"abc"}, token: "abc"},
		{name: "Bearer", authorization: []string{"Bearer abc"}, token: "abc"},
		{name: "Bearer without a token", authorization: []string{"Bearer "}},
		{name: "twice the same", authorization: []string{"Bearer abc", "abc"}, token: "abc"},
		{name: "twice", authorization: []string{"abc", "abd"}, want: "two different tokens"},

		{name: "Digest", authorization: []string{`Digest username="ann", realm="proxy"`}},
		{name: "Negotiate", authorization: []string{"negotiate YIIJ"}},
		{name: "a proxy's beside a token", authorization: []string{"NTLM TlRM", "Bearer abc"}, token: "abc"},

		{name: "subprotocols alone", protocols: []string{"v12.stomp, v11.stomp"}},
		{name: "beside a subprotocol", protocols: []string{bearer("a.b.c") + ", v12.stomp"}, token: "a.b.c"},
		{name: "after it, on a line of its own", protocols: []string{"v12.stomp", bearer("a.b.c")}, token: "a.b.c"},
		{name: "without spaces", protocols: []string{"v12.stomp," + bearer("abc") + ",v11.stomp"}, token: "abc"},
		{name: "alone", protocols: []string{bearer("abc")}, token: "abc"},
		{name: "all letters of the alphabet", protocols: []string{bearer("\xfb\xff\xfe")}, token: "\xfb\xff\xfe"},
		{name: "empty entries", protocols: []string{", ,v12.stomp,"}},
		{name: "16 KiB", protocols: []string{bearer(long)}, token: long},
		{name: "over 16 KiB", protocols: []string{bearer(long + "x")}, want: "token is too long"},
		{name: "no token", protocols: []string{"bearer."}, want: malformed},
		{name: "padding", protocols: []string{"bearer.YQ=="}, want: malformed},
		{name: "standard alphabet", protocols: []string{"bearer.+/+/"}, want: malformed},
		{name: "the token itself", protocols: []string{"bearer.eyJ.eyJ.abc"}, want: malformed},
		{name: "line break within", protocols: []string{"bearer.YW\nJj"}, want: malformed},
		{name: "bits left over", protocols: []string{"bearer.YR"}, want: malformed},
		{name: "another letter case", protocols: []string{"Bearer.YWJj"}},
		{name: "two entries", protocols: []string{bearer("abc") + "," + bearer("abd")}, want: "two different tokens"},
		{name: "the same in both", authorization: []string{"Bearer abc"}, protocols: []string{bearer("abc")}, token: "abc"},
		{name: "different in both", authorization: []string{"Bearer abc"}, protocols: []string{bearer("abd")}, want: "two different tokens"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for _, v := range tt.authorization {
				h.Add("Authorization", v)
			}
			for _, v := range tt.protocols {
				h.Add("Sec-WebSocket-Protocol", v)
			}
			got, err := auth.FromHandshake(h)
			if got != (auth.Credentials{Token: tt.token}) { // they print as nothing
				t.Errorf("got a token of %d bytes, want %d; login %q", len(got.Token), len(tt.token), got.Login)
			}
			checkError(t, err, tt.want)
		})
	}
}

// checkError looks for an *Error of that reason, or for none.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	var refused *auth.Error
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %v, want none", err)
	case want != "" && (!errors.As(err, &refused) || err.Error() != want):
		t.Errorf("got error %v, want an *Error %s", err, want)
	}
}

func TestWithConnect(t *testing.T) {
	remote := netip.MustParseAddr("192.0.2.1")
	tests := []struct {
		name                                      string
		handshake, authorization, login, passcode string
		token, withLogin, withPasscode            string
		want                                      string
	}{
		{name: "nothing"},
		{name: "handshake alone", handshake: "abc", token: "abc"},
		{name: "frame alone", authorization: "Bearer abc", token: "abc"},
		{name: "both alike", handshake: "abc", authorization: "Bearer abc", token: "abc"},
		{name: "both", handshake: "abc", authorization: "abd", want: "two different tokens"},
		{name: "login and passcode", login: "ann", passcode: "pass", withLogin: "ann", withPasscode: "pass"},
		{name: "passcode alone", passcode: "abc", withPasscode: "abc"},
		{name: "login alone", login: "ann", withLogin: "ann"},
		{name: "login beside a token", handshake: "abc", login: "ann", token: "abc"},
		{name: "passcode is the token", handshake: "abc", login: "ann", passcode: "abc", token: "abc"},
		{name: "passcode is the token, as Bearer", authorization: "abc", passcode: "Bearer abc", token: "abc"},
		{name: "passcode beside a token", handshake: "abc", login: "ann", passcode: "pass", token: "abc"},
		{name: "another token as passcode", handshake: "abc", login: "ann", passcode: "a.b.c", want: "two different tokens"},
		{name: "another token as passcode in the frame", authorization: "abc", passcode: "a.b.c", want: "two different tokens"},
		{name: "passcode with spaces", login: "ann", passcode: " p ", withLogin: "ann", withPasscode: " p "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := auth.Credentials{Token: tt.handshake, Remote: remote}
			got, err := c.WithConnect(tt.authorization, tt.login, tt.passcode)
			want := auth.Credentials{Token: tt.token, Login: tt.withLogin, Passcode: tt.withPasscode, Remote: remote}
			if tt.want != "" {
				want = auth.Credentials{}
			}
			if got != want { // they print as nothing
				t.Errorf("got token %q, login %q, passcode %q", got.Token, got.Login, got.Passcode)
			}
			checkError(t, err, tt.want)
		})
	}
}

// A login of HTTP's Basic counts where the client shows nothing of its own.
func TestBasic(t *testing.T) {
	const annPass = "Basic YW5uOnBhc3M6dw==" // ann, pass:w
	login := func(login, passcode string, basic bool) auth.Credentials {
		return auth.Credentials{Login: login, Passcode: passcode, Basic: basic}
	}
	tests := []struct {
		name                           string
		handshake                      []string
		authorization, login, passcode string
		want                           auth.Credentials
	}{
		{name: "in the handshake", handshake: []string{annPass}, want: login("ann", "pass:w", true)},
		{name: "in another letter case", handshake: []string{"BASIC  YW5uOnBhc3M6dw=="}, want: login("ann", "pass:w", true)},
		{name: "in the frame", authorization: annPass, want: login("ann", "pass:w", true)},
		{name: "in both: the client's own counts", handshake: []string{annPass}, authorization: "Basic Ym9iOmI=", want: login("bob", "b", true)},
		{name: "beside a login", handshake: []string{annPass}, login: "bob", passcode: "b", want: login("bob", "b", false)},
		{name: "beside a login without a passcode", handshake: []string{annPass}, login: "bob", want: login("ann", "pass:w", true)},
		{name: "beside a token", handshake: []string{annPass}, authorization: "Bearer abc", want: auth.Credentials{Token: "abc"}},
		{name: "beside a token in the handshake", handshake: []string{annPass, "Bearer abc"}, want: auth.Credentials{Token: "abc"}},
		{name: "twice", handshake: []string{annPass, "Basic Ym9iOmI="}, want: login("ann", "pass:w", true)},
		{name: "not base64", handshake: []string{"Basic ***"}, want: login("", "***", true)},
		{name: "no colon", handshake: []string{"Basic YW5u"}, want: login("ann", "", true)},
		{name: "nothing", handshake: []string{"Basic"}, want: login("", "", true)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			shown, err := auth.FromHandshake(http.Header{"Authorization": tt.handshake})
			if err != nil {
				t.Fatal(err)
			}
			got, err := shown.WithConnect(tt.authorization, tt.login, tt.passcode)
			if err != nil || got != tt.want {
				t.Errorf("got login %q, passcode %q, token %q, basic %t, %v", got.Login, got.Passcode, got.Token, got.Basic, err)
			}
		})
	}
}

func TestCredentialsDoNotPrint(t *testing.T) {
	c := auth.Credentials{Token: "hunter22", Login: "hunter22", Passcode: "hunter22"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{c, &c, []auth.Credentials{c}, struct{ C auth.Credentials }{c}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "hunter22") || strings.Contains(got, "68756e746572") {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
}

// What a handshake shows is found again, whatever stands around it, and errors hold nothing of it.
func FuzzFromHandshake(f *testing.F) {
	f.Add("Bearer abc", "v12.stomp, bearer.YWJj")
	f.Add("", "bearer.YWJj,bearer.YWJk")
	f.Add("abc", "bearer.,,bearer")
	reasons := map[string]bool{"two different tokens": true, "token is too long": true,
		"subprotocol bearer is not followed by a token in base64url": true}
	f.Fuzz(func(t *testing.T, authorization, protocols string) {
		h := http.Header{"Authorization": {authorization}, "Sec-Websocket-Protocol": {protocols}}
		shown, err := auth.FromHandshake(h)
		token := shown.Token
		if err != nil {
			if !reasons[err.Error()] || shown != (auth.Credentials{}) {
				t.Errorf("got %q, %v", token, err)
			}
			return
		}
		h.Add("Sec-WebSocket-Protocol", bearer(token))
		again, err := auth.FromHandshake(h)
		if token == "" || len(token) > 16<<10 {
			return
		}
		if err != nil || again.Token != token {
			t.Errorf("with the token once more: %q, %v, want %q", again.Token, err, token)
		}
		h.Del("Sec-WebSocket-Protocol")
		if shown, err = auth.FromHandshake(h); err != nil {
			t.Fatal(err)
		}
		if c, err := (auth.Credentials{}).WithConnect(authorization, "", ""); err != nil || c != shown {
			t.Errorf("CONNECT with the same: %v", err)
		}
	})
}

// An identity keeps its token for Recheck, and does not print it.
func TestIdentityDoesNotPrintItsToken(t *testing.T) {
	value := token(`{"sub":"ann","exp":1800000000}`)
	id, err := authenticate(t, config(), value)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if got := fmt.Sprintf(verb, id); strings.Contains(got, value[:len(value)/2]) {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
