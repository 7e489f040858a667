// Package auth turns the credentials that a client shows into an identity.
package auth

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Credentials are what a client has shown. They print as "***".
type Credentials struct {
	Token    string     // without its scheme; empty: none
	Login    string     // of CONNECT, looked at only beside a passcode
	Passcode string     // of CONNECT: a token, or the login's password at the broker; empty: none
	Basic    bool       // Login and Passcode are from HTTP's Basic instead, and perhaps for a proxy
	Remote   netip.Addr // where the client is, for limits on guessing; all clients with the zero address count as one
}

// Format writes "***" for every verb.
func (Credentials) Format(f fmt.State, _ rune) { io.WriteString(f, "***") }

// bearer returns the token, which stands in the passcode if it is nowhere else, and the login
// beside it.
func (c Credentials) bearer() (token, login string) {
	if c.Token != "" {
		return c.Token, ""
	}
	return Token(c.Passcode), c.Login
}

// Identity is the user that credentials belong to.
type Identity struct {
	User    string
	Expires time.Time      // when the identity ends; the zero time: never
	Claims  map[string]any // what else the token says, as decoded from JSON, with numbers as json.Number; read-only
	By      Kind           // the kind of authenticator that vouches for it

	// Provider is who has issued the token, where several may, as the configuration names them.
	Provider string

	proof *string // what Recheck looks at again; behind a pointer, so that it is never printed
}

// SameSource reports whether the same kind of authenticator, and the same provider, vouches for
// both identities. Only then are equal names certain to be one user's.
func (id Identity) SameSource(other Identity) bool {
	return id.By == other.By && id.Provider == other.Provider
}

// proven returns what the authenticator has noted for Recheck; empty for an identity that none has
// made.
func (id Identity) proven() string {
	if id.proof == nil {
		return ""
	}
	return *id.proof
}

// Kind is a kind of authenticator, by its name in the configuration.
type Kind string

// The kinds of authenticators.
const (
	KindJWT        Kind = "jwt"
	KindBroker     Kind = "broker"
	KindTokensFile Kind = "tokens_file"
	KindAnonymous  Kind = "anonymous"
)

// Authenticator checks credentials. It is safe for concurrent use. An error of its methods that is
// not an *Error says that the credentials could be neither accepted nor refused; it holds nothing
// of them.
type Authenticator interface {
	// Authenticate returns whose the credentials are, or an *Error if it refuses them. It may ask
	// others and wait for them, as long as ctx lasts.
	Authenticate(ctx context.Context, c Credentials) (Identity, error)

	// Recheck returns an *Error if an identity that was accepted before, perhaps by an
	// authenticator with other settings, would not be accepted any more. It asks nobody and waits
	// for nothing.
	Recheck(id Identity) error
}

// Error says why credentials were refused. Peer and log may read it: it never holds anything of
// them.
type Error struct {
	Reason string
	// Foreign tells that the credentials are not of the kind that the authenticator checks, as a
	// password is no JSON Web Token: another authenticator's reason says more.
	Foreign bool
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// refuse returns an *Error.
func refuse(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }

// foreign returns an *Error for credentials of another kind.
func foreign(reason string) error { return &Error{Reason: reason, Foreign: true} }

// errNothing refuses a client that shows nothing.
var errNothing = foreign("no token")

// errOtherUser refuses an identity whose token stands for another user now.
var errOtherUser = &Error{Reason: "token is of another user now"}

// checkLogin refuses a token that is shown as the passcode of somebody else's login.
func checkLogin(login, user string) error {
	if login != "" && login != user {
		return refuse("login is not the token's user")
	}
	return nil
}
