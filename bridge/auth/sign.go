package auth

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A Grant is what Sign makes a token of.
type Grant struct {
	User   string         // without the prefix
	TTL    time.Duration  // how long the token is valid; zero: without end, which needs AllowNoExpiry
	Claims map[string]any // further claims, which come before those that the configuration asks for
}

// Sign returns a token that the configuration accepts, signed with the first secret and the first
// algorithm, unless the claims of the grant stand against that.
func (c JWTConfig) Sign(g Grant) (string, error) {
	a, err := NewJWT(c)
	switch {
	case err != nil:
		return "", err
	case len(c.Secrets) == 0:
		return "", errors.New("no secret to sign with: only the issuer of the tokens has the private key")
	case g.User == "":
		return "", errors.New("user is empty")
	case g.TTL < 0 || g.TTL == 0 && !c.AllowNoExpiry:
		return "", fmt.Errorf("time to live %v: must be positive", g.TTL)
	}
	claims, err := a.claims(g)
	if err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.GetSigningMethod(a.config.Algorithms[0]), claims).SignedString(c.Secrets[0])
}

// claims returns the claims of the grant, and what the configuration asks for beside them.
func (a *JWT) claims(g Grant) (jwt.MapClaims, error) {
	now := a.config.Now()
	claims := jwt.MapClaims{"iat": now.Unix()}
	if g.TTL > 0 {
		claims["exp"] = now.Add(g.TTL + time.Second - 1).Unix() // rounded up: no token ends early
	}
	if len(a.config.Issuers) > 0 {
		claims["iss"] = a.config.Issuers[0]
	}
	if len(a.config.Audiences) > 0 {
		claims["aud"] = a.config.Audiences[0]
	}
	maps.Copy(claims, g.Claims)
	for i, required := range a.config.RequiredClaims {
		if _, lacking := a.required[i].find(claims); lacking != "" && !a.required[i].set(claims, required.Value) {
			return nil, fmt.Errorf("claim %s: %s", required.Name, lacking)
		}
	}
	if !a.userClaim.set(claims, g.User) {
		return nil, fmt.Errorf("claim %s cannot name the user beside the other claims", a.config.UserClaim)
	}
	return claims, nil
}

// A ClaimSet collects claims. The zero value is empty.
type ClaimSet struct {
	Claims map[string]any
	added  map[string]bool
}

// Set puts a claim where the path points to; several values for one path become a list.
func (s *ClaimSet) Set(path string, value any) error {
	p, err := parseClaim(path)
	if err != nil {
		return err
	}
	if s.Claims == nil {
		s.Claims = map[string]any{}
	}
	if s.added == nil {
		s.added = map[string]bool{}
	}
	if s.added[path] {
		earlier, _ := p.find(s.Claims)
		value = append(listed(earlier), listed(value)...)
	}
	s.added[path] = true
	if !p.set(s.Claims, value) {
		return fmt.Errorf("claim %s: a claim that it should stand in is not an object", path)
	}
	return nil
}

func listed(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}
