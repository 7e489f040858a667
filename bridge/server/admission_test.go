package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/stomp"
)

// Each limit on connections at one less, itself, and one more, and again when one has gone.
func TestConnectionLimits(t *testing.T) {
	const limit = 3
	for name, test := range map[string]struct {
		limits server.Limits
		status int    // of the handshake over the limit; 0: it succeeds, and CONNECT fails
		reason string // in the counts, and for the client
	}{
		"sessions":      {server.Limits{Sessions: limit}, http.StatusServiceUnavailable, "too many sessions"},
		"of a user":     {server.Limits{SessionsPerUser: limit}, 0, "too many sessions of one user"},
		"of an address": {server.Limits{SessionsPerAddress: limit}, http.StatusTooManyRequests, "too many sessions of one address"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{Limits: test.limits})
				var clients []*client
				for range limit { // the last but one, and the last that there is room for
					clients = append(clients, h.connect())
				}
				h.wantBusy(test.status, test.reason)
				clients[0].send("DISCONNECT")
				synctest.Wait()
				h.connect()
				h.wantBusy(test.status, test.reason)
				n := h.server.Counts()
				if got := n.Refusals[test.reason] + n.Ends[test.reason]; got != 2 || n.Sessions != limit {
					t.Errorf("counts %+v, want two for %q", n, test.reason)
				}
			})
		})
	}
}

// wantBusy connects once more than it may.
func (h *house) wantBusy(status int, reason string) {
	h.t.Helper()
	conn, response, err := h.dial(nil)
	if status != 0 {
		if err == nil || response.StatusCode != status {
			h.t.Fatalf("one more: %v, want status %d", err, status)
		}
		return
	}
	if err != nil {
		h.t.Fatal(err)
	}
	c := newClient(h.t, conn)
	go c.read()
	c.send("CONNECT | accept-version:1.2 | Authorization:" + h.token("ann", time.Hour))
	synctest.Wait()
	if got := strings.Join(c.texts(), "\n"); got != "ERROR | message:"+reason+"\nclose 1008 "+reason {
		h.t.Errorf("one more got %q, want %q", got, reason)
	}
}

// What a client offers may stand in one line or in several, beside a token, which is never echoed.
func TestSubprotocols(t *testing.T) {
	for want, offers := range map[string][][]string{
		"v12.stomp": {{"v10.stomp, v12.stomp"}, {"v10.stomp", "v11.stomp,v12.stomp"}, {"other", "v12.stomp"}, {", ,v12.stomp,"},
			{"bearer.YWJj, v12.stomp"}, {"bearer.YWJj", "v12.stomp"}, {"bearer.", "v12.stomp"}},
		"v10.stomp": {{"other,v10.stomp"}, {"other", "v10.stomp"}},
		"":          {nil, {"other"}, {"v1.stomp", "V12.STOMP"}, {"bearer.YWJj"}},
	} {
		for _, lines := range offers {
			synctest.Test(t, func(t *testing.T) {
				conn, _, err := newHouse(t, server.Config{}).dial(http.Header{"Sec-Websocket-Protocol": lines})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if got := conn.Subprotocol(); got != want {
					t.Errorf("offered %q: got %q, want %q", lines, got, want)
				}
			})
		}
	}
}

// The rate of new connections: as many at once as a second has, then one for each share of a
// second.
func TestConnectRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{Limits: server.Limits{Connects: 4}})
		for range 4 {
			h.connect()
		}
		h.wantBusy(http.StatusTooManyRequests, "")
		time.Sleep(250 * time.Millisecond)
		h.connect()
		h.wantBusy(http.StatusTooManyRequests, "")
		if n := h.server.Counts().Refusals["too many new connections a second"]; n != 2 {
			t.Errorf("%d refusals, want 2", n)
		}
	})
}

// A user's other sessions are let alone, and so is another user.
func TestUsersAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{Limits: server.Limits{SessionsPerUser: 1}})
		h.connect()
		conn, _, err := h.dial(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn)
		go c.read()
		c.send("CONNECT | accept-version:1.2 | Authorization:" + h.token("bob", time.Hour))
		synctest.Wait()
		if got := c.texts(); len(got) != 1 || !strings.HasPrefix(got[0], "CONNECTED") {
			t.Errorf("the other user got %q", got)
		}
	})
}

// Who has an IPv6 network has more addresses than can be counted: they count as one.
func TestSessionsPerNetwork(t *testing.T) {
	h := newHouse(t, server.Config{Limits: server.Limits{SessionsPerAddress: 2}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	web := httptest.NewServer(h.server)
	defer web.Close()
	var open []*websocket.Conn
	dial := func(from string) int {
		conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http"), http.Header{"X-Forwarded-For": {from}})
		if response == nil {
			t.Fatalf("from %s: %v", from, err)
		}
		if err == nil {
			open = append(open, conn)
			t.Cleanup(func() { conn.Close() })
		}
		return response.StatusCode
	}
	const in, full = http.StatusSwitchingProtocols, http.StatusTooManyRequests
	for _, one := range []struct {
		from string
		want int
	}{
		{"2001:db8:0:1::1", in},
		{"2001:db8:0:1:ffff::2", in},
		{"2001:db8:0:1::3", full},
		{"2001:db8:0:2::1", in},
		{"203.0.113.1", in},
		{"203.0.113.2", in},
		{"203.0.113.1", in},
		{"::ffff:203.0.113.1", full},
	} {
		if got := dial(one.from); got != one.want {
			t.Errorf("from %s: status %d, want %d", one.from, got, one.want)
		}
	}
	open[0].Close()
	bridgetest.Eventually(t, "room in the network", func() bool { return dial("2001:db8:0:1::4") == in })
	if got := dial("2001:db8:0:1::1"); got != full {
		t.Errorf("status %d, want %d", got, full)
	}
}

// Subscriptions at one less than the limit, at it, and one more.
func TestSubscriptionLimit(t *testing.T) {
	for n, want := range map[int]string{3: "", 4: "", 5: "too many subscriptions"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, server.Config{Limits: server.Limits{Subscriptions: 4}})
			c := h.connect()
			for i := range n {
				c.send(fmt.Sprintf("SUBSCRIBE | id:%d | destination:/queue/message", i))
			}
			synctest.Wait()
			got := strings.Join(c.texts(), "\n")
			if (want == "") != (got == "") || !strings.Contains(got, want) {
				t.Errorf("%d subscriptions: got %q, want %q", n, got, want)
			}
			if ends := h.server.Counts().Ends; want != "" && ends[want] != 1 {
				t.Errorf("ends %v", ends)
			}
		})
	}
}

// A token of 16 KiB goes through wherever one can stand; one byte more is refused.
func TestLongToken(t *testing.T) {
	sized := func(t *testing.T, size int) string {
		for filler := size * 3 / 4; ; filler-- {
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
				"sub": "ann", "exp": time.Now().Add(time.Hour).Unix(), "filler": strings.Repeat("x", filler)}).SignedString(secrets[0])
			if err != nil {
				t.Fatal(err)
			}
			if len(token) <= size {
				return token
			}
		}
	}
	for _, place := range []string{"header", "subprotocol", "CONNECT", "passcode"} {
		for size, ok := range map[int]bool{16 << 10: true, 17 << 10: false} {
			t.Run(fmt.Sprint(place, " ", size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t, server.Config{Limits: server.Limits{Frame: stomp.Limits{Line: 24 << 10}}})
					token := sized(t, size)
					var header http.Header
					var protocols []string
					connect := "CONNECT | accept-version:1.2"
					switch place {
					case "header":
						header = http.Header{"Authorization": {token}}
					case "subprotocol":
						protocols = []string{"v12.stomp", "bearer." + base64.RawURLEncoding.EncodeToString([]byte(token))}
					case "CONNECT":
						connect += " | Authorization:" + token
					case "passcode":
						connect += " | passcode:" + token
					}
					conn, _, err := h.dial(header, protocols...)
					if err != nil {
						if ok {
							t.Errorf("handshake: %v", err)
						}
						return
					}
					c := newClient(t, conn)
					go c.read()
					c.send(connect)
					synctest.Wait()
					if got := c.texts(); len(got) == 0 || strings.HasPrefix(got[0], "CONNECTED") != ok {
						t.Errorf("got %q", got)
					}
				})
			})
		}
	}
}

// What X-Forwarded-For says counts when a trusted proxy says it, from the right.
func TestTrustedProxies(t *testing.T) {
	for _, test := range []struct {
		trusted, forwarded, want string // want: the address in the log
	}{
		{"", "203.0.113.9", "127.0.0.1:"},
		{"127.0.0.0/8", "", "127.0.0.1:"},
		{"127.0.0.0/8", "203.0.113.9", "203.0.113.9 "},
		{"127.0.0.0/8", "198.51.100.1, 203.0.113.9", "203.0.113.9 "},
		{"127.0.0.0/8,203.0.113.0/24", "198.51.100.1, 203.0.113.9", "198.51.100.1 "},
		{"127.0.0.0/8,203.0.113.0/24", "junk, 203.0.113.9", "203.0.113.9 "},
		{"127.0.0.0/8", "junk", "127.0.0.1:"},
		{"127.0.0.0/8", "203.0.113.9:50123", "203.0.113.9 "},
		{"127.0.0.0/8,203.0.113.0/24", "[2001:db8::7]:50123, 203.0.113.9:50123", "2001:db8::7 "},
		{"127.0.0.0/8", "::ffff:203.0.113.9", "203.0.113.9 "},
		{"127.0.0.0/8", "[2001:db8::9]", "2001:db8::9 "},
		{"127.0.0.0/8,2001:db8::9/128", "198.51.100.1,[2001:db8::9]", "198.51.100.1 "},
		{"127.0.0.0/8", "203.0.113.9, ,", "203.0.113.9 "},
		{"127.0.0.0/8", "[203.0.113.9", "127.0.0.1:"},
		{"127.0.0.0/8", "198.51.100.1, unknown", "127.0.0.1:"},
		{"127.0.0.0/8,::1/128", "2001:db8::7, ::1", "2001:db8::7 "},
	} {
		t.Run(fmt.Sprint(test.trusted, " ", test.forwarded), func(t *testing.T) {
			c := server.Config{}
			for s := range strings.SplitSeq(test.trusted, ",") {
				if p, err := netip.ParsePrefix(s); err == nil {
					c.TrustedProxies = append(c.TrustedProxies, p)
				}
			}
			h := newHouse(t, c)
			web := httptest.NewServer(h.server)
			defer web.Close()
			header := http.Header{"X-Forwarded-For": {test.forwarded}, "Authorization": {"bad"}}
			_, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http"), header)
			if err == nil || response.StatusCode != http.StatusUnauthorized {
				t.Fatalf("dial: %v, want 401", err)
			}
			if log := h.lines.String(); !strings.Contains(log, "remote="+test.want) {
				t.Errorf("the log is\n%s\nwant remote=%s", log, test.want)
			}
		})
	}
}

// A proxy that keeps Upgrade to itself leaves the rest of a handshake, and the log says what it has
// to do. Who only looks at the endpoint is told, and not logged.
func TestNoHandshake(t *testing.T) {
	const answer = "no websocket handshake; a proxy in front of the bridge must forward the headers Upgrade and Connection\n"
	const line = `level=WARN msg="handshake refused" remote=192.0.2.1:1234 status=426 reason="no websocket handshake" ` +
		`hint="a proxy in front of the bridge must forward the headers Upgrade and Connection"`
	for name, test := range map[string]struct {
		header http.Header
		logged int
	}{
		"through a proxy": {http.Header{"Connection": {"close"}, "Sec-Websocket-Key": {"x"}, "Sec-Websocket-Version": {"13"}}, 1},
		"a look":          {http.Header{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, server.Config{})
			request := httptest.NewRequest("GET", "/ws.communication", nil)
			request.Header = test.header
			recorder := httptest.NewRecorder()
			h.server.ServeHTTP(recorder, request)
			if got := recorder.Body.String(); recorder.Code != http.StatusUpgradeRequired || got != answer || recorder.Header().Get("Upgrade") != "websocket" {
				t.Errorf("answered %d %q, %v", recorder.Code, got, recorder.Header())
			}
			if n := strings.Count(h.lines.String(), line); n != test.logged {
				t.Errorf("logged %d times, want %d:\n%s", n, test.logged, h.lines)
			}
			if n := h.server.Counts().Refusals["no websocket handshake"]; n != 1 {
				t.Errorf("%d refusals counted", n)
			}
		})
	}
}
