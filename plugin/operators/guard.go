// Package operators decides who may use the endpoint for operators: by a login of a password file,
// by a token, or by the session that a browser gets for one of these.
package operators

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge/auth"
)

// Options say where a Guard stands.
type Options struct {
	// Loopback tells that only this machine reaches the endpoint. Then the console is open to it
	// while no login is demanded; elsewhere the console is closed until one is.
	Loopback bool
	Logger   *slog.Logger // default: discard
}

// A Policy is who may come in. The zero value demands no login.
type Policy struct {
	Tokens    auth.Authenticator // of JSON Web Tokens; nil: none is accepted
	Passwords auth.Authenticator // of logins; nil: none is accepted
	NoConsole bool               // there is no console at all
}

// demands reports whether a login is demanded.
func (p *Policy) demands() bool { return p.Tokens != nil || p.Passwords != nil }

// chain are the authenticators.
func (p *Policy) chain() (c auth.Chain) {
	for _, a := range []auth.Authenticator{p.Tokens, p.Passwords} {
		if a != nil {
			c = append(c, a)
		}
	}
	return c
}

// A Guard stands before the handlers of the endpoint. New is the only way to make one. It is safe
// for concurrent use.
type Guard struct {
	options  Options
	policy   atomic.Pointer[Policy]
	sessions *sessions
	refused  refusals
	origin   http.CrossOriginProtection
}

// New returns a Guard that demands no login.
func New(o Options) *Guard {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Guard{options: o, sessions: newSessions(), refused: refusals{logger: o.Logger}}
	g.policy.Store(&Policy{})
	return g
}

// Use puts a policy into force. Sessions and requests end that it would not let in.
func (g *Guard) Use(p Policy) {
	g.policy.Store(&p)
	g.Recheck()
}

// Recheck ends the sessions and the requests of those who would not be let in any more, after keys
// were withdrawn.
func (g *Guard) Recheck() {
	chain := g.policy.Load().chain()
	g.sessions.endThose(func(who auth.Identity) bool { return chain.Recheck(who) != nil })
}

// Reading is for handlers that show users or events: where a login is configured, they demand it.
func (g *Guard) Reading(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.policy.Load().demands() {
			next.ServeHTTP(w, r)
			return
		}
		g.letIn(w, r, next)
	})
}

// Changing is for handlers of requests that change something: where a login is configured, they
// demand it, and otherwise that the request comes from the bridge's own machine. No web page of
// another site can make one.
func (g *Guard) Changing(next http.Handler) http.Handler {
	return g.origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case g.policy.Load().demands():
			g.letIn(w, r, next)
		case local(r):
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "this must come from the bridge's own machine, or with a login: set ops.login", http.StatusForbidden)
		}
	}))
}

// letIn answers by next if the request shows who makes it.
func (g *Guard) letIn(w http.ResponseWriter, r *http.Request, next http.Handler) {
	p, err := g.identify(r)
	if err != nil {
		refuse(w, err)
		return
	}
	g.serve(w, r, p, next)
}

// A pass is what has let a request in.
type pass struct {
	who     auth.Identity
	session *session // nil: the request itself shows who makes it
}

// userKey is under which a request's context has its operator.
type userKey struct{}

// User returns who makes the request; "" where no login is demanded.
func User(r *http.Request) string {
	user, _ := r.Context().Value(userKey{}).(string)
	return user
}

// serve answers by next. The request's context ends when its operator would not be let in any more.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, p pass, next http.Handler) {
	ctx, leave := g.sessions.enter(r.Context(), p)
	defer leave()
	next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, userKey{}, p.who.User)))
}

// errNothing is what a request without credentials gets.
var errNothing = &auth.Error{Reason: "a login is needed"}

// identify returns who makes the request. A session comes first: a proxy may demand a login of its
// own, which browsers then send too.
func (g *Guard) identify(r *http.Request) (pass, error) {
	if s := g.sessions.find(sessionID(r)); s != nil {
		return pass{s.who, s}, nil
	}
	c, err := auth.FromHandshake(r.Header)
	if err != nil {
		return pass{}, err
	}
	if c.Token == "" && c.Login == "" && c.Passcode == "" {
		return pass{}, errNothing
	}
	who, err := g.authenticate(r, c)
	return pass{who: who}, err
}

// authenticate asks the policy whose the credentials are, and logs it when it is nobody's.
func (g *Guard) authenticate(r *http.Request, c auth.Credentials) (auth.Identity, error) {
	c.Basic = false // it may be for a proxy, but if it is right, it is for the bridge too
	c.Remote = peer(r)
	who, err := g.policy.Load().chain().Authenticate(r.Context(), c)
	if err != nil && r.Context().Err() == nil {
		g.refused.log(r.RemoteAddr, err)
	}
	return who, err
}

// refuse says why a request is not answered. The challenge is not Basic, as a browser would then
// ask for a password that it never forgets, instead of showing the page for that.
func refuse(w http.ResponseWriter, err error) {
	status := statusOf(err)
	text := err.Error()
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="mqtt-stomp-bridge"`)
		text += "; the endpoint demands one of ops.login"
		if errors.Is(err, errNothing) {
			text = "a login is needed (ops.login): send it as Authorization: Basic, or a token as Authorization: Bearer"
		}
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "30")
	case http.StatusServiceUnavailable:
		text = "the login cannot be checked at the moment"
	}
	http.Error(w, text, status)
}

// statusOf returns the status for a login that was not accepted.
func statusOf(err error) int {
	var refused *auth.Error
	switch {
	case errors.Is(err, auth.ErrTooManyTries):
		return http.StatusTooManyRequests
	case errors.As(err, &refused):
		return http.StatusUnauthorized
	}
	return http.StatusServiceUnavailable
}

// local reports whether the request comes from this machine, and not through a proxy on it that
// says so.
func local(r *http.Request) bool {
	for header := range r.Header {
		if strings.HasPrefix(header, "X-Forwarded-") || header == "Forwarded" || header == "X-Real-Ip" || header == "Via" {
			return false
		}
	}
	return peer(r).IsLoopback()
}

// peer returns the address that the request comes from; the zero address if it has none.
func peer(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return from.Addr().Unmap()
}
