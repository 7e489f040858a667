package doctor

import (
	"context"
	"fmt"
)

// examineKeys fetches the published keys of the providers of tokens.
func (d *doctor) examineKeys(ctx context.Context) {
	if d.cfg.Keys == nil {
		return
	}
	for _, p := range d.cfg.Settings.Auth.Providers {
		if p.JWKSURL == "" {
			continue
		}
		n, err := d.cfg.Keys(ctx, p)
		if err != nil {
			d.add(finding{
				level: Fail, check: "jwks_url",
				seen:  fmt.Sprintf("%s: %s", p.JWKSURL, err),
				means: meansNoKeys,
				set:   d.locations.of("auth.jwt.jwks_url") + ": where the issuer publishes its keys",
			})
			continue
		}
		d.ok("jwks_url", "%s has %d keys for tokens", p.JWKSURL, n)
		if p.JWKSInsecureHTTP {
			d.add(finding{
				level: Warn, check: "jwks_insecure_http",
				seen:  "keys for tokens may be fetched without TLS",
				means: meansInsecureKeys,
				set:   d.locations.of("auth.jwt.jwks_insecure_http") + ": false, with https in jwks_url",
			})
		}
	}
}
