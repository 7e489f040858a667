package server

import (
	"log/slog"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// Access decides who may subscribe to what. It is safe for concurrent use.
type Access interface {
	// Allow reports whether a user with these claims may subscribe to the queue, and why not, for the log.
	Allow(queue, user string, claims map[string]any) (ok bool, reason string)
}

// A refusal ends a session with an ERROR frame, and is counted under its cause.
type refusal struct {
	cause string
	err   *stomp.Error
}

// Error returns what the client is told.
func (r *refusal) Error() string { return r.err.Message }

// allowed returns nil if the session may be subscribed to the queue.
func (x *session) allowed(queue string, by *credentials) error {
	access := x.server.access.Load()
	if *access == nil {
		return nil
	}
	ok, reason := (*access).Allow(queue, by.identity.User, by.identity.Claims)
	if ok {
		return nil
	}
	x.log(slog.LevelWarn, "subscription refused", "queue", queue, "user", by.identity.User, "reason", reason)
	return &refusal{"access denied", &stomp.Error{Message: "access denied", Detail: "the access rules do not let you subscribe to " + queue}}
}

// SetAccess replaces who may subscribe to what; nil: everybody to everything. Sessions with a subscription that is no longer
// allowed end.
func (s *Server) SetAccess(a Access) {
	s.access.Store(&a)
	for _, x := range s.snapshot() {
		x.recheckAccess()
	}
}

func (x *session) recheckAccess() {
	by := x.credentials.Load()
	if by == nil {
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
			x.refuse(nil, err)
			return
		}
	}
}

// SetTokens replaces what tells the audiences that a client is of, for those who are connected too.
func (s *Server) SetTokens(f func(auth.Identity) []string) {
	s.audience.Store(&f)
	for _, x := range s.snapshot() {
		x.out.Adjust(func(feed *hub.Feed) {
			if by := x.credentials.Load(); by != nil {
				feed.SetTokens(s.tokens(by.identity))
			}
		})
	}
}

func (s *Server) tokens(who auth.Identity) []string {
	f := *s.audience.Load()
	if f == nil {
		return nil
	}
	return f(who)
}

// tokenDestination is where a client sends a new token to.
const tokenDestination = "/auth/token"

// renew exchanges what the session was let in with for what the frame shows, of the same user. What waits, subscriptions and
// their places stay as they are.
func (x *session) renew(f *stomp.Frame) error {
	old := x.credentials.Load()
	shown, err := x.shown("", f)
	if err != nil {
		return err
	}
	by, err := x.server.admit(x.server.context, shown)
	if err != nil {
		return err
	}
	if by.identity.User != old.identity.User {
		return &auth.Error{Reason: "the new token is of another user"}
	}
	if err := x.letIn(by); err != nil {
		return err
	}
	x.recheckAccess()
	x.out.Update(func(feed *hub.Feed, answers []byte) []byte {
		feed.SetTokens(x.server.tokens(by.identity))
		return x.appendReceipt(answers, f)
	})
	x.log(slog.LevelDebug, "token renewed", "user", by.identity.User)
	return nil
}
