package operators

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
)

// How long a session lasts, and how many there are.
const (
	sessionIdle = 30 * time.Minute // without a request
	sessionTime = 12 * time.Hour
	maxSessions = 64
)

// A session is what a browser's cookie stands for.
type session struct {
	key  key
	who  auth.Identity
	ends time.Time

	// Guarded by the mutex of its sessions.
	used time.Time
	open int // requests that are being answered
}

// A key is the hash of a session's id: who reads the table in a dump of the memory has no session.
type key [sha256.Size]byte

// sessions are those of all browsers, and the requests that are being answered. newSessions is the
// only way to make them.
type sessions struct {
	mu      sync.Mutex
	byKey   map[key]*session
	running map[*request]struct{}
}

// A request is one that is being answered.
type request struct {
	pass
	cancel context.CancelFunc
}

func newSessions() *sessions {
	return &sessions{byKey: map[key]*session{}, running: map[*request]struct{}{}}
}

// add begins a session, and returns the id that the browser shows. Where there are too many, the
// one ends that was not used for longest.
func (s *sessions) add(who auth.Identity) (id string) {
	var random [32]byte
	rand.Read(random[:])
	id = base64.RawURLEncoding.EncodeToString(random[:])
	now := time.Now()
	ends := now.Add(sessionTime)
	if !who.Expires.IsZero() && who.Expires.Before(ends) {
		ends = who.Expires
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoomLocked(now)
	one := &session{key: sha256.Sum256([]byte(id)), who: who, ends: ends, used: now}
	s.byKey[one.key] = one
	return id
}

// makeRoomLocked ends the sessions that are over, and one more if there are still too many.
func (s *sessions) makeRoomLocked(now time.Time) {
	var oldest *session
	for _, one := range s.byKey {
		if one.over(now) {
			s.endLocked(one)
		} else if oldest == nil || one.used.Before(oldest.used) {
			oldest = one
		}
	}
	if len(s.byKey) >= maxSessions {
		s.endLocked(oldest)
	}
}

func (one *session) over(now time.Time) bool {
	return !now.Before(one.ends) || one.open == 0 && now.Sub(one.used) >= sessionIdle
}

// find returns the session with the id; nil if there is none, or it is over.
func (s *sessions) find(id string) *session {
	if id == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byKey[sha256.Sum256([]byte(id))]
	if one == nil {
		return nil
	}
	now := time.Now()
	if one.over(now) {
		s.endLocked(one)
		return nil
	}
	one.used = now
	return one
}

// end ends the session with the id, if there is one, and its requests.
func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.byKey[sha256.Sum256([]byte(id))]; one != nil {
		s.endLocked(one)
	}
}

// endThose ends the sessions and the requests of those for whom gone reports true, which it does
// without waiting.
func (s *sessions) endThose(gone func(auth.Identity) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.byKey {
		if gone(one.who) {
			s.endLocked(one)
		}
	}
	for r := range s.running {
		if gone(r.who) {
			r.cancel()
		}
	}
}

func (s *sessions) endLocked(one *session) {
	delete(s.byKey, one.key)
	for r := range s.running {
		if r.session == one {
			r.cancel()
		}
	}
}

// enter notes that a request is being answered, until leave is called. The context ends when whoever
// makes it must not see more.
func (s *sessions) enter(ctx context.Context, p pass) (_ context.Context, leave func()) {
	ends := p.who.Expires
	if p.session != nil {
		ends = p.session.ends
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := func() {}
	if !ends.IsZero() {
		ctx, stop = context.WithDeadline(ctx, ends)
	}
	r := &request{p, cancel}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[r] = struct{}{}
	if p.session != nil {
		p.session.open++
		if s.byKey[p.session.key] == nil { // it has ended since it was found
			cancel()
		}
	}
	return ctx, func() {
		s.leave(r)
		stop()
		cancel()
	}
}

func (s *sessions) leave(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, r)
	if r.session != nil {
		r.session.open--
		r.session.used = time.Now()
	}
}
