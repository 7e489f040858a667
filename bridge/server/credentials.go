package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// How a token makes its way: it comes with the handshake (authenticateRequest), with CONNECT
// (authenticateConnect) or later, in place of another, with SEND (renew). The authenticator turns
// it into an identity (authenticate), with which the session is let in (letIn) until the token ends
// or is no longer accepted (recheckAuth).

// credentials are what a session was let in with.
type credentials struct {
	identity auth.Identity
	checked  uint64 // Server.authChanges before the check
}

// authenticateRequest authenticates a handshake that carries a token, and returns what it has
// shown. Without a token CONNECT decides, and a login of HTTP's Basic waits for it: it may be a
// proxy's, and must not be tried where the client shows its own. The status is for an error.
func (s *Server) authenticateRequest(r *http.Request, remote string) (shown auth.Credentials, by *credentials, status int, err error) {
	shown, err = auth.FromHandshake(r.Header)
	shown.Remote = address(remote)
	switch {
	case err == nil && shown.Token == "":
		return shown, nil, 0, nil
	case err == nil:
		by, err = s.authenticate(r.Context(), shown)
	}
	var refused *auth.Error
	if errors.As(err, &refused) {
		return auth.Credentials{}, nil, http.StatusUnauthorized, refused
	}
	return shown, by, http.StatusServiceUnavailable, err
}

// isPage reports whether the handshake's token, if any, is in a subprotocol, as those of pages are.
func isPage(h http.Header) bool {
	shown, err := auth.FromHandshake(http.Header{"Authorization": h.Values("Authorization")})
	return err == nil && shown.Token == ""
}

// errUnchecked is what a client learns when its token could be neither accepted nor refused.
var errUnchecked = &stomp.Error{Message: "the token could not be checked"}

// authenticate returns what the client is let in with, an *auth.Error when it is refused, or
// errUnchecked, also when the check takes longer than a client has to connect.
func (s *Server) authenticate(ctx context.Context, shown auth.Credentials) (*credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Limits.ConnectTimeout)
	defer cancel()
	checked := s.authChanges.Load() // before the policy, so that a change in between is seen as one
	identity, err := s.policy.Load().Auth.Authenticate(ctx, shown)
	var refused *auth.Error
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, errUnchecked
	}
	return &credentials{identity: identity, checked: checked}, nil
}

// authenticateConnect lets the session in by what the handshake has shown, or CONNECT does.
func (x *session) authenticateConnect(f *stomp.Frame) error {
	if x.denied != nil {
		return x.denied
	}
	shown, err := shownBy(f, x.handshake)
	x.handshake = auth.Credentials{}
	if err != nil || x.credentials.Load() != nil {
		return err
	}
	by, err := x.server.authenticate(x.server.context, shown)
	if err != nil {
		return err
	}
	return x.letIn(by)
}

// shownBy returns what the frame shows, beside what the handshake has.
func shownBy(f *stomp.Frame, handshake auth.Credentials) (auth.Credentials, error) {
	login, _ := f.Get("login")
	passcode, _ := f.Get("passcode")
	return handshake.WithConnect(getFold(f, "authorization"), login, passcode)
}

// getFold is Get for a key in any letter case: what HTTP allows, some clients do in frames too.
func getFold(f *stomp.Frame, key string) string {
	for _, h := range f.Headers {
		if strings.EqualFold(h.Key, key) {
			return h.Value
		}
	}
	return ""
}

// tokenDestination is where a client sends a new token.
const tokenDestination = "/auth/token"

// renew replaces the session's credentials with what the frame shows, which must be of the same
// user and from the same source: an equal name elsewhere may be somebody else's. Subscriptions,
// their positions and what waits for them stay as they are.
func (x *session) renew(f *stomp.Frame) error {
	old := x.credentials.Load()
	shown, err := shownBy(f, auth.Credentials{Remote: address(x.remote)})
	if err != nil {
		return err
	}
	by, err := x.server.authenticate(x.server.context, shown)
	if err != nil {
		return err
	}
	if by.identity.User != old.identity.User {
		return &auth.Error{Reason: "the new token is of another user"}
	}
	if !by.identity.SameSource(old.identity) {
		return &auth.Error{Reason: "the new token is of another kind or provider than the first"}
	}
	if err := x.letIn(by); err != nil {
		return err
	}
	x.recheckAccess()
	x.out.Update(func(feed *hub.Feed, answers []byte) []byte {
		feed.SetTokens(x.server.tokens(by.identity))
		return x.appendReceipt(answers, f)
	})
	x.logIdentity("token renewed", by.identity)
	return nil
}

// logIdentity logs at debug who the session is, and its groups by the policy in force.
func (x *session) logIdentity(event string, who auth.Identity) {
	if !x.server.config.Logger.Enabled(x.server.context, slog.LevelDebug) {
		return
	}
	args := []any{"user", who.User, "by", who.By}
	if who.Provider != "" {
		args = append(args, "provider", who.Provider)
	}
	if f := x.server.policy.Load().Groups; f != nil {
		groups := f(who)
		args = append(args, "groups", groups.Names)
		if groups.Lacking != "" {
			args = append(args, "groups_lacking", groups.Lacking)
		}
	}
	x.log(slog.LevelDebug, event, args...)
}

// letIn notes what the session was let in with, and ends it when that expires. The reader calls it,
// or whoever starts the session. The error is a *denial.
func (x *session) letIn(by *credentials) error {
	if !x.entered {
		if err := x.server.enter(x, by.identity.User); err != nil {
			return err
		}
		x.logIdentity("let in", by.identity)
	}
	x.credentials.Store(by)
	if x.expiry != nil {
		x.expiry.Stop()
	}
	if expires := by.identity.Expires; !expires.IsZero() {
		x.expiry = time.AfterFunc(time.Until(expires), func() {
			if x.credentials.Load() == by { // not renewed in the last moment
				x.unauthorized(nil, &auth.Error{Reason: "token expired"})
			}
		})
	}
	if x.server.authChanges.Load() != by.checked { // whose walk over the sessions may have come before the Store
		x.recheckAuth()
	}
	return nil
}

// unauthorized ends the session because of its token. Clients look for 401 in the message.
func (x *session) unauthorized(f *stomp.Frame, err *auth.Error) {
	x.fail("401 "+err.Reason, f, &stomp.Error{Message: "401 " + err.Reason})
}
