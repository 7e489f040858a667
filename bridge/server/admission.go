package server

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
)

// shown returns what the handshake shows of its client: a token in the Authorization header, or among the subprotocols as
// bearer.<base64url>, which is where a page can put one. present tells whether there was a place for a token, even if empty.
func shown(r *http.Request) (token string, present bool, err error) {
	header := r.Header.Get("Authorization")
	token, present = auth.Token(header), header != ""
	for _, protocol := range websocket.Subprotocols(r) {
		encoded, ok := strings.CutPrefix(protocol, "bearer.")
		if !ok {
			continue
		}
		decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
		switch {
		case err != nil:
			return "", true, &auth.Error{Reason: "the token in the subprotocol is not base64url"}
		case present && token != string(decoded):
			return "", true, errTwoTokens
		}
		token, present = string(decoded), true
	}
	return token, present, nil
}

var errTwoTokens = &auth.Error{Reason: "two different tokens"}

// contradicts reports whether what CONNECT shows is another token than that of the handshake. A passcode that is no token is
// none: some clients always send one.
func contradicts(handshake, connect auth.Credentials) bool {
	isToken := strings.Count(connect.Passcode, ".") == 2
	return connect.Token != "" && connect.Token != handshake.Token || isToken && connect.Passcode != handshake.Token
}

// remote returns where the request comes from: the peer's address, with its port, or if that is a trusted proxy the address
// that it says in X-Forwarded-For.
func (s *Server) remote(r *http.Request) string {
	remote := r.RemoteAddr
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(host(remote)); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
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

// host returns an address without its port.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// A busy is why there is no room for a connection; clients and counters are told.
type busy struct {
	status int
	reason string
}

// reserve counts a session in before it is made, or says why it may not be.
func (s *Server) reserve(remote string) *busy {
	address := host(remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	limits := s.config.Limits
	switch {
	case s.closing:
		return &busy{http.StatusServiceUnavailable, "the server ends"}
	case s.reserved >= limits.Sessions:
		return &busy{http.StatusServiceUnavailable, "too many sessions"}
	case limits.SessionsPerAddress > 0 && s.addresses[address] >= limits.SessionsPerAddress:
		return &busy{http.StatusTooManyRequests, "too many sessions of one address"}
	case s.connects != nil && !s.connects.Allow():
		return &busy{http.StatusTooManyRequests, "too many new connections a second"}
	}
	s.reserved++
	if limits.SessionsPerAddress > 0 {
		s.addresses[address]++
	}
	s.running.Add(1)
	return nil
}

func (s *Server) release(remote string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved--
	if s.config.Limits.SessionsPerAddress > 0 {
		countDown(s.addresses, host(remote))
	}
	s.running.Done()
}

// enter counts a session of the user; it reports false when there are too many.
func (s *Server) enter(user string) bool {
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

func (s *Server) leave(user string) {
	if s.config.Limits.SessionsPerUser > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		countDown(s.users, user)
	}
}

func countDown(counts map[string]int, key string) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}
