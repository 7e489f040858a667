package server

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
)

// A Traced is what is known of a session and of what its subscriptions came through.
type Traced struct {
	Session       string               `json:"session"`
	User          string               `json:"user"`
	Remote        string               `json:"remote"`
	Since         time.Time            `json:"since"`
	Ended         *time.Time           `json:"ended,omitempty"` // nil: it is open
	Cause         string               `json:"cause,omitempty"` // of its end
	Subscriptions []TracedSubscription `json:"subscriptions"`
}

// A TracedSubscription is one of a session's.
type TracedSubscription struct {
	ID          string         `json:"id"` // as the client named it
	Destination string         `json:"destination"`
	Began       time.Time      `json:"began"`
	Ended       *time.Time     `json:"ended,omitempty"` // by UNSUBSCRIBE
	Start       Start          `json:"start"`
	hub.Trace   `json:"trace"` // named, since both have an Ended
}

// A Start is how a subscription began.
type Start string

// The ways to begin.
const (
	StartLive     Start = "live"
	StartResumed  Start = "resumed"
	StartGap      Start = "gap" // live, because what it would resume from is not there
	StartSnapshot Start = "snapshot"
)

func startOf(o hub.Options, complete bool) Start {
	switch {
	case complete:
		return StartResumed
	case o.Snapshot:
		return StartSnapshot
	case o.Resume != nil:
		return StartGap
	}
	return StartLive
}

// maxGone bounds the subscriptions that an open session has ended, of which it says what they came
// through itself. Only it knows when their last frames are written.
const maxGone = 16

// keepUnsubscribed keeps an ended subscription for the trail.
func (x *session) keepUnsubscribed(s *subscription) {
	if x.server.config.Trail == nil {
		return
	}
	x.subsMu.Lock()
	defer x.subsMu.Unlock()
	s.ended = time.Now()
	if x.gone = append(x.gone, s); len(x.gone) <= maxGone {
		return
	}
	oldest := x.gone[0]
	x.gone = slices.Delete(x.gone, 0, 1)
	x.note(x.traced(nil, oldest))
}

// noteEnd notes in the trail what the session came through, which has ended.
func (x *session) noteEnd() {
	if x.server.config.Trail == nil || x.credentials.Load() == nil {
		return
	}
	x.subsMu.Lock()
	defer x.subsMu.Unlock()
	now := time.Now().UTC()
	x.note(x.traced(&now, slices.Concat(x.gone, x.subs)...))
}

// note adds a record to the trail: the user and the session, so that the records of others need not
// be decoded, then all.
func (x *session) note(t Traced) {
	all, err := json.Marshal(t)
	if err != nil {
		panic("server: " + err.Error())
	}
	var record []byte
	for _, name := range []string{t.User, t.Session} {
		record = append(binary.AppendUvarint(record, uint64(len(name))), name...)
	}
	x.server.config.Trail.Add(append(record, all...))
}

// cutName returns the name that a record begins with, and what follows it.
func cutName(record []byte) (name, rest []byte) {
	length, n := binary.Uvarint(record)
	return record[n:][:length], record[n+int(length):]
}

// traced returns what the session and these subscriptions came through. subsMu is held.
func (x *session) traced(ended *time.Time, subs ...*subscription) Traced {
	t := Traced{Session: x.id, User: x.user(), Remote: x.remote, Since: time.Unix(x.since, 0).UTC(), Ended: ended,
		Subscriptions: make([]TracedSubscription, 0, len(subs))}
	if e := x.ended.Load(); ended != nil && e != nil {
		t.Cause = e.cause
	}
	x.out.Trace(func(trace func(*hub.Cursor) hub.Trace) {
		for _, s := range subs {
			if s.cursor == nil { // not begun yet
				continue
			}
			one := TracedSubscription{ID: s.id, Destination: s.destination, Began: s.began.UTC(), Start: s.start, Trace: trace(s.cursor)}
			if !s.ended.IsZero() {
				at := s.ended.UTC()
				one.Ended = &at
			}
			t.Subscriptions = append(t.Subscriptions, one)
		}
	})
	return t
}

// Traced returns what is known of the sessions of a user, or of the one with that id, the oldest
// end first and open ones last. An empty name stands for any. Those that ended before since may be
// left out. Several may be of one session. It needs Config.Trail.
func (s *Server) Traced(user, session string, since time.Time) (all []Traced) {
	if s.config.Trail == nil {
		return nil
	}
	wanted := func(u, id string) bool { return (user == "" || u == user) && (session == "" || id == session) }
	open := s.snapshot() // before the trail: one that ends meanwhile may be there twice, but is not missing
	var live []Traced
	for _, x := range open {
		if x.credentials.Load() == nil || !wanted(x.user(), x.id) {
			continue
		}
		x.subsMu.Lock()
		live = append(live, x.traced(nil, slices.Concat(x.gone, x.subs)...))
		x.subsMu.Unlock()
	}
	ended := map[string]bool{}
	for _, record := range s.config.Trail.Forward(s.config.Trail.Before(since)) {
		name, rest := cutName(record)
		id, rest := cutName(rest)
		if !wanted(string(name), string(id)) {
			continue
		}
		var t Traced
		if err := json.Unmarshal(rest, &t); err != nil {
			panic(fmt.Sprint("server: a record of the trail is not a session's: ", err))
		}
		all = append(all, t)
		ended[t.Session] = ended[t.Session] || t.Ended != nil
	}
	live = slices.DeleteFunc(live, func(t Traced) bool { return ended[t.Session] })
	return append(all, live...)
}
