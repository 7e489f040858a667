package doctor_test

import (
	"context"
	"errors"
	"testing"

	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/doctor"
)

// The key set of each provider is fetched, and one that cannot be is a failure.
func TestKeySetsAreFetched(t *testing.T) {
	const yaml = `
auth:
  jwt:
    - {jwks_url: "https://good.example.org/jwks", algorithm: RS256}
    - {jwks_url: "https://away.example.org/jwks", algorithm: RS256}
    - {jwks_url: "http://open.example.org/jwks", jwks_insecure_http: true, algorithm: RS256}
    - {secret: "a secret of its own, of 32 bytes"}
` + rules
	fetch := func(_ context.Context, p config.JWT) (int, error) {
		if p.JWKSURL == "https://away.example.org/jwks" {
			return 0, errors.New("the server answers 404 Not Found")
		}
		return 2, nil
	}
	out, _ := look{yaml: yaml, environ: []string{"BRIDGE_AUTH_JWT_SECRET="}, change: func(c *doctor.Config) { c.Keys = fetch }}.run(t)
	holds(t, out,
		"ok    jwks_url: https://good.example.org/jwks has 2 keys for tokens",
		"fail  jwks_url: https://away.example.org/jwks: the server answers 404 Not Found",
		"means: no token of this issuer can be checked, and the bridge is not ready",
		"ok    jwks_url: http://open.example.org/jwks has 2 keys for tokens",
		"warn  jwks_insecure_http: keys for tokens may be fetched without TLS",
	)
}
