package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"mqtt-stomp-bridge/bridge/auth"
)

// jwk returns a key as it stands in a set.
func jwk(t testing.TB, kid string, key crypto.PublicKey, more ...string) string {
	t.Helper()
	made, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(made.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Join(append([]string{""}, more...), ",")
	return strings.TrimSuffix(string(text), "}") + fields + "}"
}

func keySet(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + "]}" }

// keyServer answers requests for a key set.
type keyServer struct {
	mu      sync.Mutex
	set     string
	err     error // instead of an answer
	status  int
	pause   time.Duration
	fetches int
}

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.fetches++
	pause := s.pause
	s.mu.Unlock()
	select {
	case <-time.After(pause):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: max(s.status, 200), Body: io.NopCloser(strings.NewReader(s.set)), Request: r}, nil
}

func (s *keyServer) change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *keyServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// keyHouse is a JWKS that runs, and an authenticator that uses it.
type keyHouse struct {
	t         *testing.T
	server    *keyServer
	keys      *auth.JWKS
	jwt       *auth.JWT
	withdrawn chan struct{}
	lines     *bytes.Buffer // logged
}

func newKeyHouse(t *testing.T, s *keyServer, algorithms ...string) *keyHouse {
	t.Helper()
	h := &keyHouse{t: t, server: s, withdrawn: make(chan struct{}, 1), lines: &bytes.Buffer{}}
	keys, err := auth.NewJWKS(auth.JWKSConfig{URL: "https://id.example.org/jwks.json", Client: &http.Client{Transport: s},
		Logger: slog.New(slog.NewTextHandler(h.lines, nil)), Withdrawn: h.withdrawn})
	if err != nil {
		t.Fatal(err)
	}
	h.keys = keys
	h.jwt, err = auth.NewJWT(auth.JWTConfig{JWKS: keys, Algorithms: algorithms, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { keys.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return h
}

// check authenticates; want is the reason, "" for none, or "?" when the token cannot be checked. It
// returns how long it took.
func (h *keyHouse) check(token, want string) time.Duration {
	h.t.Helper()
	began := time.Now()
	id, err := h.jwt.Authenticate(h.t.Context(), auth.Credentials{Token: token})
	var refused *auth.Error
	switch {
	case want == "?" && (err == nil || errors.As(err, &refused)):
		h.t.Errorf("got %v, want an error that is no refusal", err)
	case want == "?":
	default:
		checkError(h.t, err, want)
		if want == "" && id.User != "ann" {
			h.t.Errorf("got %q, want ann", id.User)
		}
	}
	return time.Since(began)
}

func withKid(kid any) map[string]any { return map[string]any{"kid": kid} }

const unknownKey = "token is signed with a key that is not known"

func TestJWKS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		weak := jwk(t, "weak", publicOf("weak RSA")[0])
		set := keySet(jwk(t, "rsa", publicOf("RSA")[0], `"alg":"RS256"`, `"use":"sig"`), jwk(t, "ec", publicOf("P-256")[0]), jwk(t, "ed", publicOf("Ed25519")[0]),
			jwk(t, "p384", publicOf("P-384")[0]), weak, jwk(t, "enc", publicOf("other RSA")[0], `"use":"enc"`),
			jwk(t, "oaep", publicOf("other RSA")[0], `"alg":"RSA-OAEP"`), `{"kty":"oct","kid":"oct","k":"c2VjcmV0"}`, `{"kty":"EC","crv":"secp256k1","kid":"k1","x":"AA","y":"AA"}`, `{"kty":"other"}`)
		h := newKeyHouse(t, &keyServer{set: set}, "RS256", "PS256", "ES256", "EdDSA")
		for algorithm, key := range map[string]string{"RS256": "RSA", "ES256": "P-256", "EdDSA": "Ed25519"} {
			kid := map[string]string{"RSA": "rsa", "P-256": "ec", "Ed25519": "ed"}[key]
			h.check(signedBy(t, algorithm, key, withKid(kid), annClaims), "")
			h.check(signedBy(t, algorithm, key, nil, annClaims), "") // any key may have signed it
		}
		const bad, notSigned = "signature is not valid", "token is not signed with RS256 or PS256 or ES256 or EdDSA"
		h.check(signedBy(t, "RS256", "other RSA", withKid("rsa"), annClaims), bad)
		h.check(signedBy(t, "RS256", "RSA", withKid("ec"), annClaims), bad)
		h.check(signedBy(t, "PS256", "RSA", withKid("rsa"), annClaims), bad) // the set says RS256
		h.check(signedBy(t, "PS256", "RSA", nil, annClaims), bad)            // also of the key that is not named
		h.check(signedBy(t, "ES384", "P-384", map[string]any{"kid": "p384", "alg": "ES256"}, annClaims), bad)
		h.check(signedBy(t, "ES384", "P-384", withKid("p384"), annClaims), notSigned)
		h.check(signedBy(t, "RS256", "RSA", withKid(7), annClaims), bad)
		h.check(signed(`{"alg":"HS256","kid":"oct"}`, `{"sub":"ann","exp":1800000000}`, []byte("secret")), notSigned)
		h.check(signed(`{"alg":"RS256","kid":"oct"}`, `{"sub":"ann","exp":1800000000}`, []byte("secret")), unknownKey)
		h.check(signedBy(t, "RS256", "weak RSA", withKid("weak"), annClaims), unknownKey)
		h.check(signedBy(t, "RS256", "other RSA", withKid("enc"), annClaims), unknownKey)
		h.check(signedBy(t, "RS256", "other RSA", withKid("oaep"), annClaims), unknownKey)
		h.check(signedBy(t, "RS256", "other RSA", nil, annClaims), bad)
		h.check(signedBy(t, "RS256", "RSA", withKid("../../etc/passwd"), annClaims), unknownKey)
		h.check(signedBy(t, "RS256", "RSA", withKid("https://evil.example.org/"), annClaims), unknownKey)
		if n := h.server.count(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

// Several keys may have one name (RFC 7517, 4.5): those for the token's algorithm count.
func TestJWKSNamesakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newKeyHouse(t, &keyServer{set: keySet(jwk(t, "one", publicOf("P-256")[0]), jwk(t, "one", publicOf("RSA")[0], `"alg":"PS256"`),
			jwk(t, "one", publicOf("other RSA")[0]))}, "RS256", "PS256", "ES256")
		for _, one := range [][2]string{{"ES256", "P-256"}, {"PS256", "RSA"}, {"RS256", "other RSA"}, {"PS256", "other RSA"}} {
			h.check(signedBy(t, one[0], one[1], withKid("one"), annClaims), "")
			h.check(signedBy(t, one[0], one[1], nil, annClaims), "")
		}
		h.check(signedBy(t, "RS256", "RSA", withKid("one"), annClaims), "signature is not valid")
	})
}

// A token by a new key makes the set be fetched again, at most every ten seconds.
func TestJWKSRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keyServer{set: keySet(jwk(t, "old", publicOf("RSA")[0])), pause: time.Second}
		h := newKeyHouse(t, s, "RS256")
		old := signedBy(t, "RS256", "RSA", withKid("old"), annClaims)
		fresh := signedBy(t, "RS256", "other RSA", withKid("new"), annClaims)
		if d := h.check(old, ""); d != time.Second {
			t.Errorf("the first token took %v, want the fetch's second", d)
		}
		id, err := h.jwt.Authenticate(t.Context(), auth.Credentials{Token: old})
		if err != nil {
			t.Fatal(err)
		}
		s.change(func() { s.set = keySet(jwk(t, "new", publicOf("other RSA")[0])) })
		h.check(fresh, unknownKey) // the set has only just been fetched
		time.Sleep(10 * time.Second)
		if err := h.jwt.Recheck(id); err != nil {
			t.Errorf("Recheck before the fetch: %v", err)
		}
		if d := h.check(fresh, ""); d != time.Second {
			t.Errorf("the new key's token took %v, want the fetch's second", d)
		}
		h.check(old, unknownKey)
		checkError(t, h.jwt.Recheck(id), unknownKey)
		if d := h.check(fresh, ""); d != 0 {
			t.Errorf("a known key's token took %v", d)
		}
		// Made-up keys cost a fetch each ten seconds.
		before := s.count()
		for i := range 600 {
			h.check(signedBy(t, "RS256", "other RSA", withKid(fmt.Sprint(i)), annClaims), unknownKey)
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.count() - before; n < 5 || n > 7 {
			t.Errorf("%d fetches in a minute of made-up keys, want one in ten seconds", n)
		}
		before = s.count()
		time.Sleep(time.Hour)
		if n := s.count() - before; n != 6 {
			t.Errorf("%d fetches in a quiet hour, want 6", n)
		}
	})
}

// Only a fetch that takes something away tells of it, so that sessions are not rechecked in vain.
func TestJWKSWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rsaKey, other, ec := publicOf("RSA")[0], publicOf("other RSA")[0], publicOf("P-256")[0]
		one, two, three := jwk(t, "one", rsaKey), jwk(t, "two", other), jwk(t, "three", ec)
		s := &keyServer{err: errors.New("connection refused")}
		h := newKeyHouse(t, s, "RS256", "ES256")
		for _, step := range []struct {
			name string
			set  string // "": the server is away
			want bool
		}{
			{"never fetched", "", false},
			{"first", keySet(one, two), true},
			{"same", keySet(one, two), false},
			{"other order", keySet(two, one), false},
			{"new key", keySet(three, two, one), false},
			{"away", "", false},
			{"same, after it was away", keySet(one, two, three), false},
			{"key gone", keySet(one, three), true},
			{"same, without it", keySet(one, three), false},
			{"no key", keySet(), false},
			{"no key for signatures", keySet(jwk(t, "one", rsaKey, `"use":"enc"`)), false},
			{"half an answer", keySet(one, three)[:100], false},
			{"same, after mistakes", keySet(one, three), false},
			{"other key of the same name", keySet(jwk(t, "one", other), three), true},
			{"same key of another name", keySet(jwk(t, "two", other), three), true},
			{"same key for one algorithm", keySet(jwk(t, "two", other, `"alg":"RS256"`), three), true},
			{"key not for signatures any more", keySet(jwk(t, "two", other, `"alg":"RS256"`), jwk(t, "three", ec, `"use":"enc"`)), true},
			{"all others", keySet(one), true},
		} {
			s.change(func() {
				s.set, s.err = step.set, nil
				if step.set == "" {
					s.err = errors.New("connection refused")
				}
			})
			time.Sleep(11 * time.Minute)
			synctest.Wait()
			told := len(h.withdrawn) > 0
			for len(h.withdrawn) > 0 {
				<-h.withdrawn
			}
			if told != step.want {
				t.Errorf("%s: told %v, want %v", step.name, told, step.want)
			}
		}
		// Nobody waits for a receiver.
		for _, set := range []string{keySet(two), keySet(three), keySet(one)} {
			s.change(func() { s.set = set })
			time.Sleep(11 * time.Minute)
		}
		h.check(signedBy(t, "RS256", "RSA", withKid("one"), annClaims), "")
		synctest.Wait()
		if n := strings.Count(h.lines.String(), "token keys were withdrawn"); n != 9 {
			t.Errorf("logged %d times, want 9:\n%s", n, h.lines)
		}
	})
}

func TestJWKSOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := keySet(jwk(t, "rsa", publicOf("RSA")[0]))
		s := &keyServer{set: good, err: errors.New("connection refused")}
		h := newKeyHouse(t, s, "RS256")
		token := signedBy(t, "RS256", "RSA", withKid("rsa"), annClaims)
		fresh := signedBy(t, "RS256", "other RSA", withKid("new"), annClaims)
		h.check(token, "?")
		h.check(signedBy(t, "RS256", "RSA", nil, annClaims), "?")
		h.check("abc", "token is not a JSON Web Token")
		h.check(token, "?")
		if n := s.count(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
		s.change(func() { s.err = nil })
		time.Sleep(10 * time.Second)
		h.check(token, "")

		for name, broken := range map[string]func(){
			"away":      func() { s.err = errors.New("connection refused") },
			"500":       func() { s.status = 500 },
			"not JSON":  func() { s.set = "<html>" },
			"no keys":   func() { s.set = keySet() },
			"no object": func() { s.set = "null" },
			"weak keys": func() { s.set = keySet(jwk(t, "rsa", publicOf("weak RSA")[0])) },
			"too long":  func() { s.set = `{"x":"` + strings.Repeat("x", 512<<10) + `",` + good[1:] },
			"too slow":  func() { s.pause = time.Minute },
		} {
			s.change(broken)
			time.Sleep(11 * time.Minute)
			if d := h.check(token, ""); d != 0 {
				t.Errorf("%s: a known key's token took %v", name, d)
			}
			if d := h.check(fresh, "?"); d > 5*time.Second { // perhaps its key is a new one
				t.Errorf("%s: a new key's token took %v", name, d)
			}
			s.change(func() { s.err, s.status, s.set, s.pause = nil, 0, good, 0 })
			time.Sleep(15 * time.Second)
			h.check(token, "")
			h.check(fresh, unknownKey)
		}
		synctest.Wait()
		if got := h.lines.String(); strings.Count(got, "no token can be checked until a fetch succeeds") != 1 || strings.Count(got, "the known ones stay in use") != 8 ||
			strings.Count(got, "fetched token keys") != 9 {
			t.Errorf("logged:\n%s", got)
		}
		if got := h.lines.String(); strings.Contains(got, token[:20]) {
			t.Errorf("a token was logged:\n%s", got)
		}
	})
}

// Who leaves while keys are fetched does not end the fetch, which is for all.
func TestJWKSClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keyServer{set: keySet(jwk(t, "rsa", publicOf("RSA")[0])), pause: 2 * time.Second}
		h := newKeyHouse(t, s, "RS256")
		token := signedBy(t, "RS256", "RSA", withKid("rsa"), annClaims)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.jwt.Authenticate(ctx, auth.Credentials{Token: token}); err == nil {
			t.Error("accepted before the keys were there")
		}
		if d := h.check(token, ""); d != time.Second {
			t.Errorf("took %v, want the second that was left", d)
		}
		if n := s.count(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestCheckKeysURL(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://id.example.org/jwks.json?v=2": true, "http://127.0.0.1:8080/keys": true, "http://[::1]/keys": true, "http://localhost/keys": true,
		"http://id.example.org/": false, "http://127.0.0.1.example.org/": false, "http://localhost.example.org/": false, "ftp://127.0.0.1/": false,
		"file:///etc/keys.json": false, "https:///keys": false, "https://u:p@id.example.org/": false, "/keys": false, "https://id.example.org/#a": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := auth.CheckKeysURL(u, false); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := auth.NewJWKS(auth.JWKSConfig{URL: text}); (err == nil) != ok {
			t.Errorf("NewJWKS %s: %v", text, err)
		}
	}
	for text, ok := range map[string]bool{
		"http://keycloak:8080/certs": true, "https://keycloak/certs": true, "ftp://keycloak/certs": false, "http://u:p@keycloak/": false, "http:///certs": false,
	} {
		if _, err := auth.NewJWKS(auth.JWKSConfig{URL: text, InsecureHTTP: true}); (err == nil) != ok {
			t.Errorf("with InsecureHTTP, NewJWKS %s: %v", text, err)
		}
	}
}

// Keys are not fetched from where a redirect leads, unless it is as good a place.
func TestJWKSRedirect(t *testing.T) {
	var good *httptest.Server
	good = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/keys":
			io.WriteString(w, keySet(jwk(t, "rsa", publicOf("RSA")[0])))
		case "/near":
			http.Redirect(w, r, good.URL+"/keys", http.StatusFound)
		default:
			http.Redirect(w, r, "http://keys.invalid/", http.StatusFound)
		}
	}))
	defer good.Close()
	token := signedBy(t, "RS256", "RSA", withKid("rsa"), jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})
	for path, ok := range map[string]bool{"/near": true, "/far": false} {
		var lines bytes.Buffer
		keys, err := auth.NewJWKS(auth.JWKSConfig{URL: good.URL + path, Logger: slog.New(slog.NewTextHandler(&lines, nil))})
		if err != nil {
			t.Fatal(err)
		}
		a, err := auth.NewJWT(auth.JWTConfig{JWKS: keys, Algorithms: []string{"RS256"}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { keys.Run(ctx) })
		if _, err := a.Authenticate(t.Context(), auth.Credentials{Token: token}); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
		cancel()
		running.Wait()
		if !ok && !strings.Contains(lines.String(), "by http from a loopback address") {
			t.Errorf("%s: logged %s", path, lines.String())
		}
	}
}
