package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/server/origin"
)

// Which pages may open a connection: by the Host and the Origin of their handshake.
func TestPagesThatMayConnect(t *testing.T) {
	for name, test := range map[string]struct {
		hosts, origins []string
		anonymous      bool
		host           string
		from           []string // Origin headers
		want           string   // in the log; "": let in
	}{
		"own origin, default port in Host":      {host: "a.example:443", from: []string{"https://a.example"}},
		"own origin, default port in Origin":    {host: "a.example", from: []string{"https://a.example:443"}},
		"own origin, other letter case":         {host: "A.Example", from: []string{"HTTP://a.example:80"}},
		"another port":                          {host: "a.example", from: []string{"https://a.example:8443"}, want: `origin=https://a.example:8443`},
		"named, with its default port":          {origins: []string{"https://b.example:443"}, host: "a.example", from: []string{"https://b.example"}},
		"no page":                               {host: "a.example"},
		"null":                                  {host: "a.example", from: []string{"null"}, want: `add \"null\", in quotes, to server.allowed_origins`},
		"null, named":                           {origins: []string{"null"}, host: "a.example", from: []string{"null"}},
		"two origins":                           {origins: []string{"https://b.example"}, host: "a.example", from: []string{"https://b.example", "https://b.example"}, want: "origin is not allowed"},
		"anonymous, rebound name":               {anonymous: true, host: "evil.example:8080", from: []string{"http://evil.example:8080"}, want: `host=evil.example:8080`},
		"anonymous, name that looks local":      {anonymous: true, host: "localhost.evil.example", from: []string{"http://localhost.evil.example"}, want: "host is not allowed"},
		"anonymous, localhost":                  {anonymous: true, host: "localhost:8080", from: []string{"http://localhost:8080"}},
		"anonymous, address":                    {anonymous: true, host: "[::1]:8080", from: []string{"http://[::1]:8080"}},
		"anonymous, named host":                 {hosts: []string{"a.example"}, anonymous: true, host: "a.example", from: []string{"http://a.example"}},
		"anonymous, named origin":               {origins: []string{"http://a.example"}, anonymous: true, host: "a.example", from: []string{"http://a.example"}},
		"anonymous, no page":                    {anonymous: true, host: "evil.example"},
		"hosts, another name":                   {hosts: []string{"a.example"}, host: "b.example", from: []string{"http://b.example"}, want: `hint="add this host to server.hosts"`},
		"hosts, another name, named origin":     {hosts: []string{"a.example"}, origins: []string{"http://b.example"}, host: "b.example", from: []string{"http://b.example"}, want: "host is not allowed"},
		"hosts, another name, no page":          {hosts: []string{"a.example"}, host: "b.example", want: "host is not allowed"},
		"hosts, its own name, a foreign origin": {hosts: []string{"a.example"}, host: "a.example", from: []string{"http://b.example"}, want: "origin is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			hosts, err := origin.NewHosts(test.hosts)
			if err != nil {
				t.Fatal(err)
			}
			h := newHouse(t, server.Config{})
			h.setPolicy(func(p *server.Policy) {
				p.Origins, p.Hosts, p.Anonymous = origins(t, test.origins...), hosts, test.anonymous
			})
			r := httptest.NewRequest("GET", "/ws.communication", nil)
			r.Host = test.host
			r.Header["Origin"] = test.from
			w := httptest.NewRecorder()
			h.server.ServeHTTP(w, r)
			want := http.StatusForbidden
			if test.want == "" {
				want = http.StatusUpgradeRequired // it is not a handshake: the check comes first
			}
			if w.Code != want || !strings.Contains(h.lines.String(), test.want) {
				t.Errorf("status %d, want %d, and %q in the log\n%s", w.Code, want, test.want, h.lines)
			}
		})
	}
}
