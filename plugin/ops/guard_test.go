package ops_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"mqtt-stomp-bridge/plugin/operators"
	"mqtt-stomp-bridge/plugin/ops"
)

// A page whose name leads to the endpoint's address must not read what is there.
func TestOnlyOwnNamesAreAnswered(t *testing.T) {
	for _, test := range []struct {
		host  string
		hosts []string
		ok    bool
	}{
		{"127.0.0.1:9464", nil, true},
		{"10.1.2.3", nil, true},
		{"[::1]:9464", nil, true},
		{"[fe80::1]", nil, true},
		{"localhost:9464", nil, true},
		{"LOCALHOST.", nil, true},
		{"bridge.localhost", nil, true},
		{"bridge:9464", nil, true}, // a container's name
		{"", nil, true},            // HTTP/1.0
		{"bridge.monitoring.svc.cluster.local:9464", nil, true},
		{"bridge.monitoring.svc", nil, true},
		{"svc.example.org", nil, false},
		{"evil.example.org", nil, false},
		{"evil.example.org:9464", nil, false},
		{"127.0.0.1.evil.example.org:9464", nil, false},
		{"localhost.evil.example.org", nil, false},
		{"evil-localhost.example.org", nil, false},
		{"bridge.example.org:9464", []string{"Bridge.Example.org"}, true},
		{"BRIDGE.example.org.", []string{"bridge.example.org"}, true},
		{"a.bridge.example.org", []string{"bridge.example.org"}, false},
		{"evil.example.org", []string{"", ops.AnyHost}, true},
	} {
		for _, path := range []string{"/sessions", "/memory", "/metrics", "/readyz", "/healthz", "/console/"} {
			r := request("GET", path)
			r.Host = test.host
			w := httptest.NewRecorder()
			console := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			guard := operators.New(operators.Options{Loopback: true})
			ops.Handler(reasons(nil), ops.Options{Hosts: test.hosts, Console: console, Operators: guard}).ServeHTTP(w, r)
			if ok := w.Code == http.StatusOK; ok != test.ok || !ok && w.Code != http.StatusMisdirectedRequest {
				t.Errorf("%s at %q, hosts %q: %d", path, test.host, test.hosts, w.Code)
			}
		}
	}
}

// What changes something is for the bridge's own machine, and not for pages in a browser on it.
func TestChangesComeFromThisMachineAlone(t *testing.T) {
	for _, test := range []struct {
		name, remote string
		header       http.Header
		status       int
	}{
		{"curl", "127.0.0.1:4000", nil, http.StatusNoContent},
		{"curl over IPv6", "[::1]:4000", nil, http.StatusNoContent},
		{"an IPv4 peer of an IPv6 socket", "[::ffff:127.0.0.1]:4000", nil, http.StatusNoContent},
		{"typed into a browser's tool", "127.0.0.1:4000", http.Header{"Sec-Fetch-Site": {"none"}}, http.StatusNoContent},
		{"another machine", "192.0.2.1:4000", nil, http.StatusForbidden},
		{"no address", "", nil, http.StatusForbidden},
		{"through a proxy here", "127.0.0.1:4000", http.Header{"X-Forwarded-For": {"192.0.2.1"}}, http.StatusForbidden},
		{"through a proxy here that says it otherwise", "127.0.0.1:4000", http.Header{"Forwarded": {"for=192.0.2.1"}}, http.StatusForbidden},
		{"a page elsewhere", "127.0.0.1:4000", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example.org"}}, http.StatusForbidden},
		{"a page at another port here", "127.0.0.1:4000", http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://127.0.0.1:8080"}}, http.StatusForbidden},
		{"a page, in a browser without Sec-Fetch-Site", "127.0.0.1:4000", http.Header{"Origin": {"https://evil.example.org"}}, http.StatusForbidden},
		{"a page from a file", "127.0.0.1:4000", http.Header{"Origin": {"null"}}, http.StatusForbidden},
	} {
		for _, r := range []*http.Request{request("DELETE", "/sessions/2"), request("POST", "/reread?filter=a")} {
			r.RemoteAddr, r.Header = test.remote, test.header
			if r.Header == nil {
				r.Header = http.Header{}
			}
			w := httptest.NewRecorder()
			ops.Handler(reasons(nil), ops.Options{}).ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("%s %s: %d %s", test.name, r.URL, w.Code, w.Body)
			}
		}
	}
}
