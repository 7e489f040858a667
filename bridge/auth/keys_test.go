package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-stomp-bridge/bridge/auth"
)

// privateKeys has a key of every kind; making them takes a while.
var privateKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	must := func(name string, key crypto.Signer, err error) {
		if err != nil {
			panic(err)
		}
		keys[name] = key
	}
	for name, bits := range map[string]int{"RSA": 2048, "other RSA": 2048, "weak RSA": 2047} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		must(name, key, err)
	}
	for name, curve := range map[string]elliptic.Curve{"P-224": elliptic.P224(), "P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(name, key, err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must("Ed25519", key, err)
	return keys
})

func publicOf(names ...string) (keys []crypto.PublicKey) {
	for _, name := range names {
		keys = append(keys, privateKeys()[name].Public())
	}
	return keys
}

// pemOf returns the key in a PEM block of that type.
func pemOf(t *testing.T, kind string, key crypto.PublicKey) string {
	t.Helper()
	var der []byte
	var err error
	switch kind {
	case "RSA PUBLIC KEY":
		der = x509.MarshalPKCS1PublicKey(key.(*rsa.PublicKey))
	case "CERTIFICATE":
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "id.example.org"}}
		der, err = x509.CreateCertificate(rand.Reader, template, template, key, privateKeys()["P-256"])
	default:
		der, err = x509.MarshalPKIXPublicKey(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParsePublicKeys(t *testing.T) {
	rsaKey, p256, ed := publicOf("RSA")[0], publicOf("P-256")[0], publicOf("Ed25519")[0]
	rsaPEM, p256PEM := pemOf(t, "PUBLIC KEY", rsaKey), pemOf(t, "PUBLIC KEY", p256)
	private, err := x509.MarshalPKCS8PrivateKey(privateKeys()["RSA"])
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, data string
		want       []crypto.PublicKey
		err        string
	}{
		{"RSA", rsaPEM, []crypto.PublicKey{rsaKey}, ""},
		{"RSA, PKCS 1", pemOf(t, "RSA PUBLIC KEY", rsaKey), []crypto.PublicKey{rsaKey}, ""},
		{"several, with text between", "# old\n" + rsaPEM + "\nnew:\n" + p256PEM + pemOf(t, "PUBLIC KEY", ed) + "end\n", []crypto.PublicKey{rsaKey, p256, ed}, ""},
		{"certificate, long expired", pemOf(t, "CERTIFICATE", ed), []crypto.PublicKey{ed}, ""},
		{"Windows lines", strings.ReplaceAll(rsaPEM, "\n", "\r\n"), []crypto.PublicKey{rsaKey}, ""},

		{"nothing", "", nil, "no public key in PEM form"},
		{"text", "hunter22", nil, "no public key in PEM form"},
		{"private key", p256PEM + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), nil,
			"block 2: a private key: only the public one belongs here"},
		{"other block", "-----BEGIN hunter22-----\n-----END hunter22-----\n", nil, "block 1: neither a public key nor a certificate"},
		{"garbage", "-----BEGIN PUBLIC KEY-----\naHVudGVyMjI=\n-----END PUBLIC KEY-----\n", nil, "block 1: the key cannot be read"},
		{"cut off", rsaPEM + p256PEM[:60], nil, "block 2: not PEM"},
		{"weak RSA", pemOf(t, "PUBLIC KEY", publicOf("weak RSA")[0]), nil, "block 1: RSA key has 2047 bits: it needs at least 2048 (RFC 7518, 3.3)"},
		{"P-224", pemOf(t, "PUBLIC KEY", publicOf("P-224")[0]), nil, "block 1: elliptic curve P-224 is for no algorithm: it must be P-256, P-384 or P-521 (RFC 7518, 3.4)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := auth.ParsePublicKeys([]byte(tt.data))
			if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Fatalf("got error %v, want %q", err, tt.err)
			}
			if len(keys) != len(tt.want) {
				t.Fatalf("got %d keys, want %d", len(keys), len(tt.want))
			}
			for i, key := range keys {
				if !key.(interface{ Equal(crypto.PublicKey) bool }).Equal(tt.want[i]) {
					t.Errorf("key %d is another", i)
				}
			}
		})
	}
}

func TestCheckAlgorithms(t *testing.T) {
	tests := []struct {
		name       string
		algorithms []string
		secret     bool
		keys       []string
		want       string
	}{
		{"secret", []string{"HS256", "HS512"}, true, nil, ""},
		{"keys that are not known yet", []string{"RS256", "ES256"}, false, nil, ""},
		{"RSA", []string{"RS256", "PS256"}, false, []string{"RSA", "other RSA"}, ""},
		{"several kinds", []string{"ES384", "EdDSA", "RS256"}, false, []string{"RSA", "P-384", "Ed25519"}, ""},
		{"unknown", []string{"none"}, true, nil, `algorithm "none": must be one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
		{"public key as a secret", []string{"HS256"}, false, []string{"RSA"}, "algorithm HS256 takes a secret, not public keys"},
		{"mixture over public keys", []string{"RS256", "HS256"}, false, []string{"RSA"}, "algorithm HS256 takes a secret, not public keys"},
		{"mixture over a secret", []string{"HS256", "RS256"}, true, nil, "algorithm RS256 takes public keys, not a secret"},
		{"another curve", []string{"ES256"}, false, []string{"P-384"}, "algorithm ES256: no public key is for it"},
		{"algorithm without a key", []string{"RS256", "ES256"}, false, []string{"RSA"}, "algorithm ES256: no public key is for it"},
		{"key without an algorithm", []string{"RS256"}, false, []string{"RSA", "P-521"}, "public key 2 of 2: is for ES512, not for RS256"},
		{"weak", []string{"RS256"}, false, []string{"weak RSA"}, "public key 1 of 1: RSA key has 2047 bits: it needs at least 2048 (RFC 7518, 3.3)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := auth.CheckAlgorithms(tt.algorithms, tt.secret, publicOf(tt.keys...))
			if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	both := auth.JWTConfig{Secrets: [][]byte{secret}, PublicKeys: publicOf("RSA"), Algorithms: []string{"RS256"}}
	if _, err := auth.NewJWT(both); err == nil || err.Error() != "secrets, public keys and a key set do not go together" {
		t.Errorf("NewJWT with both: got %v", err)
	}
}

// signedBy returns a token with further header fields, signed by a private key.
func signedBy(t testing.TB, algorithm, key string, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(privateKeys()[key])
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var annClaims = jwt.MapClaims{"sub": "ann", "exp": 1_800_000_000}

func publicConfig(algorithms []string, keys ...string) auth.JWTConfig {
	return auth.JWTConfig{PublicKeys: publicOf(keys...), Algorithms: algorithms, Now: func() time.Time { return now }}
}

func TestPublicKeyAlgorithms(t *testing.T) {
	for algorithm, key := range map[string]string{
		"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
		"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519",
	} {
		t.Run(algorithm, func(t *testing.T) {
			c := publicConfig([]string{algorithm}, key)
			good := signedBy(t, algorithm, key, nil, annClaims)
			if id, err := authenticate(t, c, good); err != nil || id.User != "ann" || id.By != auth.KindJWT {
				t.Errorf("got %v, %v, want ann", id, err)
			}
			last := strings.LastIndexByte(good, '.')
			for name, bad := range map[string]string{
				"no signature":  good[:last+1],
				"cut off":       good[:len(good)-4],
				"zeros":         good[:last+1] + base64.RawURLEncoding.EncodeToString(make([]byte, base64.RawURLEncoding.DecodedLen(len(good)-last-1))),
				"other claims":  strings.Replace(good, good[strings.IndexByte(good, '.')+1:last], base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"eve","exp":1800000000}`)), 1),
				"empty claims":  good[:strings.IndexByte(good, '.')+1] + good[last:],
				"four parts":    good + ".x",
				"leading space": " ." + good,
			} {
				id, err := authenticate(t, c, bad)
				if err == nil {
					t.Errorf("%s: accepted as %q", name, id.User)
				}
			}
			if _, err := c.Sign(auth.Grant{User: "ann", TTL: time.Hour}); err == nil || strings.Contains(err.Error(), "nil") {
				t.Errorf("Sign: got %v, want an error", err)
			}
		})
	}
}

func TestPublicKeysInTurn(t *testing.T) {
	c := publicConfig([]string{"RS256", "ES256"}, "RSA", "P-256", "other RSA")
	for _, good := range []string{
		signedBy(t, "RS256", "RSA", nil, annClaims), signedBy(t, "RS256", "other RSA", nil, annClaims), signedBy(t, "ES256", "P-256", nil, annClaims),
	} {
		if id, err := authenticate(t, c, good); err != nil || id.User != "ann" {
			t.Errorf("got %v, %v, want ann", id, err)
		}
	}
}

// The attacks of RFC 8725 and its like on public keys.
func TestHostileTokensForPublicKeys(t *testing.T) {
	c := publicConfig([]string{"RS256", "ES256"}, "RSA", "P-256")
	const claims = `{"sub":"ann","exp":1800000000}`
	encode := base64.RawURLEncoding.EncodeToString
	rsaKey := publicOf("RSA")[0]
	pkix, err := x509.MarshalPKIXPublicKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	const notSigned = "token is not signed with RS256 or ES256"
	// A P-384 key signs what says ES256: 96 octets, where ES256 has 64.
	wrongCurve := signedBy(t, "ES384", "P-384", map[string]any{"alg": "ES256"}, annClaims)
	tests := []struct{ name, token, want string }{
		{"public key as HS256 secret, PEM", signed(hs256, claims, []byte(pemOf(t, "PUBLIC KEY", rsaKey))), notSigned},
		{"public key as HS256 secret, PEM without line end", signed(hs256, claims, []byte(strings.TrimSpace(pemOf(t, "PUBLIC KEY", rsaKey)))), notSigned},
		{"public key as HS256 secret, DER", signed(hs256, claims, pkix), notSigned},
		{"the same as RS256", signed(`{"alg":"RS256"}`, claims, []byte(pemOf(t, "PUBLIC KEY", rsaKey))), "signature is not valid"},
		{"none", encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".", notSigned},
		{"PS256 by the same key", signedBy(t, "PS256", "RSA", nil, annClaims), notSigned},
		{"PS256 said to be RS256", signedBy(t, "PS256", "RSA", map[string]any{"alg": "RS256"}, annClaims), "signature is not valid"},
		{"RS512 by the same key", signedBy(t, "RS512", "RSA", nil, annClaims), notSigned},
		{"another key", signedBy(t, "RS256", "other RSA", nil, annClaims), "signature is not valid"},
		{"RSA signature said to be ES256", signedBy(t, "RS256", "RSA", map[string]any{"alg": "ES256"}, annClaims), "signature is not valid"},
		{"wrong curve", wrongCurve, "signature is not valid"},
		{"wrong curve, cut to size", wrongCurve[:len(wrongCurve)-42], "signature is not valid"},
		{"ES256K", signedBy(t, "ES256", "P-256", map[string]any{"alg": "ES256K"}, annClaims), notSigned},
		{"critical extension", signedBy(t, "RS256", "RSA", map[string]any{"crit": []string{"exp"}}, annClaims), "token has critical extensions"},
		{"nested", signedBy(t, "RS256", "RSA", map[string]any{"cty": "JWT"}, annClaims), "token is nested"},
		{"nested, as a media type", signedBy(t, "RS256", "RSA", map[string]any{"cty": "application/jwt"}, annClaims), "token is nested"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := authenticate(t, c, tt.token)
			checkReason(t, id, err, tt.want)
		})
	}
	hints := map[string]any{
		"kid": "../../../../dev/null'; DROP TABLE keys --\x00", "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/",
		"jwk": map[string]any{"kty": "oct", "k": "AA"}, "x5c": []string{"AA"},
	}
	if id, err := authenticate(t, c, signedBy(t, "RS256", "RSA", hints, annClaims)); err != nil || id.User != "ann" {
		t.Errorf("hints of keys: got %v, %v, want ann", id, err)
	}
	id, err := authenticate(t, c, signedBy(t, "RS256", "other RSA", hints, annClaims))
	checkReason(t, id, err, "signature is not valid")
}
