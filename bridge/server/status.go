package server

import (
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// A Status is how one session stands.
type Status struct {
	Session       string       `json:"session"`
	User          string       `json:"user"`             // empty: CONNECT has not come
	Login         auth.Kind    `json:"login,omitempty"`  // the kind of authenticator that has let it in
	Groups        []string     `json:"groups,omitempty"` // of the user, for audiences
	Remote        string       `json:"remote"`
	Since         time.Time    `json:"since"`
	Expires       *time.Time   `json:"expires,omitempty"`
	HeldUp        bool         `json:"held_up"`       // its last write waits for the client to read
	AnswersWait   int          `json:"answers_bytes"` // beside that
	Subscriptions []hub.Status `json:"subscriptions"`
}

// Sessions returns how all sessions stand, in no order.
func (s *Server) Sessions() []Status {
	open := s.snapshot()
	all := make([]Status, 0, len(open))
	for _, x := range open {
		all = append(all, x.status())
	}
	return all
}

func (x *session) status() Status {
	s := Status{Session: x.id, Remote: x.remote, Since: time.Unix(x.since, 0).UTC()}
	if by := x.credentials.Load(); by != nil {
		s.User, s.Login = by.identity.User, by.identity.By
		if groups := x.server.policy.Load().Groups; groups != nil {
			s.Groups = groups(by.identity).Names
		}
		if expires := by.identity.Expires; !expires.IsZero() {
			s.Expires = &expires
		}
	}
	out := x.out.Status()
	s.HeldUp, s.AnswersWait, s.Subscriptions = out.HeldUp, out.AnswerBytes, out.Subscriptions
	return s
}

// endedByOperator is how EndSession ends a session. Its client may come back and resume.
var endedByOperator = ending{cause: "ended by the operator", err: &stomp.Error{Message: "ended by the operator"},
	code: websocket.ClosePolicyViolation, lastID: true}

// EndSession ends the session with that id, and does not wait for the end. It reports whether there
// is one.
func (s *Server) EndSession(id string) bool {
	for _, x := range s.snapshot() {
		if x.id == id {
			x.end(endedByOperator)
			return true
		}
	}
	return false
}

// A Lag is how far sessions are behind.
type Lag struct {
	Entries map[string]int64 // destination -> entries that wait for the subscription that lags most; absent without one
	HeldUp  int              // sessions whose last write waits for the client to read
}

// Lag returns how far the slowest are behind, which costs less than Sessions.
func (s *Server) Lag() Lag {
	l := Lag{Entries: map[string]int64{}}
	for _, x := range s.snapshot() {
		if x.out.Lag(l.Entries) {
			l.HeldUp++
		}
	}
	return l
}
