package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

// An issuer makes tokens, and publishes its keys at a server that may behave badly.
type issuer struct {
	url  string
	name string

	mu       sync.Mutex
	keys     []string // as the set has them
	signing  *rsa.PrivateKey
	kid      string
	behaving func(http.ResponseWriter, *http.Request) // nil: well
}

// rotate makes a new key, which is published in place of the others, or beside them.
func (i *issuer) rotate(t *testing.T, kid string, beside ...string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	published := fmt.Sprintf(`{"kty":"RSA","kid":%q,"alg":"RS256","use":"sig","n":"%s","e":"%s"}`,
		kid, encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes()))
	i.mu.Lock()
	defer i.mu.Unlock()
	i.signing, i.kid, i.keys = key, kid, append(beside, published)
}

func (i *issuer) behave(how func(http.ResponseWriter, *http.Request)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.behaving = how
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	how, set := i.behaving, fmt.Sprintf(`{"keys":[%s]}`, strings.Join(i.keys, ","))
	i.mu.Unlock()
	if how != nil {
		how(w, r)
		return
	}
	io.WriteString(w, set)
}

// token returns a token of the newest key.
func (i *issuer) token(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"iss": i.url, "sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	unsigned := jwt.NewWithClaims(jwt.SigningMethodRS256, all)
	unsigned.Header["kid"] = i.kid
	token, err := unsigned.SignedString(i.signing)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// realms serves the key sets of some issuers.
func realms(t *testing.T, names ...string) map[string]*issuer {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections() // some answers never end
		server.Close()
	})
	all := map[string]*issuer{}
	for _, name := range names {
		i := &issuer{url: server.URL + "/realms/" + name, name: name}
		i.rotate(t, name+"-1")
		mux.Handle("/realms/"+name+"/certs", i)
		all[name] = i
	}
	return all
}

// misbehaviours are what servers of key sets do.
var misbehaviours = map[string]func(http.ResponseWriter, *http.Request){
	"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"error": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no database", http.StatusInternalServerError)
	},
	"huge": func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(strings.Repeat(" ", 4<<20) + `{"keys":[]}`))
	},
	"redirect": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://keys.invalid/", http.StatusFound)
	},
	"garbage": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Sign in</html>") },
	"empty":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"keys":[]}`) },
	"cut": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "999")
		io.WriteString(w, `{"keys":[`)
	},
}

// providersConfig has the issuers as providers, and a secret for services beside them.
func providersConfig(issuers map[string]*issuer) string {
	var b strings.Builder
	b.WriteString("auth:\n  jwt:\n")
	for _, i := range issuers {
		fmt.Fprintf(&b, "    - issuer: %s\n      jwks_url: %[1]s/certs\n      algorithm: RS256\n      groups_claim: realm_access.roles\n", i.url)
	}
	fmt.Fprintf(&b, "    - secret: %s\n", "${SERVICES}")
	return b.String() + sourceRule("a/{n}", "first")
}

// Several issuers rotate their keys while their servers behave badly, each in its way. What is
// known goes on, what is new waits for its own server alone, and when that has come to its senses,
// the new keys count and the old ones do not.
func TestIssuersThatBehaveBadly(t *testing.T) {
	t.Parallel()
	names := []string{"steady", "late", "onebad"}
	for name := range misbehaviours {
		names = append(names, name)
	}
	all := realms(t, names...)
	all["late"].behave(misbehaviours["error"])

	b := startDemoBroker(t)
	s := prepareSidecar(t, providersConfig(all), append(reloadEnviron(b), "SERVICES="+bridgetest.Secret)...)
	s.withoutVariable("BRIDGE_AUTH_JWT_SECRET")
	s.start()
	notReady := "token keys: " + all["late"].url + "/certs: not fetched yet: the server answers 500"
	bridgetest.Eventually(t, "the reason why it is not ready", func() bool {
		err := ask(t.Context(), "http://"+s.ops+"/readyz")
		return err != nil && strings.Contains(err.Error(), notReady)
	})
	enters := func(name, token string) {
		t.Helper()
		if _, err := s.listener(token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused := func(name, token, want string) {
		t.Helper()
		if _, err := s.listener(token); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	const unchecked = "the token could not be checked"
	refused("late", all["late"].token(t, nil), unchecked)
	all["late"].behave(nil)
	s.waitReady()
	enters("late", all["late"].token(t, nil))

	old := map[string]string{}
	for name, i := range all {
		old[name] = i.token(t, jwt.MapClaims{"realm_access": map[string]any{"roles": []any{"agents", 12}}})
		enters(name, old[name])
	}
	enters("services", signed(t, time.Hour, jwt.MapClaims{"sub": "reports"}))
	refused("another issuer's key", forged(t, all["steady"], all["late"].url), "401 token is signed with a key that is not known")
	if !strings.Contains(s.log.String(), `groups="[agents 12]"`) {
		t.Error("the log at debug does not say which groups a session has")
	}

	for name, how := range misbehaviours {
		all[name].rotate(t, name+"-2")
		all[name].behave(how)
	}
	all["onebad"].rotate(t, "onebad-2", `{"kty":"RSA","kid":"onebad-broken","e":"AQAB"}`)
	time.Sleep(10 * time.Second) // by when a new key is a reason to fetch again
	var fresh sync.WaitGroup
	for name := range misbehaviours {
		fresh.Go(func() { refused(name, all[name].token(t, nil), unchecked) })
		fresh.Go(func() { enters(name, old[name]) })
	}
	fresh.Go(func() { enters("onebad", all["onebad"].token(t, nil)) })
	fresh.Go(func() { enters("steady", old["steady"]) })
	fresh.Wait()
	refused("onebad, its key before", old["onebad"], "401 token is signed with a key that is not known")
	if n := strings.Count(s.log.String(), "kid=onebad-broken"); n != 1 {
		t.Errorf("the bad key is logged %d times, want once", n)
	}
	if err := ask(t.Context(), "http://"+s.ops+"/readyz"); err != nil {
		t.Errorf("with keys that are known it must be ready: %v", err)
	}

	for name := range misbehaviours {
		all[name].behave(nil)
	}
	for name := range misbehaviours {
		bridgetest.Eventually(t, name+"'s new key", func() bool {
			_, err := s.listener(all[name].token(t, nil))
			return err == nil
		})
		refused(name, old[name], "401 token is signed with a key that is not known")
	}
	enters("steady", old["steady"])
	metrics := bridgetest.Metrics(s.ops)
	for name, i := range all {
		failed := !strings.Contains(metrics, fmt.Sprintf("mqtt_stomp_bridge_token_keys_fetch_errors_total{url=%q} 0\n", i.url+"/certs"))
		if want := !slices.Contains([]string{"steady", "onebad"}, name); failed != want {
			t.Errorf("%s: failed fetches are counted: %t, want %t", name, failed, want)
		}
	}
}

// forged returns a token of one issuer's key that says it is from another.
func forged(t *testing.T, i *issuer, other string) string {
	t.Helper()
	return i.token(t, jwt.MapClaims{"iss": other})
}
