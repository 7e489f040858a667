package server

import (
	"errors"
	"log/slog"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/server/origin"
	"mqtt-stomp-bridge/bridge/stomp"
)

// A Policy decides who may connect and what each client gets. It must not be changed once a Server
// has it.
type Policy struct {
	Auth    auth.Authenticator              // must be set
	Access  Access                          // nil: everybody may subscribe to everything
	Tokens  func(auth.Identity) []string    // maps an identity to its audience tokens; nil: none
	Groups  func(auth.Identity) auth.Groups // the groups of an identity, for Sessions and the log; nil: none
	Origins origin.Allowed                  // whose pages may connect, beside those of the server's own origin
	Hosts   origin.Hosts                    // the names under which the server answers; none: all
	// Anonymous tells that Auth lets in clients that show nothing. Pages of the server's own origin
	// are then refused under a name that Hosts does not hold.
	Anonymous bool
}

// Access decides who may subscribe to what. It is safe for concurrent use.
type Access interface {
	// Allow reports whether a user with these claims may subscribe to the queue, and why not, for
	// the log.
	Allow(queue, user string, claims map[string]any) (ok bool, reason string)
}

// SetPolicy replaces the policy as a whole, for connected sessions too, and waits for no client. A
// session whose token the new one refuses, or that has a subscription it does not allow, ends; all
// others have their new audience tokens when SetPolicy returns. Origins count for new connections.
func (s *Server) SetPolicy(p Policy) {
	s.policy.Store(&p)
	s.authChanges.Add(1)
	for _, x := range s.snapshot() {
		x.recheckAuth()
		x.recheckAccess()
		x.refreshTokens()
	}
}

// RecheckAuth ends with 401 the sessions whose token the authenticator does not accept any more, as
// when its keys have changed.
func (s *Server) RecheckAuth() {
	s.authChanges.Add(1)
	for _, x := range s.snapshot() {
		x.recheckAuth()
	}
}

// recheckAuth ends the session if the authenticator that is in force now refuses its token. An
// error that is not a refusal, as when keys cannot be fetched, does not end it.
func (x *session) recheckAuth() {
	by := x.credentials.Load()
	if by == nil {
		return
	}
	var refused *auth.Error
	if err := x.server.policy.Load().Auth.Recheck(by.identity); errors.As(err, &refused) {
		x.unauthorized(nil, refused)
	}
}

// recheckAccess ends the session if one of its subscriptions is not allowed any more.
func (x *session) recheckAccess() {
	by := x.credentials.Load()
	if by == nil || x.ended.Load() != nil {
		return
	}
	x.subsMu.Lock()
	queues := make([]string, 0, len(x.subs))
	for _, s := range x.subs {
		queues = append(queues, s.queue)
	}
	x.subsMu.Unlock()
	for _, queue := range queues {
		if err := x.allowed(queue, by); err != nil {
			x.reject(nil, err)
			return
		}
	}
}

// allowed returns nil if the session may be subscribed to the queue.
func (x *session) allowed(queue string, by *credentials) error {
	access := x.server.policy.Load().Access
	if access == nil {
		return nil
	}
	ok, reason := access.Allow(queue, by.identity.User, by.identity.Claims)
	if ok {
		return nil
	}
	x.log(slog.LevelWarn, "subscription refused", "queue", queue, "user", by.identity.User, "reason", reason)
	return &denial{"access denied", &stomp.Error{Message: "access denied", Detail: "the access rules do not let you subscribe to " + queue}}
}

// refreshTokens gives the feed the audience tokens of the policy in force.
func (x *session) refreshTokens() {
	x.out.Adjust(func(feed *hub.Feed) {
		// Loaded in here, between two writes: a renewal or another policy that comes at the same
		// time must not be undone.
		if by := x.credentials.Load(); by != nil {
			feed.SetTokens(x.server.tokens(by.identity))
		}
	})
}

// tokens returns the audience tokens of an identity by the policy in force.
func (s *Server) tokens(who auth.Identity) []string {
	f := s.policy.Load().Tokens
	if f == nil {
		return nil
	}
	return f(who)
}
