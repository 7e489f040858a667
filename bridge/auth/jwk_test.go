package auth_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// negativeSerial returns a certificate of the key with the serial number -1, which crypto/x509
// refuses, as it stands in a set.
func negativeSerial(t *testing.T, name string) string {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, publicOf(name)[0], privateKeys()[name])
	if err != nil {
		t.Fatal(err)
	}
	der = bytes.Replace(der, []byte{2, 1, 1}, []byte{2, 1, 255}, 1)
	if _, err := x509.ParseCertificate(der); err == nil || !strings.Contains(err.Error(), "negative serial number") {
		t.Fatalf("got %v, want a refusal of the serial number", err)
	}
	return strconv.Quote(base64.StdEncoding.EncodeToString(der))
}

// One key that cannot be used does not cost the others of its set: it is ignored, and logged once
// with its kid.
func TestABadKeyDoesNotCostTheSet(t *testing.T) {
	tests := []struct {
		name, key string
		reason    string // logged; "": it is not at warn
	}{
		{"no n", `{"kty":"RSA","kid":"bad","e":"AQAB"}`, "it has no n"},
		{"no e", `{"kty":"RSA","kid":"bad","n":"AQAB"}`, "it has no e"},
		{"not base64url", `{"kty":"RSA","kid":"bad","e":"AQAB","n":"***"}`, "its n, e are not a key in base64url"},
		{"of weak size", jwk(t, "bad", publicOf("weak RSA")[0]), "RSA key has 2047 bits: it needs at least 2048 (RFC 7518, 3.3)"},
		{"exponent 1", strings.Replace(jwk(t, "bad", publicOf("RSA")[0]), `"e":"AQAB"`, `"e":"AQ"`, 1), "RSA key has an exponent that is not odd, or too small or too large"},
		{"huge", `{"kty":"RSA","kid":"bad","e":"AQAB","n":"` + strings.Repeat("_", 4000) + `"}`, "RSA key has 24000 bits: it may have 16384 at most"},
		{"unknown kty", `{"kty":"AKP","kid":"bad"}`, "its kty AKP is not known"},
		{"no kty", `{"kid":"bad"}`, "it has no kty"},
		{"unknown curve", `{"kty":"EC","crv":"secp256k1","kid":"bad","x":"AA","y":"AA"}`, "its curve secp256k1 is not known"},
		{"curve of no algorithm", `{"kty":"OKP","crv":"X25519","kid":"bad","x":"` + strings.Repeat("A", 43) + `"}`, "key is neither RSA nor ECDSA nor Ed25519"},
		{"not on its curve", `{"kty":"EC","crv":"P-256","kid":"bad","x":"AQ","y":"AQ"}`, "its crv, x, y are not a key in base64url"},
		{"secret in a public set", `{"kty":"oct","kid":"bad","k":"aGlkZGVu"}`, "it is a secret, which does not belong in a published set"},
		{"algorithm of another kind", jwk(t, "bad", publicOf("other RSA")[0], `"alg":"ES256"`), "it says that it is for the algorithm ES256, and is for RS256"},
		{"kid that is no text", `{"kty":"RSA","kid":7}`, "it is not as RFC 7517 has keys"},
		{"no object", `null`, "it has no kty"},
		{"number", `7`, "it is not as RFC 7517 has keys"},
		{"use enc", jwk(t, "bad", publicOf("other RSA")[0], `"use":"enc"`), ""},
		{"key_ops", jwk(t, "bad", publicOf("other RSA")[0], `"key_ops":["encrypt","wrapKey"]`), ""},
		{"for encryption by its alg", jwk(t, "bad", publicOf("other RSA")[0], `"alg":"RSA-OAEP"`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &keyServer{set: keySet(tt.key, jwk(t, "good", publicOf("RSA")[0]))}
				h := newKeyHouse(t, s, "RS256", "ES256")
				h.check(signedBy(t, "RS256", "RSA", withKid("good"), annClaims), "")
				h.check(signedBy(t, "RS256", "other RSA", withKid("bad"), annClaims), unknownKey)
				time.Sleep(time.Hour)
				synctest.Wait()
				want := 1
				if tt.reason == "" {
					want = 0
				}
				if got := strings.Count(h.lines.String(), "ignored a key"); got != want || !strings.Contains(h.lines.String(), tt.reason) {
					t.Errorf("logged %d times, want %d with %q:\n%s", got, want, tt.reason, h.lines)
				}
				if strings.Contains(h.lines.String(), "aGlkZGVu") {
					t.Errorf("a secret was logged:\n%s", h.lines)
				}
			})
		})
	}
}

// What a set says of a key's certificates is not looked at.
func TestCertificatesOfKeysDoNotCount(t *testing.T) {
	for name, more := range map[string]string{
		"a negative serial number": `"x5c":[` + negativeSerial(t, "RSA") + `]`,
		"not base64":               `"x5c":["***"]`,
		"no list":                  `"x5c":"abc"`,
		"another key's":            `"x5t":"AAAA","x5t#S256":7,"x5u":"http://169.254.169.254/"`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newKeyHouse(t, &keyServer{set: keySet(jwk(t, "good", publicOf("RSA")[0], more))}, "RS256")
				h.check(signedBy(t, "RS256", "RSA", withKid("good"), annClaims), "")
			})
		})
	}
}

// A set of many keys is read whole. Its bad ones do not fill the log, and a token that names none
// of them does not have all of them tried.
func TestManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys []string
		for i := range 1000 {
			keys = append(keys, jwk(t, fmt.Sprint("good", i), publicOf("P-256")[0]), fmt.Sprintf(`{"kid":"bad%d"}`, i))
		}
		s := &keyServer{set: keySet(append(keys, jwk(t, "last", publicOf("RSA")[0]))...)}
		h := newKeyHouse(t, s, "RS256", "ES256")
		h.check(signedBy(t, "RS256", "RSA", withKid("last"), annClaims), "")
		h.check(signedBy(t, "ES256", "P-256", withKid("good999"), annClaims), "")
		h.check(signedBy(t, "RS256", "RSA", nil, annClaims), "")
		h.check(signedBy(t, "ES256", "P-256", nil, annClaims), "token does not say which key has signed it, and there are too many to try")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := strings.Count(h.lines.String(), "\n"); n != 18 {
			t.Errorf("%d lines are logged, want 16 keys, how many more there are, and the fetch:\n%s", n, h.lines)
		}
	})
}

// A byte order mark before the set does no harm.
func TestByteOrderMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newKeyHouse(t, &keyServer{set: "\ufeff" + keySet(jwk(t, "good", publicOf("RSA")[0]))}, "RS256")
		h.check(signedBy(t, "RS256", "RSA", withKid("good"), annClaims), "")
	})
}

// Mistakes of the set as a whole leave the keys as they were, and say what they are.
func TestMistakesOfTheSet(t *testing.T) {
	for answer, want := range map[string]string{
		`{"keys":null}`: "the set has no key that can be used",
		`{"keys":[]}`:   "the set has no key that can be used",
		`{}`:            "the set has no key that can be used",
		`{"keys":{}}`:   "the answer is not a key set: JSON with a list of keys",
		`[]`:            "the answer is not a key set: JSON with a list of keys",
		`<html>`:        "the answer is not a key set: JSON with a list of keys",
		``:              "the answer is not a key set: JSON with a list of keys",
		strings.Repeat(" ", 513<<10) + `{"keys":[]}`: "the set is longer than 512 KiB",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &keyServer{set: keySet(jwk(t, "good", publicOf("RSA")[0]))}
			h := newKeyHouse(t, s, "RS256")
			h.check(signedBy(t, "RS256", "RSA", withKid("good"), annClaims), "")
			if got := h.keys.Status(); got.Keys != 1 || got.Failures != 0 || got.Err != nil || !got.Fetched.Equal(time.Now()) {
				t.Errorf("the status is %v", got)
			}
			fetched := time.Now()
			s.change(func() { s.set = answer })
			time.Sleep(11 * time.Minute)
			synctest.Wait()
			got := h.keys.Status()
			if got.Err == nil || got.Err.Error() != want || got.Keys != 1 || got.Failures != 7 || !got.Fetched.Equal(fetched) {
				t.Errorf("%.20q: the status is %v", answer, got)
			}
			h.check(signedBy(t, "RS256", "RSA", withKid("good"), annClaims), "")
		})
	}
}
