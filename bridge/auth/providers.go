package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Providers check JSON Web Tokens that several parties issue. They are asked in turn, and the first
// that accepts counts.
//
// A token names its issuer, and before its signature is checked that is no more than a claim: it
// chooses who is asked, and a provider that is asked believes nothing but its own keys, algorithms
// and issuers. An issuer that some of the providers name is for those alone; a token of any other
// is for the providers that name none.
type Providers []*JWT

// Authenticate asks those for whom the token is. Keys that are known are tried first, so that a
// token of one provider does not wait for the key set of another.
func (p Providers) Authenticate(ctx context.Context, c Credentials) (Identity, error) {
	token, login := c.bearer()
	var v verdict
	var later []*JWT
	for _, one := range p.asked(token) {
		id, err := one.identify(token, login, one.knownKeys)
		switch {
		case err == nil:
			return id, nil
		case one.config.JWKS != nil && (errors.Is(err, errNoKeys) || errors.Is(err, errUnknownKey)):
			later = append(later, one)
		default:
			v.add(err)
		}
	}
	for _, one := range later {
		id, err := one.Authenticate(ctx, c)
		if err == nil {
			return id, nil
		}
		v.add(err)
	}
	return Identity{}, v.err(errOtherIssuer)
}

// Recheck asks those for whom the identity's token is.
func (p Providers) Recheck(id Identity) error {
	if err := ofKind(id, KindJWT); err != nil {
		return err
	}
	var v verdict
	for _, one := range p.asked(id.proven()) {
		err := one.Recheck(id)
		if err == nil {
			return nil
		}
		v.add(err)
	}
	return v.err(errOtherIssuer)
}

// Groups returns the groups of an identity by the settings of its provider, or of the first that
// accepts it now.
func (p Providers) Groups(id Identity) Groups {
	i := slices.IndexFunc(p, func(one *JWT) bool { return one.config.Name == id.Provider })
	if i < 0 {
		i = slices.IndexFunc(p, func(one *JWT) bool { return one.Recheck(id) == nil })
	}
	if i < 0 || id.By != KindJWT {
		return Groups{}
	}
	return p[i].groups(id.Claims)
}

// errOtherIssuer refuses a token that is for none of the providers.
var errOtherIssuer = &Error{Reason: "token is from another issuer"}

// asked returns the providers that the token is for.
func (p Providers) asked(token string) []*JWT {
	issuer, ok := claimedIssuer(token)
	if len(p) < 2 || !ok {
		return p
	}
	var naming, open []*JWT
	for _, one := range p {
		switch {
		case slices.Contains(one.config.Issuers, issuer):
			naming = append(naming, one)
		case len(one.config.Issuers) == 0:
			open = append(open, one)
		}
	}
	if len(naming) > 0 {
		return naming
	}
	return open
}

// claimedIssuer returns what the token says of its issuer, and whether it is such a token at all.
func claimedIssuer(token string) (issuer string, ok bool) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return "", false
	}
	var claims struct {
		Issuer any `json:"iss"`
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(data, &claims) != nil {
		return "", false
	}
	issuer, _ = claims.Issuer.(string)
	return issuer, true
}

func (p Providers) recognises(c Credentials) bool {
	return slices.ContainsFunc(p, func(one *JWT) bool { return one.recognises(c) })
}
