package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		c := h.connect()
		c.send("SUBSCRIBE | id:a | destination:/queue/message | receipt:r")
		synctest.Wait()
		stalled := h.connectUnread()
		if err := stalled.WriteMessage(websocket.TextMessage, []byte(frame("SUBSCRIBE | id:a | destination:/queue/message | receipt:r"))); err != nil {
			t.Fatal(err)
		}
		silent, err := h.l.dial() // not even a handshake
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		synctest.Wait()
		began := time.Now()
		h.stop()
		if d := time.Since(began); d > time.Second {
			t.Errorf("the end took %v, want at most a second", d)
		}
		synctest.Wait()
		if d := cmp.Diff([]string{"RECEIPT | receipt-id:r", "close 1001 shutdown"}, c.texts()); d != "" {
			t.Errorf("the client got (-want +got):\n%s", d)
		}
		if n := h.server.Counts(); n.Sessions != 0 || n.Ends["shutdown"] != 2 {
			t.Errorf("counts %+v", n)
		}
		if _, _, err := h.dial(nil); err == nil {
			t.Error("a handshake after the end succeeded")
		}
	})
}

// Serve returns its listener's error, and ends the sessions.
func TestListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		c := h.connect()
		h.l.Close()
		synctest.Wait()
		time.Sleep(time.Second)
		if d := cmp.Diff([]string{"close 1001 shutdown"}, c.texts()); d != "" {
			t.Errorf("the client got (-want +got):\n%s", d)
		}
	})
}

// The end of a token is the end of its session, whatever the client does: here it neither reads nor
// sends.
func TestExpiryOfStalledClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{Limits: server.Limits{WriteTimeout: time.Hour}})
		conn, _, err := h.dial(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		began := time.Now()
		for _, line := range []string{
			"CONNECT | accept-version:1.2 | Authorization:" + h.token("ann", 5*time.Second),
			"SUBSCRIBE | id:a | destination:/queue/message",
		} {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(frame(line))); err != nil {
				t.Fatal(err)
			}
		}
		for h.server.Counts().Sessions > 0 {
			time.Sleep(100 * time.Millisecond)
		}
		if d := time.Since(began); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("the session ended after %v, want within a second of the token's 5s", d)
		}
		if d := cmp.Diff(map[string]int64{"401 token expired": 1}, h.server.Counts().Ends); d != "" {
			t.Errorf("ends (-want +got):\n%s", d)
		}
	})
}

// A client that was told is not waited for, although it never closes and goes on sending.
func TestEndWithoutPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		conn := h.connectUnread()
		go func() {
			for {
				if _, _, err := conn.NextReader(); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		var err error
		for err == nil {
			err = conn.WriteMessage(websocket.TextMessage, []byte(frame("SEND | destination:/queue/message")))
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("the connection was open for %v after the ERROR", d)
		}
	})
}

// New keys end the sessions whose token they refuse, and no others.
func TestPolicyAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := auth.JWTConfig{Secrets: secrets}
		h := newHouse(t, server.Config{})
		h.setAuth(h.authenticator(both))
		old := h.connect()
		h.jwt = auth.JWTConfig{Secrets: secrets[1:]}
		fresh := h.connect()
		waiting, _, err := h.dial(http.Header{"Authorization": {h.token("ann", time.Hour)}})
		if err != nil {
			t.Fatal(err)
		}
		defer waiting.Close()

		h.setAuth(h.authenticator(h.jwt))
		synctest.Wait()
		if got := strings.Join(old.texts(), "\n"); got != "ERROR | message:401 signature is not valid\nclose 1008 401 signature is not valid" {
			t.Errorf("the session of the old key got %q", got)
		}
		h.setAuth(unable{})
		synctest.Wait()
		fresh.send("SUBSCRIBE | id:a | destination:/queue/message | receipt:r")
		synctest.Wait()
		if got := strings.Join(fresh.texts(), "\n"); got != "RECEIPT | receipt-id:r" {
			t.Errorf("the session of the new key got %q", got)
		}
		if n := h.server.Counts(); n.Sessions != 2 {
			t.Errorf("%d sessions are open, want 2", n.Sessions)
		}
	})
}

// An authenticator that changes its mind ends those who are connected, and those whom it has let in
// a moment before.
func TestRecheckAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fickle{held: make(chan struct{})}
		h := newHouse(t, server.Config{Policy: server.Policy{Auth: f}})
		open := map[string]*client{}
		for _, user := range []string{"ann", "bob", "late ann"} {
			conn, _, err := h.dial(nil)
			if err != nil {
				t.Fatal(err)
			}
			open[user] = newClient(t, conn)
			go open[user].read()
			open[user].send("CONNECT | accept-version:1.2 | Authorization:" + user)
		}
		synctest.Wait()
		h.server.RecheckAuth()
		synctest.Wait()
		if n := h.server.Counts(); n.Sessions != 3 {
			t.Errorf("%d sessions are open after nothing has changed, want 3", n.Sessions)
		}
		f.changed.Store(true)
		h.server.RecheckAuth()
		close(f.held)
		synctest.Wait()
		for user, want := range map[string]string{"ann": "CONNECTED ERROR", "bob": "CONNECTED", "late ann": "ERROR"} {
			var got []string
			for _, text := range open[user].texts() {
				if command, rest, _ := strings.Cut(text, " "); command != "close" {
					got = append(got, command)
					if command == "ERROR" && !strings.Contains(rest, "message:401 no ann any more") {
						t.Errorf("%s got %q", user, text)
					}
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s got %q, want %s", user, got, want)
			}
		}
	})
}

// fickle lets everybody in, and when it has changed no ann any more. The answers to those who are
// late are held back.
type fickle struct {
	changed atomic.Bool
	held    chan struct{}
}

func (f *fickle) Authenticate(_ context.Context, c auth.Credentials) (auth.Identity, error) {
	id := auth.Identity{User: strings.TrimPrefix(c.Token, "late ")}
	if err := f.Recheck(id); err != nil {
		return auth.Identity{}, err
	}
	if id.User != c.Token {
		<-f.held
	}
	return id, nil
}

func (f *fickle) Recheck(id auth.Identity) error {
	if f.changed.Load() && id.User == "ann" {
		return &auth.Error{Reason: "no ann any more"}
	}
	return nil
}

// unable can neither accept nor refuse a token.
type unable struct{}

func (unable) Authenticate(context.Context, auth.Credentials) (auth.Identity, error) {
	return auth.Identity{}, errors.New("odd trouble")
}

func (unable) Recheck(auth.Identity) error { return errors.New("odd trouble") }

// When a token cannot be checked the client may try again: it must not take this for a 401.
func TestAuthUnable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{Policy: server.Policy{Auth: unable{}}})
		_, response, err := h.dial(http.Header{"Authorization": {"any"}})
		if err == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("handshake: %v, want status 503", err)
		}
		conn, _, err := h.dial(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn)
		go c.read()
		c.send("CONNECT | accept-version:1.2 | Authorization:any")
		synctest.Wait()
		if got := strings.Join(c.texts(), "\n"); got != "ERROR | message:the token could not be checked\nclose 1008 the token could not be checked" {
			t.Errorf("CONNECT was answered by %q", got)
		}
	})
}

// hanging waits for somebody who does not answer.
type hanging struct{ unable }

func (hanging) Authenticate(ctx context.Context, _ auth.Credentials) (auth.Identity, error) {
	<-ctx.Done()
	return auth.Identity{}, ctx.Err()
}

// Whoever is asked about a client has no longer than the client has to connect.
func TestAuthHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{Policy: server.Policy{Auth: hanging{}}, Limits: server.Limits{ConnectTimeout: 5 * time.Second}})
		conn, _, err := h.dial(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn)
		go c.read()
		c.send("CONNECT | accept-version:1.2 | Authorization:any")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := strings.Join(c.texts(), "\n"); got != "ERROR | message:the token could not be checked\nclose 1008 the token could not be checked" {
			t.Errorf("CONNECT was answered by %q", got)
		}
	})
}

// Other audiences hold at once for those who are connected, and a client that does not read its
// answers delays nobody.
func TestPolicyTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		c := h.connect()
		c.send("SUBSCRIBE | id:a | destination:/queue/message")
		deaf := h.connectUnread()
		ask := frame("SUBSCRIBE | id:a | destination:/queue/message | receipt:" + strings.Repeat("r", 1000))
		ask += frame("UNSUBSCRIBE | id:a | receipt:" + strings.Repeat("r", 1000))
		go func() {
			for deaf.WriteMessage(websocket.TextMessage, []byte(ask)) == nil {
			}
		}()
		synctest.Wait()
		h.publish("/queue/message", "", "1", "g:support")
		synctest.Wait()
		began := time.Now()
		h.setPolicy(func(p *server.Policy) {
			p.Tokens = func(auth.Identity) []string { return []string{"g:support"} }
		})
		if d := time.Since(began); d > 0 {
			t.Errorf("SetPolicy took %v", d)
		}
		h.publish("/queue/message", "", "2", "g:support")
		synctest.Wait()
		got := c.texts()
		if len(got) != 1 || !strings.HasSuffix(got[0], " || 2") {
			t.Errorf("got %q, want the second message alone", got)
		}
		deaf.Close()
	})
}

// A policy is in force as a whole: it ends whom it refuses, and whose subscriptions it does not
// allow, and the others have their new audiences.
func TestSetPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		h.setAuth(h.authenticator(auth.JWTConfig{Secrets: secrets}))
		withdrawn := h.connect()
		withdrawn.send("SUBSCRIBE | id:a | destination:/queue/unread-count")
		synctest.Wait()
		h.jwt = auth.JWTConfig{Secrets: secrets[1:]}
		forbidden, kept := h.connect(), h.connect()
		forbidden.send("SUBSCRIBE | id:a | destination:/queue/unread-count")
		kept.send("SUBSCRIBE | id:a | destination:/queue/message")
		synctest.Wait()
		h.server.SetPolicy(server.Policy{
			Auth:    h.authenticator(h.jwt),
			Access:  allowed{"/queue/message"},
			Tokens:  func(auth.Identity) []string { return []string{"g:support"} },
			Origins: origins(t, "https://app.example"),
		})
		h.publish("/queue/message", "", "for support", "g:support")
		synctest.Wait()
		got := map[string]string{}
		for name, c := range map[string]*client{"withdrawn": withdrawn, "forbidden": forbidden, "kept": kept} {
			got[name] = strings.ReplaceAll(strings.Join(c.texts(), "\n"), h.hub.Epoch(0), "EPOCH")
		}
		want := map[string]string{
			"withdrawn": "ERROR | message:401 signature is not valid\nclose 1008 401 signature is not valid",
			"forbidden": "ERROR | message:access denied | content-type:text/plain;charset=utf-8 | content-length:64 || the access rules do not let you subscribe to /queue/unread-count\nclose 1008 access denied",
			"kept":      "MESSAGE | destination:/queue/message | message-id:EPOCH-1 | subscription:a | content-type:application/json | content-length:11 || for support",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the clients got (-want +got):\n%s", d)
		}
		if conn, _, err := h.dial(http.Header{"Origin": {"https://app.example"}}); err != nil {
			t.Errorf("a page of the new origin: %v", err)
		} else {
			conn.Close()
		}
	})
}

// A token without an end makes a session without one.
func TestNoExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		h.jwt.AllowNoExpiry = true
		h.setAuth(h.authenticator(h.jwt))
		conn, _, err := h.dial(http.Header{"Authorization": {h.token("ann", 0)}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := newClient(t, conn)
		go c.read()
		c.send("CONNECT | accept-version:1.2")
		time.Sleep(48 * time.Hour)
		if n := h.server.Counts(); n.Sessions != 1 {
			t.Errorf("counts %+v, want the session still open", n)
		}
	})
}

// Over TCP, closing a connection with unread input resets it: the client must see the ERROR and the
// close all the same.
func TestErrorBeforeReset(t *testing.T) { bothWays(t, testErrorBeforeReset) }

func testErrorBeforeReset(t *testing.T, secure bool) {
	h, url := newTCPHouse(t, secure, server.Config{}, hub.Config{}, journal.MemoryOptions{})
	for range 20 {
		c := newClient(t, h.dialTCP(url))
		c.send("CONNECT | accept-version:1.2 | Authorization:" + h.token("ann", time.Hour))
		c.send("SEND | destination:/queue/message || " + strings.Repeat("b", 60_000))
		for range 5 {
			c.sendRaw(websocket.TextMessage, strings.Repeat("\n", 60_000))
		}
		c.read()
		got := c.texts()
		if len(got) != 3 || !strings.HasPrefix(got[1], "ERROR | message:SEND is not accepted") || got[2] != "close 1008 SEND is not accepted" {
			t.Fatalf("got %q, want CONNECTED, an ERROR and a close", got)
		}
	}
}

func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		act   func(net.Conn)
		cause string
		want  string // what the client gets
	}{
		"cut":                      {func(c net.Conn) { c.Close() }, "connection lost", "cut"},
		"a frame without a mask":   {func(c net.Conn) { c.Write([]byte{0x81, 1, '\n'}) }, "malformed WebSocket frame", "close 1002 malformed WebSocket frame"},
		"reserved bits":            {func(c net.Conn) { c.Write([]byte{0xF1, 0x80, 0, 0, 0, 0}) }, "malformed WebSocket frame", "close 1002 malformed WebSocket frame"},
		"a continuation of naught": {func(c net.Conn) { c.Write([]byte{0x80, 0x80, 0, 0, 0, 0}) }, "malformed WebSocket frame", "close 1002 malformed WebSocket frame"},
		"close without a code":     {func(c net.Conn) { c.Write([]byte{0x88, 0x80, 0, 0, 0, 0}) }, "client closed", "close 1000 client closed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{})
				c := h.connect()
				test.act(c.conn.NetConn())
				synctest.Wait()
				time.Sleep(time.Second)
				if d := cmp.Diff([]string{test.want}, c.texts()); d != "" {
					t.Errorf("the client got (-want +got):\n%s", d)
				}
				if d := cmp.Diff(map[string]int64{test.cause: 1}, h.server.Counts().Ends); d != "" {
					t.Errorf("ends (-want +got):\n%s", d)
				}
				if !regexp.MustCompile(`level=INFO msg="session ended" .* cause="` + test.cause).MatchString(h.lines.String()) {
					t.Errorf("no line at level INFO in\n%s", h.lines)
				}
			})
		})
	}
}

func TestOriginsOfPages(t *testing.T) {
	for list, test := range map[string]struct{ yes, no string }{
		"":                        {"http://bridge.test", "http://bridge.test.example"},
		"https://app.example":     {"https://app.example", "https://app.example:8443"},
		"https://app.example:443": {"https://app.example", "http://app.example"},
		"http://app.example:80":   {"http://app.example", "http://app.example:443"},
		"https://*.example:443":   {"https://app.example", "https://app.example:8443"},
		"http://[::1]:80":         {"http://[::1]", "http://[::1]:443"},
		"HTTPS://App.Example:99":  {"https://app.example:99", "https://app.example"},
		"https://*.app.example":   {"https://a.b.app.example", "https://app.example"},
		"http://*.app.example":    {"http://a.app.example", "https://a.app.example"},
		"https://*.app.example:9": {"https://a.app.example:9", "https://a.app.example"},
		"*":                       {"null", ""},
		"null":                    {"null", "file://"},
		"file://":                 {"file://", "null"},
		"http://localhost:*":      {"http://localhost:5173", "https://localhost:5173"},
		"https://bridge.test":     {"http://bridge.test:80", "http://bridge.test:81"}, // its own
	} {
		t.Run(list, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{})
				h.setPolicy(func(p *server.Policy) { p.Origins = origins(t, strings.Fields(list)...) })
				conn, _, err := h.dial(http.Header{"Origin": {test.yes}})
				if err != nil {
					t.Errorf("%q with %q: %v", list, test.yes, err)
				} else {
					conn.Close()
				}
				if test.no == "" {
					return
				}
				if _, response, err := h.dial(http.Header{"Origin": {test.no}}); err == nil || response.StatusCode != http.StatusForbidden {
					t.Errorf("%q with %q: %v, want status 403", list, test.no, err)
				}
			})
		})
	}
}

// The path is the only one, unless there are pages.
func TestPaths(t *testing.T) {
	for name, test := range map[string]struct {
		pages http.Handler
		want  int
	}{
		"none":  {nil, http.StatusNotFound},
		"pages": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), http.StatusTeapot},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{Path: "/ws", Pages: test.pages})
				_, response, err := h.dial(nil) // for /ws.communication
				if err == nil || response.StatusCode != test.want {
					t.Errorf("another path: %v, want status %d", err, test.want)
				}
			})
		})
	}
}

// A request that misses the endpoint by a little is named in the log: its client only sees that the
// connection failed.
func TestNearPaths(t *testing.T) {
	for path, want := range map[string]string{
		"/ws.communication/":                      "without a slash at the end",
		"/ws.communication/info":                  "SockJS is not spoken here",
		"/ws.communication/info?t=1":              "SockJS is not spoken here",
		"/ws.communication/iframe.html":           "SockJS is not spoken here",
		"/ws.communication/123/abcdefg/websocket": "SockJS is not spoken here",
		"/ws.communication/123/abcdefg/xhr":       "SockJS is not spoken here",
		"/ws.communication/websocket":             "see server.path",
		"/favicon.ico":                            "",
		"/":                                       "",
	} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{})
				conn, err := h.l.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bridge.test\r\nConnection: close\r\n\r\n", path)
				response, err := io.ReadAll(conn)
				if err != nil || !strings.HasPrefix(string(response), "HTTP/1.1 404 ") || !strings.Contains(string(response), want) {
					t.Errorf("got %q, %v, want 404 and %q in it", response, err, want)
				}
				lines := strings.Count(h.lines.String(), "handshake refused")
				if want == "" && lines != 0 || want != "" && (lines != 1 || !strings.Contains(h.lines.String(), want)) {
					t.Errorf("want %q in one line of\n%s", want, h.lines)
				}
			})
		})
	}
}

// A slowAuth takes its time.
type slowAuth struct {
	auth.Authenticator
	takes time.Duration
}

func (a slowAuth) Authenticate(ctx context.Context, c auth.Credentials) (auth.Identity, error) {
	time.Sleep(a.takes)
	return a.Authenticator.Authenticate(ctx, c)
}

// While a new token is checked, which may ask others, the session reads nothing: that is not the
// client's silence.
func TestSlowRenewalIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{HeartBeat: time.Second})
		conn, _, err := h.dial(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn)
		go c.read()
		c.send("CONNECT | accept-version:1.2 | heart-beat:1000,0 | Authorization:" + h.token("ann", time.Hour))
		synctest.Wait()
		c.take()
		h.setAuth(slowAuth{h.authenticator(h.jwt), 5 * time.Second})
		c.send("SEND | destination:/auth/token | Authorization:" + h.token("ann", 2*time.Hour) + " | receipt:r")
		for range 10 {
			time.Sleep(time.Second)
			c.sendRaw(websocket.TextMessage, "\n")
		}
		var got []string
		for _, text := range c.texts() {
			if text != "pong" {
				got = append(got, text)
			}
		}
		if d := cmp.Diff([]string{"RECEIPT | receipt-id:r"}, got); d != "" {
			t.Errorf("the client got (-want +got):\n%s", d)
		}
	})
}

// A heldAuth lets nobody know before it is let go.
type heldAuth struct {
	auth.Authenticator
	asked, held chan struct{}
}

func (a heldAuth) Authenticate(ctx context.Context, c auth.Credentials) (auth.Identity, error) {
	a.asked <- struct{}{}
	<-a.held
	return a.Authenticator.Authenticate(ctx, c)
}

// A session whose connection is lost while an ACK waits to be read ends for that reason, and not
// for the ACK's.
func TestLostBeforeAck(t *testing.T) {
	h := newHouse(t, server.Config{})
	web := httptest.NewServer(h.server)
	defer web.Close()
	conn := h.subscribeTCP(web.URL)
	defer conn.Close()
	c := newClient(t, conn)
	c.send("SUBSCRIBE | id:b | destination:/queue/unread-count | ack:client")
	c.send("UNSUBSCRIBE | id:a | receipt:r")
	conn.ReadMessage()
	h.publish("/queue/unread-count", "", "1")
	conn.ReadMessage()

	held := heldAuth{h.authenticator(h.jwt), make(chan struct{}), make(chan struct{})}
	h.setAuth(held)
	c.sendRaw(websocket.TextMessage, frame("SEND | destination:/auth/token | receipt:r | Authorization:"+h.token("ann", time.Hour))+
		frame("ACK | id:"+h.hub.Epoch(0)+"-1.1"))
	<-held.asked
	conn.NetConn().(*net.TCPConn).SetLinger(0) // a reset
	conn.Close()
	close(held.held)
	bridgetest.Eventually(t, "the session's end", func() bool { return h.server.Counts().Sessions == 0 })
	if d := cmp.Diff(map[string]int64{"connection lost": 1}, h.server.Counts().Ends); d != "" {
		t.Errorf("ends (-want +got):\n%s", d)
	}
}
