package ops_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"mqtt-stomp-bridge/plugin/ops"
)

// reasons are a Bridge's.
type reasons []string

func (r reasons) Ready() []string { return r }

func TestHandler(t *testing.T) {
	for _, test := range []struct {
		method, path string
		bridge       reasons
		status       int
		body         string
	}{
		{"GET", "/healthz", reasons{"mqtt: not connected"}, http.StatusOK, "ok\n"},
		{"GET", "/readyz", nil, http.StatusOK, `{"ready":true,"reasons":[]}` + "\n"},
		{"GET", "/readyz", reasons{"mqtt: not connected", "journal: full"}, http.StatusServiceUnavailable,
			`{"ready":false,"reasons":["mqtt: not connected","journal: full"]}` + "\n"},
		{"POST", "/readyz", nil, http.StatusMethodNotAllowed, "Method Not Allowed\n"},
		{"GET", "/", nil, http.StatusNotFound, "404 page not found\n"},
	} {
		w := httptest.NewRecorder()
		ops.Handler(test.bridge).ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.status || w.Body.String() != test.body {
			t.Errorf("%s %s with %q: got %d %q, want %d %q", test.method, test.path, test.bridge, w.Code, w.Body, test.status, test.body)
		}
	}
}
