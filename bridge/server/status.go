package server

import (
	"time"

	"mqtt-stomp-bridge/bridge/hub"
)

// A Status is how one session stands.
type Status struct {
	Session       string       `json:"session"`
	User          string       `json:"user"` // empty: CONNECT has not come
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
		s.User = by.identity.User
		if expires := by.identity.Expires; !expires.IsZero() {
			s.Expires = &expires
		}
	}
	out := x.out.Status()
	s.HeldUp, s.AnswersWait, s.Subscriptions = out.HeldUp, out.AnswerBytes, out.Subscriptions
	return s
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
