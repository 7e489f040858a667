package auth

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// JWTConfig says which JSON Web Tokens are good. Only the keys and the algorithms named here count,
// whatever a token says about its algorithm or its keys (RFC 8725, 3.1). Exactly one of Secrets,
// PublicKeys and JWKS must be given.
type JWTConfig struct {
	Secrets        [][]byte           // a signature by any of them is good; Sign uses the first
	PublicKeys     []crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey: a signature by any of them is good
	JWKS           *JWKS              // where the keys are published; whoever made it runs it
	Algorithms     []string           // some of Algorithms(), all for secrets or all for public keys; default HS256
	UserClaim      string             // the claim that names the user, text or a number; default sub
	Issuer         string             // what iss must be; empty: anything
	Audience       string             // what aud must be or hold; empty: anything
	RequiredClaims []RequiredClaim    // all of them
	Leeway         time.Duration      // for clocks that differ, on nbf and iat, never on exp; default 30s, negative: none
	AllowNoExpiry  bool               // accept tokens without exp
	Now            func() time.Time   // default time.Now
}

// RequiredClaim is a claim that a token must have: text, a number, true or false that reads as
// Value, or a list that holds such.
type RequiredClaim struct{ Name, Value string }

// JWT checks JSON Web Tokens. NewJWT is the only way to make one.
type JWT struct {
	config JWTConfig
	sets   map[string]jwt.VerificationKeySet // algorithm -> the keys that may sign with it; none with a JWKS
	parser *jwt.Parser
}

// NewJWT returns an authenticator for the tokens that c describes, or says what is wrong with c.
func NewJWT(c JWTConfig) (*JWT, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return &JWT{
		config: c,
		sets:   c.keySets(),
		// The claims are checked here, since the parser's leeway would hold for exp as well.
		parser: jwt.NewParser(jwt.WithValidMethods(c.Algorithms), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation()),
	}, nil
}

// Sign returns a token for the user, signed with the first secret and the first algorithm, that
// ends ttl from now. A ttl of zero makes a token without end, which needs AllowNoExpiry.
func (c JWTConfig) Sign(user string, ttl time.Duration) (string, error) {
	c, err := c.complete()
	if err != nil {
		return "", err
	}
	switch {
	case len(c.Secrets) == 0:
		return "", errors.New("no secret to sign with: only the issuer of the tokens has the private key")
	case user == "":
		return "", errors.New("user is empty")
	}
	now := c.Now()
	claims := jwt.MapClaims{}
	for _, required := range c.RequiredClaims {
		claims[required.Name] = required.Value
	}
	claims["iat"], claims[c.UserClaim] = now.Unix(), user
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
	return jwt.NewWithClaims(jwt.GetSigningMethod(c.Algorithms[0]), claims).SignedString(c.Secrets[0])
}

// Defaults of JWTConfig.
const (
	DefaultAlgorithm = "HS256"
	DefaultUserClaim = "sub"
	DefaultLeeway    = 30 * time.Second
)

// complete returns c with each zero replaced by its default, or says what is wrong with it.
func (c JWTConfig) complete() (JWTConfig, error) {
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{DefaultAlgorithm}
	}
	c.UserClaim = cmp.Or(c.UserClaim, DefaultUserClaim)
	c.Leeway = max(0, cmp.Or(c.Leeway, DefaultLeeway))
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.checkKeys()
}

// checkKeys says why the keys cannot be used.
func (c JWTConfig) checkKeys() error {
	sources := 0
	for _, given := range []bool{len(c.Secrets) > 0, len(c.PublicKeys) > 0, c.JWKS != nil} {
		if given {
			sources++
		}
	}
	switch {
	case sources == 0:
		return errors.New("no secret and no public key")
	case sources > 1:
		return errors.New("secrets, public keys and a key set do not go together")
	}
	if err := CheckAlgorithms(c.Algorithms, len(c.Secrets) > 0, c.PublicKeys); err != nil {
		return err
	}
	return c.checkSecrets()
}

func (c JWTConfig) checkSecrets() error {
	for i, secret := range c.Secrets {
		for _, algorithm := range c.Algorithms {
			if least := LeastSecret(algorithm); len(secret) < least {
				return fmt.Errorf("secret %d of %d has %d bytes: %s needs at least %d (RFC 7518, 3.2)",
					i+1, len(c.Secrets), len(secret), algorithm, least)
			}
		}
	}
	return nil
}

func (c JWTConfig) keySets() map[string]jwt.VerificationKeySet {
	sets := map[string]jwt.VerificationKeySet{}
	for _, algorithm := range c.Algorithms {
		var set jwt.VerificationKeySet
		for _, secret := range c.Secrets {
			set.Keys = append(set.Keys, secret)
		}
		for _, key := range c.PublicKeys {
			if fits(algorithm, key) {
				set.Keys = append(set.Keys, key)
			}
		}
		sets[algorithm] = set
	}
	return sets
}

// Authenticate checks the token's signature, then its claims. It waits for nothing but a JWKS.
func (a *JWT) Authenticate(ctx context.Context, c Credentials) (Identity, error) {
	keys := a.knownKeys
	if a.config.JWKS != nil {
		keys = func(t *jwt.Token) (any, error) { return a.config.JWKS.await(ctx, t) }
	}
	token, login := c.bearer()
	id, err := a.check(token, keys)
	if err == nil {
		err = checkLogin(login, id.User)
	}
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

// Recheck checks an identity's token again, with the keys that are known.
func (a *JWT) Recheck(id Identity) error {
	if err := ofKind(id, KindJWT); err != nil {
		return err
	}
	_, err := a.check(id.proven(), a.knownKeys)
	return err
}

func (a *JWT) check(token string, keys jwt.Keyfunc) (Identity, error) {
	switch {
	case token == "":
		return Identity{}, errNothing
	case len(token) > maxToken:
		return Identity{}, refuse("token is too long")
	case strings.Count(token, ".") != 2: // RFC 7515, 7.1: three parts
		return Identity{}, foreign("token is not a JSON Web Token")
	}
	claims, err := a.verify(token, keys)
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
	if err := a.checkRequired(claims); err != nil {
		return Identity{}, err
	}
	user, err := a.user(claims)
	if err != nil {
		return Identity{}, err
	}
	return Identity{User: user, Expires: expires, Claims: claims, By: KindJWT, proof: &token}, nil
}

// verify returns the claims of a token whose signature is good. The parser's errors may quote the
// token, so none of them is passed on.
func (a *JWT) verify(token string, keys jwt.Keyfunc) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	parsed, err := a.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if err := checkHeader(t.Header); err != nil {
			return nil, err
		}
		return keys(t)
	})
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case errors.Is(err, errNoKeys):
		return nil, errNoKeys
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, refuse("token is not a JSON Web Token")
	case errors.Is(err, jwt.ErrTokenUnverifiable), !slices.Contains(a.config.Algorithms, parsed.Method.Alg()):
		return nil, refuse("token is not signed with %s", strings.Join(a.config.Algorithms, " or "))
	case err != nil:
		return nil, refuse("signature is not valid")
	}
	return claims, nil
}

// checkHeader refuses tokens that are more than a signature over claims.
func checkHeader(header map[string]any) error {
	// RFC 7515, 4.1.11: a token with extensions that must be understood is refused by those who do
	// not.
	if _, ok := header["crit"]; ok {
		return refuse("token has critical extensions")
	}
	// RFC 7519, 5.2: the claims are another token. Its signature would have to be checked as well.
	if contentType, _ := header["cty"].(string); strings.TrimPrefix(strings.ToLower(contentType), "application/") == "jwt" {
		return refuse("token is nested")
	}
	return nil
}

// knownKeys returns the keys that may have signed the token: those for its algorithm.
func (a *JWT) knownKeys(t *jwt.Token) (any, error) {
	if a.config.JWKS != nil {
		return a.config.JWKS.known(t)
	}
	return a.sets[t.Method.Alg()], nil
}
