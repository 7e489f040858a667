package auth_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-stomp-bridge/bridge/auth"
)

// claimsOf are ann's, from the issuer.
func claimsOf(issuer string, more jwt.MapClaims) jwt.MapClaims {
	claims := jwt.MapClaims{"sub": "ann", "exp": 1800000000, "iss": issuer}
	for name, claim := range more {
		claims[name] = claim
	}
	return claims
}

func provider(t *testing.T, c auth.JWTConfig) *auth.JWT {
	t.Helper()
	c.Now = func() time.Time { return now }
	return jwtOf(t, c)
}

func runKeys(t *testing.T, s *keyServer) *auth.JWKS {
	t.Helper()
	keys, err := auth.NewJWKS(auth.JWKSConfig{URL: "https://id.example.org/jwks.json", Client: &http.Client{Transport: s}})
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
	return keys
}

// Each provider believes its own keys, issuers and audiences, whatever a token says of itself.
func TestProviders(t *testing.T) {
	people := provider(t, auth.JWTConfig{Name: "people", PublicKeys: publicOf("RSA"), Algorithms: []string{"RS256"},
		Issuers: []string{"https://id", "https://id.old"}, Audiences: []string{"web", "ios"}, UserPrefix: "id:", GroupsClaim: "realm_access.roles"})
	partners := provider(t, auth.JWTConfig{Name: "partners", PublicKeys: publicOf("other RSA"), Algorithms: []string{"RS256"},
		Issuers: []string{"https://partners"}, UserClaim: "email", GroupsClaim: "teams"})
	services := provider(t, auth.JWTConfig{Name: "services", Secrets: [][]byte{secret}})
	all := auth.Providers{people, partners, services}

	web := jwt.MapClaims{"aud": []string{"other", "web"}, "realm_access": map[string]any{"roles": []string{"sales"}}}
	hmac := func(claims string) string { return signed(hs256, claims, secret) }
	tests := []struct {
		name, token    string
		user, provider string
		groups         string
		want           string
	}{
		{"of the first", signedBy(t, "RS256", "RSA", nil, claimsOf("https://id", web)), "id:ann", "people", "sales", ""},
		{"of its other issuer and audience", signedBy(t, "RS256", "RSA", nil, claimsOf("https://id.old", jwt.MapClaims{"aud": "ios"})), "id:ann", "people", "", ""},
		{"of the second", signedBy(t, "RS256", "other RSA", nil, claimsOf("https://partners", jwt.MapClaims{"email": "ann@p", "teams": "t1"})), "ann@p", "partners", "t1", ""},
		{"of the third, without an issuer", hmac(`{"sub":"reports","exp":1800000000}`), "reports", "services", "", ""},
		{"of the third, of any issuer", hmac(`{"sub":"reports","iss":"https://me","exp":1800000000}`), "reports", "services", "", ""},

		{"audience of nobody", signedBy(t, "RS256", "RSA", nil, claimsOf("https://id", jwt.MapClaims{"aud": "web,ios"})), "", "", "", "token is for another audience"},
		{"first's issuer, second's key", signedBy(t, "RS256", "other RSA", nil, claimsOf("https://id", web)), "", "", "", "signature is not valid"},
		{"second's issuer, first's key", signedBy(t, "RS256", "RSA", nil, claimsOf("https://partners", web)), "", "", "", "signature is not valid"},
		{"first's issuer, third's secret", hmac(`{"sub":"ann","iss":"https://id","aud":"web","exp":1800000000}`), "", "", "", "token is not signed with RS256"},
		{"issuer of nobody", signedBy(t, "RS256", "RSA", nil, claimsOf("https://evil", web)), "", "", "", "token is not signed with HS256"},
		{"issuer that is no text", signedBy(t, "RS256", "RSA", nil, jwt.MapClaims{"sub": "ann", "iss": []string{"https://id"}, "exp": 1800000000}), "", "", "", "token is not signed with HS256"},
		{"expired", signedBy(t, "RS256", "RSA", nil, claimsOf("https://id", jwt.MapClaims{"aud": "web", "exp": 1})), "", "", "", "token expired"},
		{"nothing", "", "", "", "", "no token"},
		{"nonsense", "abc", "", "", "", "token is not a JSON Web Token"},
		{"three parts of nonsense", "a.b.c", "", "", "", "token is not a JSON Web Token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := all.Authenticate(t.Context(), auth.Credentials{Token: tt.token})
			checkError(t, err, tt.want)
			if id.User != tt.user || id.Provider != tt.provider {
				t.Errorf("got the user %q of %q, want %q of %q", id.User, id.Provider, tt.user, tt.provider)
			}
			if tt.want != "" {
				return
			}
			if err := all.Recheck(id); err != nil {
				t.Errorf("Recheck: %v", err)
			}
			for i, one := range all {
				if got := one.Recheck(id) == nil; got != (tt.provider == []string{"people", "partners", "services"}[i]) {
					t.Errorf("provider %d accepts it: %t", i, got)
				}
			}
			groups := ""
			for _, name := range all.Groups(id).Names {
				groups += name
			}
			if groups != tt.groups {
				t.Errorf("got the groups %q, want %q", groups, tt.groups)
			}
		})
	}
	_, err := auth.Providers{people, partners}.Authenticate(t.Context(), auth.Credentials{Token: hmac(`{"sub":"ann","exp":1800000000}`)})
	checkError(t, err, "token is from another issuer")
}

// A token of one provider does not wait for the key set of another.
func TestProvidersDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &keyServer{set: keySet(jwk(t, "slow", publicOf("other RSA")[0])), pause: 4 * time.Second}
		quick := &keyServer{set: keySet(jwk(t, "quick", publicOf("RSA")[0]))}
		var all auth.Providers
		for _, s := range []*keyServer{slow, quick} {
			all = append(all, provider(t, auth.JWTConfig{JWKS: runKeys(t, s), Algorithms: []string{"RS256"}}))
		}
		synctest.Wait()
		began := time.Now()
		if _, err := all.Authenticate(t.Context(), auth.Credentials{Token: signedBy(t, "RS256", "RSA", withKid("quick"), annClaims)}); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the second provider's token took %v", d)
		}
		if _, err := all.Authenticate(t.Context(), auth.Credentials{Token: signedBy(t, "RS256", "other RSA", withKid("slow"), annClaims)}); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 4*time.Second {
			t.Errorf("the first provider's token took %v, want until its keys came", d)
		}
	})
}
