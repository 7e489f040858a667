package auth

import "context"

// AnonymousUser is the user that Anonymous lets everybody in as.
const AnonymousUser = "anonymous"

// Anonymous lets in clients that show nothing, as AnonymousUser and for ever. Whoever shows a token
// or a passcode wants it checked: an expired token must not silently become another user.
type Anonymous struct {
	// Sole tells that nothing else checks credentials, so what clients show is not looked at.
	Sole bool
}

// Authenticate accepts a client that shows nothing.
func (a Anonymous) Authenticate(_ context.Context, c Credentials) (Identity, error) {
	if !a.Sole && (c.Token != "" || c.Passcode != "") {
		return Identity{}, foreign("token is of no kind that is accepted")
	}
	return Identity{User: AnonymousUser, By: KindAnonymous}, nil
}

// Recheck accepts identities of its own.
func (a Anonymous) Recheck(id Identity) error { return ofKind(id, KindAnonymous) }
