package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/plugin/listen"
)

const serviceToken = "R5XK2Q7D4WJ3N6ZVBTYHLMPCGA2SFE5U"

// tokenLine runs token --hash with the token on standard input, or none.
func tokenLine(t *testing.T, name, token string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := program{stdin: strings.NewReader(token), stdout: &out, stderr: &errs}
	if code := p.run(t.Context(), []string{"token", "--hash", name}); code != exitOK {
		t.Fatalf("code %d: %s", code, &errs)
	}
	return out.String(), errs.String()
}

// A token that is made is shown once, apart from the line that belongs in the file.
func TestTokenIsMade(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		line, told := tokenLine(t, "reports", "")
		_, token, ok := strings.Cut(strings.TrimSpace(told), ": ")
		if !ok || seen[token] || strings.Contains(line, token) {
			t.Fatalf("got the line %q and was told %q", line, told)
		}
		seen[token] = true
		again, quiet := tokenLine(t, "reports", token+"\n")
		if again != line || quiet != "" {
			t.Errorf("the token's line is %q, then %q; told %q", line, again, quiet)
		}
		tokens, mistakes := auth.ParseTokens([]byte(line))
		if len(tokens) != 1 || mistakes != nil {
			t.Fatalf("%q: %v", line, mistakes)
		}
		if id, err := auth.Tokens(tokens).Authenticate(t.Context(), auth.Credentials{Token: token}); err != nil || id.User != "reports" {
			t.Errorf("got %v, %v", id, err)
		}
	}
}

// listener connects with the token.
func (r *running) listener(token string) (*listen.Client, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	c, err := listen.Dial(ctx, listen.Config{URL: r.url(), Token: token, Queues: []string{"/queue/message"}})
	if err == nil {
		r.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func (r *running) reloaded(n int) {
	r.t.Helper()
	bridgetest.Eventually(r.t, "the reload", func() bool { return strings.Count(r.log.String(), "msg=reloaded") == n })
}

// The file of tokens is read again when it changes: whole, or not at all.
func TestTokensFileIsReloaded(t *testing.T) {
	b := startDemoBroker(t)
	file := filepath.Join(t.TempDir(), "tokens")
	reports, _ := tokenLine(t, "reports", serviceToken)
	backup, _ := tokenLine(t, "backup", serviceToken+"x")
	write(t, file, reports+backup)
	s := prepareSidecar(t, sourceRule("a/{n}", "first"), append(reloadEnviron(b), "BRIDGE_AUTH_TOKENS_FILE="+file)...)
	s.start()
	s.waitReady()
	first, err := s.listener(serviceToken)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.listener(serviceToken + "x")
	if err != nil {
		t.Fatal(err)
	}
	replace(t, file, "reports:"+serviceToken+"\n")
	bridgetest.Eventually(t, "the refusal", func() bool { return strings.Contains(s.log.String(), "reload refused") })
	if !strings.Contains(s.log.String(), file+":1:1: the hash is not a SHA-256 in 64 hexadecimal digits") {
		t.Error("the refusal does not name the line")
	}
	if _, err := s.listener(serviceToken); err != nil {
		t.Errorf("after a refused reload: %v", err)
	}
	replace(t, file, backup)
	s.reloaded(1)
	if _, err := first.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "401 token is not known") {
		t.Errorf("the session of the token that is gone: %v", err)
	}
	if _, err := s.listener(serviceToken); err == nil {
		t.Error("the token that is gone still works")
	}
	s.stays(second)
	if log := s.log.String(); strings.Contains(log, serviceToken) {
		t.Errorf("a token is logged:\n%s", log)
	}
}

// publishedKey makes a key: as it stands in a set, and a token that it has signed.
func publishedKey(t *testing.T, id string) (jwk, token string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})
	unsigned.Header["kid"] = id
	if token, err = unsigned.SignedString(key); err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":"%s","e":"%s"}`, id, encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes())), token
}

// Published keys outlive a reload while their server is away, and a new URL takes their place.
func TestKeySetOutlivesAReload(t *testing.T) {
	one, token := publishedKey(t, "one")
	var away atomic.Bool
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"keys":[%s]}`, one)
	}))
	defer keys.Close()

	b := startDemoBroker(t)
	s := prepareSidecar(t, sourceRule("a/{n}", "first"), append(reloadEnviron(b), "BRIDGE_AUTH_JWT_JWKS_URL="+keys.URL, "BRIDGE_AUTH_JWT_ALGORITHM=RS256")...)
	s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
	s.start()
	s.waitReady()
	if _, err := s.listener(token); err != nil {
		t.Fatal(err)
	}
	away.Store(true)
	replace(t, s.config, sourceRule("a/{n}", "second"))
	s.reloaded(1)
	c, err := s.listener(token)
	if err != nil {
		t.Fatalf("after a reload without the server: %v", err)
	}
	s.stays(c)
}

// Sessions whose key is not published any more end when that is known, and no others. Until then
// nobody can tell.
func TestWithdrawnKeys(t *testing.T) {
	one, firstToken := publishedKey(t, "one")
	two, secondToken := publishedKey(t, "two")
	answered := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answered) })
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/both" {
			fmt.Fprintf(w, `{"keys":[%s,%s]}`, one, two)
			return
		}
		<-answered
		fmt.Fprintf(w, `{"keys":[%s]}`, two)
	}))
	defer keys.Close()
	defer answer()
	published := func(path string) string {
		return "auth: {jwt: {algorithm: RS256, jwks_url: '" + keys.URL + path + "'}}\n" + sourceRule("a/{n}", "first")
	}
	b := startDemoBroker(t)
	s := prepareSidecar(t, published("/both"), reloadEnviron(b)...)
	s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
	s.start()
	s.waitReady()
	first, err := s.listener(firstToken)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.listener(secondToken)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, s.config, published("/one"))
	s.reloaded(1)
	for _, c := range []*listen.Client{first, second} {
		s.stays(c)
	}
	answer()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := first.Next(ctx); err == nil || !strings.Contains(err.Error(), "401 token is signed with a key that is not known") {
		t.Errorf("the session of the key that is gone: %v", err)
	}
	s.stays(second)
}

// A key set behind a private authority is fetched once its file names that one, and no more when it
// does not.
func TestKeySetOfAPrivateAuthority(t *testing.T) {
	one, token := publishedKey(t, "one")
	keys := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"keys":[%s]}`, one) }))
	keys.Config.ErrorLog = log.New(io.Discard, "", 0)
	keys.StartTLS()
	defer keys.Close()
	private := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: keys.Certificate().Raw}))
	another, _ := selfSigned(t, "another")

	b := startDemoBroker(t)
	s := prepareSidecar(t, "auth: {jwt: {algorithm: RS256, jwks_url: '"+keys.URL+"', jwks_ca_file: ca.pem}}\n"+sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
	authorities := filepath.Join(filepath.Dir(s.config), "ca.pem")
	write(t, authorities, another)
	s.start()
	bridgetest.Eventually(t, "the reason why it is not ready", func() bool {
		err := ask(t.Context(), "http://"+s.ops+"/readyz")
		return err != nil && strings.HasPrefix(err.Error(), "not ready: token keys: "+keys.URL+": not fetched yet: ")
	})
	const unchecked = "the token could not be checked"
	if _, err := s.listener(token); err == nil || !strings.Contains(err.Error(), unchecked) {
		t.Errorf("with another authority: got %v, want %q", err, unchecked)
	}
	replace(t, authorities, private)
	s.reloaded(1)
	c, err := s.listener(token)
	if err != nil {
		t.Fatalf("with the right authority: %v", err)
	}
	replace(t, s.config, "auth: {jwt: {algorithm: RS256, jwks_url: '"+keys.URL+"', jwks_ca_file: ca.pem}}\n"+sourceRule("a/{n}", "second"))
	s.reloaded(2)
	if n := strings.Count(s.log.String(), "fetched token keys"); n != 1 {
		t.Errorf("the keys were fetched %d times, want once for the same authority", n)
	}
	replace(t, authorities, another)
	s.reloaded(3)
	if _, err := s.listener(token); err == nil || !strings.Contains(err.Error(), unchecked) {
		t.Errorf("with another authority again: got %v, want %q", err, unchecked)
	}
	s.stays(c)
	replace(t, authorities, "")
	bridgetest.Eventually(t, "the refusal", func() bool { return strings.Contains(s.log.String(), "reload refused") })
	if !strings.Contains(s.log.String(), `config.yaml:1:`) || !strings.Contains(s.log.String(), "holds no certificate in PEM form") {
		t.Error("the refusal does not name the place and the mistake")
	}
}

// stays looks whether the client's session goes on.
func (r *running) stays(c *listen.Client) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Next(ctx); ctx.Err() == nil {
		r.t.Errorf("the session has ended: %v", err)
	}
}

// There is a warning at every start, and what anonymous clients show does not matter where nothing
// else is configured.
func TestAnonymousIsWarnedOf(t *testing.T) {
	b := startDemoBroker(t)
	s := prepareSidecar(t, sourceRule("a/{n}", "first"), append(reloadEnviron(b), "BRIDGE_AUTH_ANONYMOUS=true")...)
	s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
	s.start()
	s.waitReady()
	if log := s.log.String(); strings.Count(log, "clients may connect without a token or a password") != 1 {
		t.Errorf("no warning:\n%s", log)
	}
	if _, err := s.listener("anything"); err != nil {
		t.Error(err)
	}
}
