package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"mqtt-stomp-bridge/bridge/auth"
)

// remote returns where the request comes from: the peer's address with its port, or, if the peer is
// a trusted proxy, the address that it gives in X-Forwarded-For.
func (s *Server) remote(r *http.Request) string {
	remote := r.RemoteAddr
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(host(remote)); i-- {
		hop, err := netip.ParseAddr(host(strings.TrimSpace(hops[i]))) // some proxies name the port too
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
		if p.Contains(a.Unmap()) {
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

// host returns an address without its port.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// A refusal is why a handshake is not accepted.
type refusal struct {
	status int
	cause  string // for the counter
	reason string // for the client and the log
}

// refuse returns a refusal that is counted under its reason.
func refuse(status int, reason string) *refusal { return &refusal{status, reason, reason} }

// reserve counts a session before it is made; the refusal is nil when there is room for it.
func (s *Server) reserve(remote string) *refusal {
	network := auth.ClientNet(address(remote))
	s.mu.Lock()
	defer s.mu.Unlock()
	limits := s.config.Limits
	switch {
	case s.closing:
		return &refusal{http.StatusServiceUnavailable, "the server ends", "the server is shutting down"}
	case s.reserved >= limits.Sessions:
		return refuse(http.StatusServiceUnavailable, "too many sessions")
	case limits.SessionsPerAddress > 0 && s.networks[network] >= limits.SessionsPerAddress:
		return refuse(http.StatusTooManyRequests, "too many sessions of one address")
	case s.connects != nil && !s.connects.Allow():
		return refuse(http.StatusTooManyRequests, "too many new connections a second")
	}
	s.reserved++
	if limits.SessionsPerAddress > 0 {
		s.networks[network]++
	}
	s.running.Add(1)
	return nil
}

func (s *Server) release(remote string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved--
	if s.config.Limits.SessionsPerAddress > 0 {
		countDown(s.networks, auth.ClientNet(address(remote)))
	}
	s.running.Done()
}

// countUser counts a session of the user; it reports false when there are too many.
func (s *Server) countUser(user string) bool {
	limit := s.config.Limits.SessionsPerUser
	if limit == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[user] >= limit {
		return false
	}
	s.users[user]++
	return true
}

func (s *Server) uncountUser(user string) {
	if s.config.Limits.SessionsPerUser > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		countDown(s.users, user)
	}
}

func countDown[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}
