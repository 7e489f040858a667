package auth

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxSeconds is the last second of the year 9999. A date beyond it was surely not meant in seconds.
const maxSeconds = 253402300799

// checkTimes checks exp, nbf and iat (RFC 7519, 4.1) and returns when the token ends.
func (a *JWT) checkTimes(claims jwt.MapClaims) (expires time.Time, err error) {
	expires, err = date(claims, "exp")
	if err != nil {
		return time.Time{}, err
	}
	now := a.config.Now()
	if expires.IsZero() {
		if !a.config.AllowNoExpiry {
			return time.Time{}, refuse("token has no exp")
		}
	} else if !now.Before(expires) {
		return time.Time{}, refuse("token expired")
	}
	latest := now.Add(a.config.Leeway)
	notBefore, err := date(claims, "nbf")
	if err != nil {
		return time.Time{}, err
	}
	if notBefore.After(latest) {
		return time.Time{}, refuse("token is not valid yet")
	}
	issued, err := date(claims, "iat")
	if err != nil {
		return time.Time{}, err
	}
	if issued.After(latest) {
		return time.Time{}, refuse("token was issued in the future")
	}
	return expires, nil
}

// checkParties checks iss and aud.
func (a *JWT) checkParties(claims jwt.MapClaims) error {
	if len(a.config.Issuers) > 0 {
		if issuer, err := claims.GetIssuer(); err != nil || !slices.Contains(a.config.Issuers, issuer) {
			return errOtherIssuer
		}
	}
	if len(a.config.Audiences) > 0 {
		named := func(audience string) bool { return slices.Contains(a.config.Audiences, audience) }
		if audiences, err := claims.GetAudience(); err != nil || !slices.ContainsFunc(audiences, named) {
			return refuse("token is for another audience")
		}
	}
	return nil
}

// checkRequired checks the claims that the configuration asks for.
func (a *JWT) checkRequired(claims jwt.MapClaims) error {
	for i, required := range a.config.RequiredClaims {
		if claim, _ := a.required[i].find(claims); !holds(claim, required.Value) {
			return refuse("token has another %q than is asked for", required.Name)
		}
	}
	return nil
}

// holds reports whether a claim reads as the text, or is a list of which one does.
func holds(claim any, text string) bool {
	switch claim := claim.(type) {
	case string:
		return claim == text
	case json.Number:
		return claim.String() == text
	case bool:
		return strconv.FormatBool(claim) == text
	case []any:
		return slices.ContainsFunc(claim, func(element any) bool {
			_, list := element.([]any)
			return !list && holds(element, text)
		})
	}
	return false
}

// user returns the name of the user, without the prefix.
func (a *JWT) user(claims jwt.MapClaims) (string, error) {
	var user string
	switch claim, _ := a.userClaim.find(claims); claim := claim.(type) {
	case string:
		user = claim
	case json.Number:
		user = claim.String()
	}
	if user == "" {
		return "", refuse("token names no user in claim %q", a.config.UserClaim)
	}
	return user, nil
}

// date returns the time in a claim, which may have a fraction, or the zero time if there is no such
// claim.
func date(claims jwt.MapClaims, name string) (time.Time, error) {
	claim, ok := claims[name]
	if !ok {
		return time.Time{}, nil
	}
	number, _ := claim.(json.Number)
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > maxSeconds {
		return time.Time{}, refuse("%s is not a time in seconds", name)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}
