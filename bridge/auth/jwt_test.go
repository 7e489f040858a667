package auth_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mqtt-stomp-bridge/bridge/auth"
)

var (
	secret = []byte("a secret for tests of 32 bytes..")
	other  = []byte("another one, also with 32 bytes.")
	now    = time.Unix(1_700_000_000, 0)
)

// exported compares identities without what only their authenticator sees.
var exported = cmpopts.IgnoreUnexported(auth.Identity{})

func config() auth.JWTConfig {
	return auth.JWTConfig{Secrets: [][]byte{secret}, Now: func() time.Time { return now }}
}

// signed returns a token with that header and those claims, as JSON, signed by HMAC with SHA-256.
func signed(header, claims string, key []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

func token(claims string) string { return signed(hs256, claims, secret) }

func authenticate(t *testing.T, c auth.JWTConfig, authorization string) (auth.Identity, error) {
	t.Helper()
	return jwtOf(t, c).Authenticate(t.Context(), auth.Credentials{Token: auth.Token(authorization)})
}

func jwtOf(t testing.TB, c auth.JWTConfig) *auth.JWT {
	t.Helper()
	a, err := auth.NewJWT(c)
	if err != nil {
		t.Fatalf("NewJWT: %v", err)
	}
	return a
}

func checkReason(t *testing.T, id auth.Identity, err error, want string) {
	t.Helper()
	var refused *auth.Error
	if !errors.As(err, &refused) {
		t.Fatalf("got identity %v and error %v, want an *Error", id, err)
	}
	if err.Error() != want || id.User != "" {
		t.Errorf("got %q and user %q, want %q", err, id.User, want)
	}
}

func TestFormsOfAuthorization(t *testing.T) {
	good := token(`{"sub":"ann","exp":1700000001}`)
	for _, value := range []string{good, "Bearer " + good, "bearer " + good, "BEARER " + good, "Bearer   " + good, " " + good + " "} {
		id, err := authenticate(t, config(), value)
		if err != nil || id.User != "ann" {
			t.Errorf("Authenticate(%.9q...) = %v, %v, want ann", value, id, err)
		}
	}
	for value, want := range map[string]string{
		"":                  "no token",
		" ":                 "no token",
		"Bearer":            "no token",
		"Bearer ":           "no token",
		"Basic YTpi":        "token is not a JSON Web Token",
		"Bearer: " + good:   "token is not a JSON Web Token",
		"Bearer, " + good:   "token is not a JSON Web Token",
		good + " " + good:   "token is not a JSON Web Token",
		"Bearer  a b c":     "token is not a JSON Web Token",
		"Bearer\x00" + good: "token is not a JSON Web Token",
	} {
		id, err := authenticate(t, config(), value)
		checkReason(t, id, err, want)
	}
}

// The original's tokens: HS256, the secret in base64, claims as its API makes them.
func TestOriginalToken(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("YSBzZWNyZXQgZm9yIHRlc3RzIG9mIDMyIGJ5dGVzLi4=")
	if err != nil {
		t.Fatal(err)
	}
	c := config()
	c.Secrets, c.UserClaim = [][]byte{key}, "user_id"
	id, err := authenticate(t, c, signed(`{"alg":"HS256"}`,
		`{"user_id":"3f9f0f4e-6f0a-4b2b-9c39-0d2ad0e9f1c5","sub":"3f9f0f4e","jti":"17","iat":1699999999,"exp":1700086400}`, key))
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Identity{
		By:      auth.KindJWT,
		User:    "3f9f0f4e-6f0a-4b2b-9c39-0d2ad0e9f1c5",
		Expires: now.Add(24 * time.Hour),
		Claims: map[string]any{
			"user_id": "3f9f0f4e-6f0a-4b2b-9c39-0d2ad0e9f1c5", "sub": "3f9f0f4e", "jti": "17",
			"iat": json.Number("1699999999"), "exp": json.Number("1700086400"),
		},
	}
	if diff := cmp.Diff(want, id, exported); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestClaims(t *testing.T) {
	parties := func(c *auth.JWTConfig) { c.Issuers, c.Audiences = []string{"me"}, []string{"you"} }
	noExpiry := func(c *auth.JWTConfig) { c.AllowNoExpiry = true }
	tests := []struct {
		name   string
		change func(*auth.JWTConfig)
		claims string
		want   string // the reason; empty: accepted
	}{
		{"no exp", nil, `{"sub":"ann"}`, "token has no exp"},
		{"no exp, allowed", noExpiry, `{"sub":"ann"}`, ""},
		{"exp null", noExpiry, `{"sub":"ann","exp":null}`, "exp is not a time in seconds"},
		{"exp text", noExpiry, `{"sub":"ann","exp":"1700000001"}`, "exp is not a time in seconds"},
		{"exp in milliseconds", nil, `{"sub":"ann","exp":1700000001000}`, "exp is not a time in seconds"},
		{"exp huge", nil, `{"sub":"ann","exp":1e400}`, "exp is not a time in seconds"},
		{"exp negative", noExpiry, `{"sub":"ann","exp":-62135596800}`, "exp is not a time in seconds"},
		{"exp zero", noExpiry, `{"sub":"ann","exp":0}`, "token expired"},
		{"exp passed, within the leeway of the others", nil, `{"sub":"ann","exp":1699999999}`, "token expired"},
		{"exp now", nil, `{"sub":"ann","exp":1700000000}`, "token expired"},
		{"exp in half a second", nil, `{"sub":"ann","exp":1700000000.5}`, ""},
		{"exp in exponents", nil, `{"sub":"ann","exp":1.8e9}`, ""},

		{"nbf within leeway", nil, `{"sub":"ann","exp":1800000000,"nbf":1700000030}`, ""},
		{"nbf beyond leeway", nil, `{"sub":"ann","exp":1800000000,"nbf":1700000031}`, "token is not valid yet"},
		{"nbf without leeway", func(c *auth.JWTConfig) { c.Leeway = -1 }, `{"sub":"ann","exp":1800000000,"nbf":1700000001}`, "token is not valid yet"},
		{"nbf text", nil, `{"sub":"ann","exp":1800000000,"nbf":"0"}`, "nbf is not a time in seconds"},
		{"iat within leeway", nil, `{"sub":"ann","exp":1800000000,"iat":1700000030}`, ""},
		{"iat beyond leeway", nil, `{"sub":"ann","exp":1800000000,"iat":1700000031}`, "token was issued in the future"},
		{"iat text", nil, `{"sub":"ann","exp":1800000000,"iat":"0"}`, "iat is not a time in seconds"},

		{"parties", parties, `{"sub":"ann","exp":1800000000,"iss":"me","aud":"you"}`, ""},
		{"several audiences", parties, `{"sub":"ann","exp":1800000000,"iss":"me","aud":["them","you"]}`, ""},
		{"parties not asked for", nil, `{"sub":"ann","exp":1800000000,"iss":"me","aud":"you"}`, ""},
		{"another issuer", parties, `{"sub":"ann","exp":1800000000,"iss":"not me","aud":"you"}`, "token is from another issuer"},
		{"no issuer", parties, `{"sub":"ann","exp":1800000000,"aud":"you"}`, "token is from another issuer"},
		{"issuer is a list", parties, `{"sub":"ann","exp":1800000000,"iss":["me"],"aud":"you"}`, "token is from another issuer"},
		{"another audience", parties, `{"sub":"ann","exp":1800000000,"iss":"me","aud":["them","youth"]}`, "token is for another audience"},
		{"no audience", parties, `{"sub":"ann","exp":1800000000,"iss":"me"}`, "token is for another audience"},
		{"audience is a number", parties, `{"sub":"ann","exp":1800000000,"iss":"me","aud":[1,"you"]}`, "token is for another audience"},

		{"no user", nil, `{"user_id":"ann","exp":1800000000}`, `token names no user in claim "sub"`},
		{"empty user", nil, `{"sub":"","exp":1800000000}`, `token names no user in claim "sub"`},
		{"user is an object", nil, `{"sub":{"id":"ann"},"exp":1800000000}`, `token names no user in claim "sub"`},
		{"user is a list", nil, `{"sub":["ann"],"exp":1800000000}`, `token names no user in claim "sub"`},
		{"user is true", nil, `{"sub":true,"exp":1800000000}`, `token names no user in claim "sub"`},
		{"user is null", nil, `{"sub":null,"exp":1800000000}`, `token names no user in claim "sub"`},
		{"claim in another letter case", nil, `{"SUB":"ann","exp":1800000000}`, `token names no user in claim "sub"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config()
			if tt.change != nil {
				tt.change(&c)
			}
			id, err := authenticate(t, c, token(tt.claims))
			if tt.want != "" {
				checkReason(t, id, err, tt.want)
			} else if err != nil || id.User != "ann" {
				t.Errorf("got %v, %v, want ann", id, err)
			}
		})
	}
}

// RFC 7519, 4: of claims that stand twice the last one counts, for everything alike.
func TestClaimsTwice(t *testing.T) {
	id, err := authenticate(t, config(), token(`{"sub":"eve","exp":1,"sub":"ann","exp":1800000000}`))
	if err != nil || id.User != "ann" || id.Expires.Unix() != 1_800_000_000 || id.Claims["sub"] != "ann" {
		t.Errorf("got %v, %v, want ann", id, err)
	}
	id, err = authenticate(t, config(), token(`{"sub":"ann","exp":1800000000,"exp":1}`))
	checkReason(t, id, err, "token expired")
}

func TestRequiredClaims(t *testing.T) {
	c := config()
	c.RequiredClaims = []auth.RequiredClaim{{Name: "tenant", Value: "acme"}, {Name: "level", Value: "7"}}
	tests := []struct{ name, claims, want string }{
		{"both", `"tenant":"acme","level":7`, ""},
		{"as text", `"tenant":"acme","level":"7"`, ""},
		{"in a list", `"tenant":["other","acme"],"level":[7]`, ""},
		{"another", `"tenant":"acme2","level":7`, `token has another "tenant" than is asked for`},
		{"missing", `"tenant":"acme"`, `token has another "level" than is asked for`},
		{"in an inner list", `"tenant":[["acme"]],"level":7`, `token has another "tenant" than is asked for`},
		{"in an object", `"tenant":{"acme":"acme"},"level":7`, `token has another "tenant" than is asked for`},
		{"another form of the number", `"tenant":"acme","level":7.0`, `token has another "level" than is asked for`},
		{"null", `"tenant":null,"level":7`, `token has another "tenant" than is asked for`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := authenticate(t, c, token(`{"sub":"ann","exp":1800000000,`+tt.claims+`}`))
			if tt.want != "" {
				checkReason(t, id, err, tt.want)
			} else if err != nil || id.User != "ann" {
				t.Errorf("got %v, %v, want ann", id, err)
			}
		})
	}
	c.RequiredClaims = []auth.RequiredClaim{{Name: "verified", Value: "true"}}
	if _, err := authenticate(t, c, token(`{"sub":"ann","exp":1800000000,"verified":true}`)); err != nil {
		t.Errorf("true: %v", err)
	}
	value, err := c.Sign(auth.Grant{User: "ann", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authenticate(t, c, value); err != nil {
		t.Errorf("what Sign makes is refused: %v", err)
	}
}

// A token may stand in the passcode, beside the login of its user or none.
func TestTokenAsPasscode(t *testing.T) {
	a := jwtOf(t, config())
	good := token(`{"sub":"ann","exp":1800000000}`)
	for _, c := range []auth.Credentials{{Passcode: good}, {Passcode: "Bearer " + good}, {Passcode: good, Login: "ann"}, {Token: good, Login: "bob", Passcode: "x"}} {
		if id, err := a.Authenticate(t.Context(), c); err != nil || id.User != "ann" {
			t.Errorf("got %v, %v, want ann", id, err)
		}
	}
	id, err := a.Authenticate(t.Context(), auth.Credentials{Passcode: good, Login: "bob"})
	checkReason(t, id, err, "login is not the token's user")
}

func TestRecheck(t *testing.T) {
	id, err := authenticate(t, config(), token(`{"sub":"ann","exp":1800000000}`))
	if err != nil {
		t.Fatal(err)
	}
	recheck := func(change func(*auth.JWTConfig)) error {
		c := config()
		change(&c)
		return jwtOf(t, c).Recheck(id)
	}
	checkError(t, recheck(func(*auth.JWTConfig) {}), "")
	checkError(t, recheck(func(c *auth.JWTConfig) { c.Secrets = [][]byte{other, secret} }), "")
	checkError(t, recheck(func(c *auth.JWTConfig) { c.Secrets = [][]byte{other} }), "signature is not valid")
	checkError(t, recheck(func(c *auth.JWTConfig) { c.Audiences = []string{"you"} }), "token is for another audience")
	checkError(t, jwtOf(t, config()).Recheck(auth.Identity{User: "ann", By: auth.KindJWT}), "no token")
	id.By = auth.KindBroker
	checkError(t, recheck(func(*auth.JWTConfig) {}), "this kind of login is not accepted any more")
}

func TestNumberAsUser(t *testing.T) {
	id, err := authenticate(t, config(), token(`{"sub":9007199254740993,"exp":1800000000}`)) // no float64
	if want := "9007199254740993"; err != nil || id.User != want {
		t.Errorf("got %q, %v, want %q", id.User, err, want)
	}
}

func TestExpires(t *testing.T) {
	id, err := authenticate(t, config(), token(`{"sub":"ann","exp":1700000000.25}`))
	if want := now.Add(250 * time.Millisecond); err != nil || !id.Expires.Equal(want) {
		t.Errorf("fraction: got %v, %v, want %v", id.Expires, err, want)
	}
	c := config()
	c.AllowNoExpiry = true
	id, err = authenticate(t, c, token(`{"sub":"ann"}`))
	if err != nil || !id.Expires.IsZero() {
		t.Errorf("none: got %v, %v, want the zero time", id.Expires, err)
	}
}

// The attacks and mistakes of RFC 8725.
func TestHostileTokens(t *testing.T) {
	const claims = `{"sub":"ann","exp":1800000000}`
	encode := base64.RawURLEncoding.EncodeToString
	good := token(claims)
	parts := strings.Split(good, ".")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	byRSA, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"sub": "ann", "exp": 1800000000}).SignedString(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	hs512, err := jwt.NewWithClaims(jwt.SigningMethodHS512, jwt.MapClaims{"sub": "ann", "exp": 1800000000}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, token, want string }{
		{"another secret", signed(hs256, claims, other), "signature is not valid"},
		{"other claims", parts[0] + "." + encode([]byte(`{"sub":"eve","exp":1800000000}`)) + "." + parts[2], "signature is not valid"},
		{"no signature", parts[0] + "." + parts[1] + ".", "signature is not valid"},
		{"signature cut off", good[:len(good)-3], "signature is not valid"},
		{"expired and another secret", signed(hs256, `{"sub":"ann","exp":1}`, other), "signature is not valid"},

		{"alg none", encode([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "token is not signed with HS256"},
		{"alg None", encode([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".", "token is not signed with HS256"},
		{"alg none, signed", signed(`{"alg":"none"}`, claims, secret), "token is not signed with HS256"},
		{"alg missing", signed(`{"typ":"JWT"}`, claims, secret), "token is not signed with HS256"},
		{"alg empty", signed(`{"alg":""}`, claims, secret), "token is not signed with HS256"},
		{"alg is a list", signed(`{"alg":["HS256"]}`, claims, secret), "token is not signed with HS256"},
		{"alg in lower case", signed(`{"alg":"hs256"}`, claims, secret), "token is not signed with HS256"},
		{"alg HS512, same secret", hs512, "token is not signed with HS256"},
		{"alg RS256", byRSA, "token is not signed with HS256"},
		{"critical extension", signed(`{"alg":"HS256","crit":["b64"],"b64":false}`, claims, secret), "token has critical extensions"},

		{"nested", signed(`{"alg":"HS256","cty":"JWT"}`, good, secret), "token is not a JSON Web Token"},
		{"said to be nested", signed(`{"alg":"HS256","cty":"JWT"}`, claims, secret), "token is nested"},
		{"header twice, the last one counts", signed(`{"alg":"none","alg":"HS256"}`, claims, other), "signature is not valid"},
		{"header twice, none the last", signed(`{"alg":"HS256","alg":"none"}`, claims, secret), "token is not signed with HS256"},
		{"encrypted", "a.b.c.d.e", "token is not a JSON Web Token"},
		{"claims are a list", token(`[]`), "token is not a JSON Web Token"},
		{"claims are cut off", token(`{"sub":"ann"`), "token is not a JSON Web Token"},
		{"header is text", signed(`"HS256"`, claims, secret), "token is not a JSON Web Token"},
		{"10,000 deep claims", token(strings.Repeat("[", 10_001)), "token is not a JSON Web Token"},
		{"10,000 deep header", signed(strings.Repeat("[", 10_001), claims, secret), "token is not a JSON Web Token"},
		{"deep header", signed(`{"alg":"HS256","x":`+strings.Repeat("[", 5_000)+strings.Repeat("]", 5_000)+`}`, claims, other), "signature is not valid"},
		{"deeply nested claims", token(strings.Repeat("[", 9000)), "token is not a JSON Web Token"},
		{"two parts", parts[0] + "." + parts[1], "token is not a JSON Web Token"},
		{"dots", "..", "token is not a JSON Web Token"},
		{"not base64", "!.!.!", "token is not a JSON Web Token"},
		{"claims are null", token(`null`), "token has no exp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := authenticate(t, config(), tt.token)
			checkReason(t, id, err, tt.want)
		})
	}
}

// What a token says about its key is not looked at (RFC 8725, 3.10).
func TestKeyHintsAreIgnored(t *testing.T) {
	header := `{"alg":"HS256","kid":"../../../dev/null","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct","k":"AA"}}`
	if id, err := authenticate(t, config(), signed(header, `{"sub":"ann","exp":1800000000}`, secret)); err != nil || id.User != "ann" {
		t.Errorf("good signature: got %v, %v, want ann", id, err)
	}
	id, err := authenticate(t, config(), signed(header, `{"sub":"ann","exp":1800000000}`, []byte{0}))
	checkReason(t, id, err, "signature is not valid")
}

func TestSizeOfToken(t *testing.T) {
	const limit = 16 << 10
	for _, size := range []int{limit - 1, limit, limit + 1} {
		c := config()
		c.Audiences = []string{"you"}
		value := sized(t, size)
		id, err := authenticate(t, c, "Bearer "+value)
		if size > limit {
			checkReason(t, id, err, "token is too long")
		} else if err != nil || id.User != "ann" {
			t.Errorf("%d bytes: got user %q, %v, want ann", size, id.User, err)
		}
	}
}

// sized returns a good token of exactly that size: base64 leaves out some sizes, which the header
// makes up for.
func sized(t *testing.T, size int) string {
	for _, header := range []string{hs256, `{"alg":"HS256"}`, `{"alg":"HS256" }`, `{"alg":"HS256"  }`} {
		for pad := size/4*3 - 200; pad < size; pad++ {
			value := signed(header, `{"sub":"ann","exp":1800000000,"aud":"you","pad":"`+strings.Repeat("x", pad)+`"}`, secret)
			if len(value) == size {
				return value
			}
			if len(value) > size {
				break
			}
		}
	}
	t.Fatalf("no token of %d bytes", size)
	return ""
}

func TestLongTokenIsNotParsed(t *testing.T) {
	a, err := auth.NewJWT(config())
	if err != nil {
		t.Fatal(err)
	}
	value := strings.Repeat("e", 64<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	id, err := a.Authenticate(t.Context(), auth.Credentials{Token: value})
	runtime.ReadMemStats(&after)
	checkReason(t, id, err, "token is too long")
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated for a token that is too long", n)
	}
}

func TestRotation(t *testing.T) {
	c := config()
	c.Secrets = [][]byte{other, secret}
	for _, key := range c.Secrets {
		if id, err := authenticate(t, c, signed(hs256, `{"sub":"ann","exp":1800000000}`, key)); err != nil || id.User != "ann" {
			t.Errorf("got %v, %v, want ann", id, err)
		}
	}
	id, err := authenticate(t, c, signed(hs256, `{"sub":"ann","exp":1800000000}`, []byte("a third secret")))
	checkReason(t, id, err, "signature is not valid")
}

func TestNewJWTRefuses(t *testing.T) {
	bytesOf := func(sizes ...int) (secrets [][]byte) {
		for _, n := range sizes {
			secrets = append(secrets, bytes.Repeat([]byte("s"), n))
		}
		return secrets
	}
	tests := []struct {
		config auth.JWTConfig
		want   string
	}{
		{auth.JWTConfig{}, "no secret and no public key"},
		{auth.JWTConfig{Secrets: bytesOf(31)}, "secret 1 of 1 has 31 bytes: HS256 needs at least 32 (RFC 7518, 3.2)"},
		{auth.JWTConfig{Secrets: bytesOf(32, 0)}, "secret 2 of 2 has 0 bytes: HS256 needs at least 32 (RFC 7518, 3.2)"},
		{auth.JWTConfig{Secrets: bytesOf(47), Algorithms: []string{"HS384"}}, "secret 1 of 1 has 47 bytes: HS384 needs at least 48 (RFC 7518, 3.2)"},
		{auth.JWTConfig{Secrets: bytesOf(63), Algorithms: []string{"HS512"}}, "secret 1 of 1 has 63 bytes: HS512 needs at least 64 (RFC 7518, 3.2)"},
		{auth.JWTConfig{Secrets: bytesOf(64), Algorithms: []string{"none"}}, `algorithm "none": must be one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
		{auth.JWTConfig{Secrets: bytesOf(64), Algorithms: []string{"RS256"}}, "algorithm RS256 takes public keys, not a secret"},
	}
	for _, tt := range tests {
		if _, err := auth.NewJWT(tt.config); err == nil || err.Error() != tt.want {
			t.Errorf("NewJWT: got error %v, want %s", err, tt.want)
		}
		if _, err := tt.config.Sign(auth.Grant{User: "ann", TTL: time.Hour}); err == nil || err.Error() != tt.want {
			t.Errorf("Sign: got error %v, want %s", err, tt.want)
		}
	}
}

func TestSign(t *testing.T) {
	for _, algorithm := range []string{"HS256", "HS384", "HS512"} {
		c := config()
		c.Secrets = [][]byte{bytes.Repeat([]byte("s"), 64), bytes.Repeat([]byte("t"), 64)}
		c.Algorithms, c.UserClaim, c.Issuers, c.Audiences = []string{algorithm}, "user_id", []string{"me"}, []string{"you"}
		value, err := c.Sign(auth.Grant{User: "ann", TTL: 1500 * time.Millisecond})
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		got, err := authenticate(t, c, value)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		want := auth.Identity{
			By:      auth.KindJWT,
			User:    "ann",
			Expires: now.Add(2 * time.Second),
			Claims: map[string]any{
				"user_id": "ann", "iss": "me", "aud": "you",
				"iat": json.Number("1700000000"), "exp": json.Number("1700000002"),
			},
		}
		if diff := cmp.Diff(want, got, exported); diff != "" {
			t.Errorf("%s: identity (-want +got):\n%s", algorithm, diff)
		}
	}
}

func TestSignWithoutExpiry(t *testing.T) {
	c := config()
	if _, err := c.Sign(auth.Grant{User: "ann", TTL: 0}); err == nil {
		t.Error("Sign without end: no error, want one")
	}
	c.AllowNoExpiry = true
	if _, err := c.Sign(auth.Grant{User: "ann", TTL: -time.Second}); err == nil {
		t.Error("Sign for a negative time: no error, want one")
	}
	if _, err := c.Sign(auth.Grant{User: "", TTL: time.Hour}); err == nil {
		t.Error("Sign for nobody: no error, want one")
	}
	value, err := c.Sign(auth.Grant{User: "ann", TTL: 0})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := authenticate(t, c, value); err != nil || !id.Expires.IsZero() {
		t.Errorf("got %v, %v, want no end", id.Expires, err)
	}
}

// No error holds any piece of what was sent.
func FuzzErrorsHoldNoToken(f *testing.F) {
	a, err := auth.NewJWT(config())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer " + token(`{"sub":"ann","exp":1}`))
	f.Add(signed(`{"alg":"SECRETALG"}`, `{"sub":"ann"}`, secret))
	f.Add("Bearer !!!!!!!!.~~~~~~~~.########")
	reasons := map[string]bool{
		"no token": true, "token is too long": true, "token is not a JSON Web Token": true, "token is not signed with HS256": true,
		"signature is not valid": true, "token has critical extensions": true, "token has no exp": true, "token expired": true,
		"token is not valid yet": true, "token was issued in the future": true, `token names no user in claim "sub"`: true,
		"token is nested": true,
		"token is encrypted, and the bridge has no key for that: have the issuer sign it alone":                     true,
		"token is opaque, not a JSON Web Token: request one for an audience, so that the issuer makes a signed JWT": true,
		"exp is not a time in seconds": true, "nbf is not a time in seconds": true, "iat is not a time in seconds": true,
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		if _, err := a.Authenticate(t.Context(), auth.Credentials{Token: auth.Token(authorization)}); err != nil && !reasons[err.Error()] {
			t.Errorf("unknown reason %q", err)
		}
	})
}
