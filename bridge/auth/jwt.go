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
//
// Claims are named by their paths: realm_access.roles is the claim roles within realm_access, and
// "https://example.org/roles" in quotes is one claim in spite of its dots; see CheckClaim.
type JWTConfig struct {
	Name            string             // for Identity.Provider
	Secrets         [][]byte           // a signature by any of them is good; Sign uses the first
	PublicKeys      []crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey: a signature by any of them is good
	JWKS            *JWKS              // where the keys are published; whoever made it runs it
	Algorithms      []string           // some of Algorithms(), all for secrets or all for public keys; default HS256
	UserClaim       string             // the claim that names the user, text or a number; default sub
	UserPrefix      string             // before the name of each user
	GroupsClaim     string             // the claim with the user's groups; empty: there are none
	GroupsSeparator string             // between the groups in a text; empty: a text is one group
	Issuers         []string           // iss must be one of them; none: it may be anything
	Audiences       []string           // aud must be or hold one of them; none: it may be anything
	RequiredClaims  []RequiredClaim    // all of them
	Leeway          time.Duration      // for clocks that differ, on nbf and iat, never on exp; default 30s, negative: none
	AllowNoExpiry   bool               // accept tokens without exp
	Now             func() time.Time   // default time.Now
}

// RequiredClaim is a claim that a token must have: text, a number, true or false that reads as
// Value, or a list that holds such.
type RequiredClaim struct{ Name, Value string }

// ParseRequiredClaim reads CLAIM=VALUE. In a name that stands in quotes, "=" has no meaning.
func ParseRequiredClaim(text string) (RequiredClaim, error) {
	name, value, ok := cutClaim(text)
	if !ok || value == "" {
		return RequiredClaim{}, fmt.Errorf("%q is not CLAIM=VALUE", text)
	}
	return RequiredClaim{name, value}, CheckClaim(name)
}

// cutClaim cuts CLAIM=VALUE at the first "=" that is not in quotes.
func cutClaim(text string) (name, value string, ok bool) {
	quoted := false
	for i, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '=' && !quoted:
			return text[:i], text[i+1:], i > 0
		}
	}
	return "", "", false
}

// JWT checks JSON Web Tokens. NewJWT is the only way to make one.
type JWT struct {
	config JWTConfig
	sets   map[string]jwt.VerificationKeySet // algorithm -> the keys that may sign with it; none with a JWKS
	parser *jwt.Parser

	userClaim   claimPath
	groupsClaim claimPath   // without names: none
	required    []claimPath // beside config.RequiredClaims
}

// NewJWT returns an authenticator for the tokens that c describes, or says what is wrong with c.
func NewJWT(c JWTConfig) (*JWT, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	a := &JWT{
		config: c,
		sets:   c.keySets(),
		// The claims are checked here, since the parser's leeway would hold for exp as well.
		parser: jwt.NewParser(jwt.WithValidMethods(c.Algorithms), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation()),
	}
	return a, a.readPaths()
}

// readPaths reads the paths of the claims that the configuration names.
func (a *JWT) readPaths() (err error) {
	if a.userClaim, err = parseClaim(a.config.UserClaim); err != nil {
		return fmt.Errorf("the user's claim: %w", err)
	}
	if a.config.GroupsClaim != "" {
		if a.groupsClaim, err = parseClaim(a.config.GroupsClaim); err != nil {
			return fmt.Errorf("the groups' claim: %w", err)
		}
	}
	for _, required := range a.config.RequiredClaims {
		path, err := parseClaim(required.Name)
		if err != nil {
			return fmt.Errorf("a required claim: %w", err)
		}
		a.required = append(a.required, path)
	}
	return nil
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
	return a.identify(token, login, keys)
}

// identify returns whose the token is, which may be shown as the passcode of its user's login.
func (a *JWT) identify(token, login string, keys jwt.Keyfunc) (Identity, error) {
	id, err := a.check(token, keys)
	if err == nil && a.config.UserPrefix+login != id.User {
		err = checkLogin(login, id.User)
	}
	if err != nil {
		return Identity{}, err
	}
	return id, nil
}

// Recheck checks an identity's token again, with the keys that are known. It must still be the same
// user's.
func (a *JWT) Recheck(id Identity) error {
	if err := ofKind(id, KindJWT); err != nil {
		return err
	}
	now, err := a.check(id.proven(), a.knownKeys)
	if err == nil && now.User != id.User {
		return errOtherUser
	}
	return err
}

// recognises reports whether a token is one of this kind, good or not.
func (*JWT) recognises(c Credentials) bool {
	token, _ := c.bearer()
	dots := strings.Count(token, ".")
	return (dots == 2 || dots == 4) && hasHeader(token)
}

func (a *JWT) check(token string, keys jwt.Keyfunc) (Identity, error) {
	switch {
	case token == "":
		return Identity{}, errNothing
	case len(token) > maxToken:
		return Identity{}, refuse("token is too long")
	case strings.Count(token, ".") != 2 || !hasHeader(token): // RFC 7515, 7.1: three parts
		return Identity{}, notSigned(token)
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
	return Identity{
		User:     a.config.UserPrefix + user,
		Expires:  expires,
		Claims:   claims,
		By:       KindJWT,
		Provider: a.config.Name,
		proof:    &token,
	}, nil
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
