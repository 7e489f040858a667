package server

import (
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

// serveElsewhere answers requests to all paths but the endpoint's. One that is meant for the
// endpoint gets a hint, and the log does: its client sees no more than a failed connection.
func (s *Server) serveElsewhere(w http.ResponseWriter, r *http.Request) {
	if hint := s.missed(r); hint != "" {
		s.answer(w, s.remote(r), &refusal{status: http.StatusNotFound, cause: "another path", reason: hint})
		return
	}
	if s.config.Pages != nil {
		s.config.Pages.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Connection", "close") // nothing else is served on it
	http.NotFound(w, r)
}

// missed says how the request misses the endpoint, "" if it is not meant for that.
func (s *Server) missed(r *http.Request) string {
	below, isBelow := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(s.config.Path, "/")+"/")
	switch {
	case isBelow && below == "":
		return "the endpoint is " + s.config.Path + ", without a slash at the end"
	case isBelow && (below == "info" || strings.HasPrefix(below, "iframe") || strings.Count(below, "/") >= 2):
		// SockJS asks for /info first, and then for /server/session/transport.
		return "SockJS is not spoken here; connect a plain WebSocket to " + s.config.Path
	case isBelow && below == "websocket", s.config.Pages == nil && websocket.IsWebSocketUpgrade(r):
		return "the endpoint is " + s.config.Path + ", see server.path"
	}
	return ""
}
