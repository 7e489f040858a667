// Package auth turns what a client shows of itself into an identity.
package auth

import (
	"context"
	"strings"
	"time"
)

// Credentials are what a client has shown.
type Credentials struct {
	Token    string // of an Authorization header (see Token) or a subprotocol
	Login    string // of CONNECT
	Passcode string // of CONNECT; it may be a token too, for clients that have no other place for one
	Remote   string // the client's address, without a port
}

// token returns the token that there is, or the empty string.
func (c Credentials) token() string {
	if c.Token != "" {
		return c.Token
	}
	return c.Passcode
}

// Identity is whom credentials speak for.
type Identity struct {
	User    string
	Expires time.Time      // when the identity ends; the zero time: never
	Claims  map[string]any // what else the token says, as decoded from JSON, with numbers as json.Number; read-only
}

// Authenticator checks credentials. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate returns whom the credentials speak for. If it refuses them, the error is an *Error; any other error
	// means that they could not be checked. It returns within about ten seconds whatever it waits for, and sooner when ctx
	// is done.
	Authenticate(ctx context.Context, c Credentials) (Identity, error)
}

// Error says why credentials were refused. Peer and log may read it: it never holds a secret or a part of it.
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
