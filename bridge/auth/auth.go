// Package auth turns the value of an Authorization header into an identity.
package auth

import (
	"context"
	"strings"
	"time"
)

// Identity is whom an Authorization value speaks for.
type Identity struct {
	User    string
	Expires time.Time      // when the identity ends; the zero time: never
	Claims  map[string]any // what else the token says, as decoded from JSON, with numbers as json.Number; read-only
}

// Authenticator checks Authorization values. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate takes a token, raw or as "Bearer <token>" in any letter case. If it refuses the token, the error is
	// an *Error.
	Authenticate(ctx context.Context, authorization string) (Identity, error)
}

// Error says why a token was refused. Peer and log may read it: it never holds the token or a part of it.
type Error struct{ Reason string }

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Token returns the token of an Authorization value (RFC 6750, 2.1; RFC 9110, 11.1: schemes know no letter case). The
// result is empty if there is none.
func Token(authorization string) string {
	authorization = strings.Trim(authorization, " \t")
	scheme, rest, _ := strings.Cut(authorization, " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimLeft(rest, " ")
	}
	return authorization
}
