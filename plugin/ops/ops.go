// Package ops is the endpoint for operators: is the process alive, can the bridge do its work, what has it done.
package ops

import (
	"encoding/json"
	"net/http"

	"mqtt-stomp-bridge/bridge"
)

// Bridge is what the endpoint reports on.
type Bridge interface {
	Ready() []string // why the bridge cannot do its work at the moment
	Counts() bridge.Counts
}

// Readiness is the document at /readyz.
type Readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"` // why not
}

// Handler serves /healthz, which answers 200 while the process does, /readyz, which answers 200 or 503 with a Readiness, and
// /metrics for Prometheus. reloads may be nil.
func Handler(b Bridge, reloads func() Reloads) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(b, reloads))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		reasons := b.Ready()
		w.Header().Set("Content-Type", "application/json")
		if len(reasons) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		json.NewEncoder(w).Encode(Readiness{Ready: len(reasons) == 0, Reasons: append([]string{}, reasons...)})
	})
	return mux
}
