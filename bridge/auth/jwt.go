package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxToken is the size of the longest token that is looked at, in bytes.
const maxToken = 16 << 10

// maxSeconds is the last second of the year 9999. A date beyond it was surely not meant in seconds.
const maxSeconds = 253402300799

// JWTConfig says which JSON Web Tokens are good. Only the signature's algorithm named here counts, whatever a token
// says about its algorithm or its keys (RFC 8725, 3.1).
type JWTConfig struct {
	Secrets       [][]byte         // a signature by any of them is good; Sign uses the first. At least one
	Algorithm     string           // HS256, HS384 or HS512; default HS256
	UserClaim     string           // the claim that names the user, text or a number; default sub
	Issuer        string           // what iss must be; empty: anything
	Audience      string           // what aud must be or hold; empty: anything
	Leeway        time.Duration    // for clocks that differ, on nbf and iat, never on exp; default 30s, negative: none
	AllowNoExpiry bool             // accept tokens without exp
	Now           func() time.Time // default time.Now
}

// JWT checks JSON Web Tokens. NewJWT is the only way to make one.
type JWT struct {
	config JWTConfig
	keys   jwt.VerificationKeySet
	parser *jwt.Parser
}

// NewJWT returns an authenticator for the tokens that c describes, or says what is wrong with c.
func NewJWT(c JWTConfig) (*JWT, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	a := &JWT{
		config: c,
		// The claims are checked here, since the parser's leeway would hold for exp as well.
		parser: jwt.NewParser(jwt.WithValidMethods([]string{c.Algorithm}), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation()),
	}
	for _, secret := range c.Secrets {
		a.keys.Keys = append(a.keys.Keys, secret)
	}
	return a, nil
}

// Sign returns a token for the user, signed with the first secret, that ends ttl from now. A ttl of zero makes a token
// without end, which needs AllowNoExpiry.
func (c JWTConfig) Sign(user string, ttl time.Duration) (string, error) {
	c, err := c.complete()
	if err != nil {
		return "", err
	}
	if user == "" {
		return "", errors.New("user is empty")
	}
	now := c.Now()
	claims := jwt.MapClaims{"iat": now.Unix(), c.UserClaim: user}
	switch {
	case ttl > 0:
		claims["exp"] = now.Add(ttl + time.Second - 1).Unix() // rounded up: no token ends early
	case ttl < 0 || !c.AllowNoExpiry:
		return "", fmt.Errorf("time to live %v: must be positive", ttl)
	}
	if c.Issuer != "" {
		claims["iss"] = c.Issuer
	}
	if c.Audience != "" {
		claims["aud"] = c.Audience
	}
	return jwt.NewWithClaims(jwt.GetSigningMethod(c.Algorithm), claims).SignedString(c.Secrets[0])
}

// complete returns c with each zero replaced by its default, or says what is wrong with it.
func (c JWTConfig) complete() (JWTConfig, error) {
	c.Algorithm = cmp.Or(c.Algorithm, "HS256")
	c.UserClaim = cmp.Or(c.UserClaim, "sub")
	c.Leeway = max(0, cmp.Or(c.Leeway, 30*time.Second))
	if c.Now == nil {
		c.Now = time.Now
	}
	// RFC 7518, 3.2: a key must be at least as long as the hash's output.
	shortest, ok := map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}[c.Algorithm]
	if !ok {
		return c, fmt.Errorf("algorithm %q: must be HS256, HS384 or HS512", c.Algorithm)
	}
	if len(c.Secrets) == 0 {
		return c, errors.New("no secret")
	}
	for i, secret := range c.Secrets {
		if len(secret) < shortest {
			return c, fmt.Errorf("secret %d of %d has %d bytes: %s needs at least %d (RFC 7518, 3.2)", i+1, len(c.Secrets), len(secret), c.Algorithm, shortest)
		}
	}
	return c, nil
}

// Authenticate checks the token's signature, then its claims. The login beside a token is ignored: the token says who it is.
func (a *JWT) Authenticate(_ context.Context, c Credentials) (Identity, error) {
	token := c.token()
	switch {
	case token == "":
		return Identity{}, &Error{"no token"}
	case len(token) > maxToken:
		return Identity{}, &Error{"token is too long"}
	}
	claims, err := a.verify(token)
	if err != nil {
		return Identity{}, err
	}
	expires, err := a.checkTimes(claims)
	if err != nil {
		return Identity{}, err
	}
	if err := a.checkParties(claims); err != nil {
		return Identity{}, err
	}
	user, err := a.user(claims)
	if err != nil {
		return Identity{}, err
	}
	return Identity{User: user, Expires: expires, Claims: claims}, nil
}

// verify returns the claims of a token whose signature is good. The parser's errors may quote the token, so none of them
// is passed on.
func (a *JWT) verify(token string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	parsed, err := a.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return a.keys, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, &Error{"token is not a JSON Web Token"}
	case errors.Is(err, jwt.ErrTokenUnverifiable), parsed.Method.Alg() != a.config.Algorithm:
		return nil, &Error{"token is not signed with " + a.config.Algorithm}
	case err != nil:
		return nil, &Error{"signature is not valid"}
	}
	// RFC 7515, 4.1.11: a token with extensions that must be understood is refused by those who do not.
	if _, ok := parsed.Header["crit"]; ok {
		return nil, &Error{"token has critical extensions"}
	}
	return claims, nil
}

// checkTimes checks exp, nbf and iat (RFC 7519, 4.1) and returns when the token ends.
func (a *JWT) checkTimes(claims jwt.MapClaims) (expires time.Time, err error) {
	expires, err = date(claims, "exp")
	if err != nil {
		return time.Time{}, err
	}
	now := a.config.Now()
	if expires.IsZero() {
		if !a.config.AllowNoExpiry {
			return time.Time{}, &Error{"token has no exp"}
		}
	} else if !now.Before(expires) {
		return time.Time{}, &Error{"token expired"}
	}
	latest := now.Add(a.config.Leeway)
	notBefore, err := date(claims, "nbf")
	if err != nil {
		return time.Time{}, err
	}
	if notBefore.After(latest) {
		return time.Time{}, &Error{"token is not valid yet"}
	}
	issued, err := date(claims, "iat")
	if err != nil {
		return time.Time{}, err
	}
	if issued.After(latest) {
		return time.Time{}, &Error{"token was issued in the future"}
	}
	return expires, nil
}

// checkParties checks iss and aud.
func (a *JWT) checkParties(claims jwt.MapClaims) error {
	if a.config.Issuer != "" {
		if issuer, err := claims.GetIssuer(); err != nil || issuer != a.config.Issuer {
			return &Error{"token is from another issuer"}
		}
	}
	if a.config.Audience != "" {
		if audience, err := claims.GetAudience(); err != nil || !slices.Contains(audience, a.config.Audience) {
			return &Error{"token is for another audience"}
		}
	}
	return nil
}

func (a *JWT) user(claims jwt.MapClaims) (string, error) {
	var user string
	switch claim := claims[a.config.UserClaim].(type) {
	case string:
		user = claim
	case json.Number:
		user = claim.String()
	}
	if user == "" {
		return "", &Error{fmt.Sprintf("token names no user in claim %q", a.config.UserClaim)}
	}
	return user, nil
}

// date returns the time in a claim, which may have a fraction, or the zero time if there is no such claim.
func date(claims jwt.MapClaims, name string) (time.Time, error) {
	claim, ok := claims[name]
	if !ok {
		return time.Time{}, nil
	}
	number, _ := claim.(json.Number)
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > maxSeconds {
		return time.Time{}, &Error{name + " is not a time in seconds"}
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}
