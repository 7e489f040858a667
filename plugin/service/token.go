package service

import (
	"errors"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/config"
)

// jwtConfig returns how the tokens of a provider are checked, but for a published key set.
func jwtConfig(j config.JWT) auth.JWTConfig {
	a := auth.JWTConfig{
		Name:            j.Name,
		PublicKeys:      j.PublicKeys,
		Algorithms:      j.Algorithm,
		UserClaim:       j.UserClaim,
		UserPrefix:      j.UserPrefix,
		GroupsClaim:     j.GroupsClaim,
		GroupsSeparator: j.GroupsSeparator,
		Issuers:         j.Issuer,
		Audiences:       j.Audience,
		RequiredClaims:  j.RequiredClaims,
		Leeway:          j.Leeway,
		AllowNoExpiry:   j.AllowNoExpiry,
	}
	if a.Leeway == 0 {
		a.Leeway = -1 // 0s in the configuration is none, not the default
	}
	for _, s := range j.Secret {
		a.Secrets = append(a.Secrets, []byte(s))
	}
	return a
}

// SignToken returns a token that the first secret of the configuration signs.
func SignToken(c *config.Config, g auth.Grant) (string, error) {
	for _, p := range c.Auth.Providers {
		switch {
		case len(p.Secret) == 0:
		case g.TTL == 0 && !p.AllowNoExpiry:
			return "", errors.New("a token without end (-t 0) would be refused: auth.jwt.allow_no_expiry is false")
		default:
			return jwtConfig(p).Sign(g)
		}
	}
	return "", errors.New("auth.jwt.secret: there is none to sign a token with: " +
		"set BRIDGE_AUTH_JWT_SECRET_FILE or BRIDGE_AUTH_JWT_SECRET, or ask whoever has the private key")
}
