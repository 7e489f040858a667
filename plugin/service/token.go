package service

import (
	"errors"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/config"
)

func jwtConfig(c *config.Config) auth.JWTConfig {
	j := c.Auth.JWT
	a := auth.JWTConfig{
		PublicKeys:     j.PublicKeys,
		Algorithms:     j.Algorithm,
		UserClaim:      j.UserClaim,
		Issuer:         j.Issuer,
		Audience:       j.Audience,
		RequiredClaims: j.RequiredClaims,
		Leeway:         j.Leeway,
		AllowNoExpiry:  j.AllowNoExpiry,
	}
	if a.Leeway == 0 {
		a.Leeway = -1 // 0s in the configuration is none, not the default
	}
	for _, s := range j.Secret {
		a.Secrets = append(a.Secrets, []byte(s))
	}
	return a
}

// SignToken returns a token for the user that the configured secret signs. ttl 0 is for ever.
func SignToken(c *config.Config, user string, ttl time.Duration) (string, error) {
	if len(c.Auth.JWT.Secret) == 0 {
		return "", errors.New("auth.jwt.secret: there is none to sign a token with: set BRIDGE_AUTH_JWT_SECRET_FILE or BRIDGE_AUTH_JWT_SECRET, or ask whoever has the private key")
	}
	return jwtConfig(c).Sign(user, ttl)
}
