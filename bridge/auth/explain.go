package auth

import (
	"context"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// An Explanation is what a provider makes of a token.
type Explanation struct {
	Provider string
	Err      error     // why it does not accept the token; nil: it does
	User     string    // empty: the token names none
	Expires  time.Time // the zero time: never, or the token does not say when
	Groups   Groups
}

// Explain returns what each provider that the token is for makes of it. Where a provider does not
// accept the token, the rest is what the token claims.
func (p Providers) Explain(ctx context.Context, token string) []Explanation {
	token = Token(token)
	_, claims := Unverified(token)
	var all []Explanation
	for _, one := range p.asked(token) {
		e := Explanation{Provider: one.config.Name, Groups: one.groups(claims)}
		_, e.Err = one.Authenticate(ctx, Credentials{Token: token})
		if user, err := one.user(claims); err == nil {
			e.User = one.config.UserPrefix + user
		}
		e.Expires, _ = date(claims, "exp")
		all = append(all, e)
	}
	return all
}

// Unverified returns the header and the claims of a JSON Web Token, for people alone: nobody has
// checked them. Both are empty where it is none.
func Unverified(token string) (header, claims map[string]any) {
	parsed := jwt.MapClaims{}
	t, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(Token(token), parsed)
	if t == nil || err != nil && len(parsed) == 0 {
		return nil, nil
	}
	return t.Header, parsed
}
