package auth_test

import (
	"fmt"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
)

// BenchmarkAuthenticate is what a handshake costs by the kind of its token.
func BenchmarkAuthenticate(b *testing.B) {
	var tokens auth.Tokens
	for i := range 100 {
		tokens = append(tokens, hashed(b, "service", fmt.Sprint(serviceToken, i)))
	}
	good := token(`{"sub":"ann","exp":1800000000,"iat":1699999999}`)
	benchmarks := []struct {
		name   string
		a      auth.Authenticator
		c      auth.Credentials
		refuse bool
	}{
		{"HS256", jwtOf(b, config()), auth.Credentials{Token: good}, false},
		{"HS256 refused", jwtOf(b, config()), auth.Credentials{Token: good[:len(good)-1]}, true},
		{"RS256", jwtOf(b, publicConfig([]string{"RS256"}, "RSA")), auth.Credentials{Token: signedBy(b, "RS256", "RSA", nil, annClaims)}, false},
		{"ES256", jwtOf(b, publicConfig([]string{"ES256"}, "P-256")), auth.Credentials{Token: signedBy(b, "ES256", "P-256", nil, annClaims)}, false},
		{"EdDSA", jwtOf(b, publicConfig([]string{"EdDSA"}, "Ed25519")), auth.Credentials{Token: signedBy(b, "EdDSA", "Ed25519", nil, annClaims)}, false},
		{"tokens_file, the last of 100", tokens, auth.Credentials{Token: serviceToken + "99"}, false},
		{"broker, cached", auth.NewBroker(auth.BrokerConfig{Checker: everybody{}, Cache: time.Hour}), annPass, false},
	}
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bm.a.Authenticate(b.Context(), bm.c); (err != nil) != bm.refuse {
					b.Fatal(err)
				}
			}
		})
	}
}
