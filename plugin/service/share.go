package service

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Of the connections of the ops endpoint, the console leaves some to those who ask for health and
// metrics, however many browsers are open. A browser has up to six, and keeps them for a while.
const (
	consoleConnections = 14
	consoleKept        = 8
)

// A share is the connections that the console takes. newShare is the only way to make one.
type share struct {
	most, kept int

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// newShare returns a share of so many connections, of which so many may wait for further requests.
func newShare(most, kept int) *share {
	return &share{most: most, kept: kept, conns: map[net.Conn]struct{}{}}
}

// connKey is under which a request's context has its connection.
type connKey struct{}

// withConn is an http.Server's ConnContext.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// handler answers by next, what is for the console only while there are connections left. It needs
// withConn.
func (s *share) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/console/") {
			next.ServeHTTP(w, r)
			return
		}
		conn, _ := r.Context().Value(connKey{}).(net.Conn)
		n, ok := s.enter(conn)
		if n > s.kept || !ok {
			w.Header().Set("Connection", "close")
		}
		if !ok {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many pages of the console are open; close some", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// enter counts the connection, once; it reports false, and does not, when there are too many.
func (s *share) enter(c net.Conn) (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.conns[c]; !known && len(s.conns) >= s.most {
		return len(s.conns), false
	}
	s.conns[c] = struct{}{}
	return len(s.conns), true
}

// state is an http.Server's ConnState.
func (s *share) state(c net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
