package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/stomp"
)

// remote returns where the request comes from: the peer's address with its port, or, if the peer is
// a trusted proxy, the address that it gives in X-Forwarded-For.
func (s *Server) remote(r *http.Request) string {
	remote := r.RemoteAddr
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(host(remote)); i-- {
		text := strings.Trim(hops[i], " \t")
		if text == "" { // an empty element of a list is none (RFC 9110, 5.6.1)
			continue
		}
		hop, err := netip.ParseAddr(host(text)) // some proxies name the port too
		if err != nil {
			break
		}
		remote = hop.Unmap().String()
	}
	return remote
}

func (s *Server) trusts(address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	for _, p := range s.config.TrustedProxies {
		if p.Contains(a.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// address returns the client's address, the zero address when it is not known.
func address(remote string) netip.Addr {
	a, _ := netip.ParseAddr(host(remote))
	return a
}

// host returns an address without its port, and without the brackets of IPv6.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	if inner, ok := strings.CutPrefix(address, "["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]")
	}
	return address
}

// A refusal is why a handshake is not accepted.
type refusal struct {
	status int
	cause  string // for the counter
	reason string // for the client and the log
	attrs  []any  // for the log alone
}

// refuse returns a refusal that is counted under its reason.
func refuse(status int, reason string) *refusal {
	return &refusal{status: status, cause: reason, reason: reason}
}

// A crowd is the sessions that one limit counts together: of a user, or of a network.
type crowd struct {
	n        int        // sessions, and of a network also handshakes on their way to one
	sessions []*session // those that were let in and may be ended for a newer one, oldest first
}

func crowdOf[K comparable](crowds map[K]*crowd, key K) *crowd {
	c := crowds[key]
	if c == nil {
		c = &crowd{}
		crowds[key] = c
	}
	return c
}

// uncount takes one from a crowd.
func uncount[K comparable](crowds map[K]*crowd, key K) {
	c := crowds[key]
	if c.n--; c.n == 0 {
		delete(crowds, key)
	}
}

// mostOf returns how many there may be at a limit. Where the oldest sessions end there may be twice
// as many for a moment, since they take up to a second to end.
func (s *Server) mostOf(limit int) int {
	if s.config.Limits.EndOldest {
		return 2 * limit
	}
	return limit
}

// reserve counts a session before it is made; the refusal is nil when there is room for it.
func (s *Server) reserve(remote string) *refusal {
	network := auth.ClientNet(address(remote))
	s.mu.Lock()
	defer s.mu.Unlock()
	limits := s.config.Limits
	var of *crowd
	if limits.SessionsPerAddress > 0 {
		of = crowdOf(s.networks, network)
		of.n++
	}
	why := s.refusesLocked(of, network)
	if why != nil && of != nil {
		uncount(s.networks, network)
	}
	if why == nil {
		s.reserved++
		s.running.Add(1)
	}
	return why
}

// refusesLocked returns why there is no room for a session that is counted in the crowd.
func (s *Server) refusesLocked(of *crowd, network netip.Addr) *refusal {
	limits := s.config.Limits
	switch {
	case s.closing:
		return &refusal{status: http.StatusServiceUnavailable, cause: "the server ends", reason: "the server is shutting down"}
	case s.reserved >= limits.Sessions:
		return refuse(http.StatusServiceUnavailable, "too many sessions")
	case of != nil && of.n > s.mostOf(limits.SessionsPerAddress):
		return refuse(http.StatusTooManyRequests, "too many sessions of one address")
	case s.connects != nil && !s.connects.allow(network, time.Now()):
		return refuse(http.StatusTooManyRequests, "too many new connections a second")
	}
	return nil
}

func (s *Server) release(remote string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved--
	if s.config.Limits.SessionsPerAddress > 0 {
		uncount(s.networks, auth.ClientNet(address(remote)))
	}
	s.running.Done()
}

// enter counts a session that is let in as the user. Where limits say so, it ends those that have
// lasted longest, of the user and of the address; otherwise the error is a *denial when there are
// too many. Nobody can end a session before having shown a token.
func (s *Server) enter(x *session, user string) error {
	s.mu.Lock()
	replaced, err := s.enterLocked(x, user)
	s.mu.Unlock()
	for _, r := range replaced {
		r.old.end(ending{cause: "replaced by a newer session", code: websocket.ClosePolicyViolation, err: &stomp.Error{
			Message: "replaced by a newer session of the same " + r.same,
		}})
	}
	return err
}

// A replacement is a session that ends for a newer one.
type replacement struct {
	old  *session
	same string // what both have in common
}

func (s *Server) enterLocked(x *session, user string) (replaced []replacement, err error) {
	limits := s.config.Limits
	network := auth.ClientNet(address(x.remote))
	if limit := limits.SessionsPerUser; limit > 0 {
		of := s.users[user]
		switch {
		case of != nil && of.n >= s.mostOf(limit):
			return nil, &denial{"too many sessions of one user", &stomp.Error{Message: "too many sessions of one user"}}
		case of != nil && limits.EndOldest && len(of.sessions) >= limit:
			old := of.sessions[0]
			s.dropLocked(old)
			replaced = append(replaced, replacement{old, "user"})
		}
		of = crowdOf(s.users, user)
		of.n++
		of.sessions = append(of.sessions, x)
	}
	if limit := limits.SessionsPerAddress; limit > 0 && limits.EndOldest {
		of := s.networks[network] // reserve has made it
		if len(of.sessions) >= limit {
			old := of.sessions[0]
			s.dropLocked(old)
			replaced = append(replaced, replacement{old, "address"})
		}
		of.sessions = append(of.sessions, x)
	}
	x.entered, x.enteredAs = true, user
	return replaced, nil
}

// dropLocked takes a session out of those that may be ended for a newer one.
func (s *Server) dropLocked(x *session) {
	isX := func(other *session) bool { return other == x }
	if of := s.users[x.enteredAs]; of != nil {
		of.sessions = slices.DeleteFunc(of.sessions, isX)
	}
	if of := s.networks[auth.ClientNet(address(x.remote))]; of != nil {
		of.sessions = slices.DeleteFunc(of.sessions, isX)
	}
}

// leave undoes enter.
func (s *Server) leave(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked(x)
	if s.config.Limits.SessionsPerUser > 0 {
		uncount(s.users, x.enteredAs)
	}
}
