package server_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/stomp"
)

// Each limit at one less, itself, and one more, in a session that is connected.
func TestFrameLimits(t *testing.T) {
	limits := stomp.Limits{Line: 600, Headers: 8, Body: 200} // a line must have room for a token
	unsubscribe := func(headers ...string) string {
		return frame(strings.Join(append([]string{"UNSUBSCRIBE", "id:a", "receipt:r"}, headers...), " | "))
	}
	for name, test := range map[string]struct {
		limit int
		frame func(size int) string
		under string // the answer up to the limit
		over  string // and beyond
	}{
		"header line": {600, func(n int) string { return unsubscribe("key:" + strings.Repeat("v", n-len("key:"))) },
			"RECEIPT", "a header line is too long"},
		"headers": {8, func(n int) string { return unsubscribe(strings.Split(strings.Repeat("k:v ", n-2), " ")[:n-2]...) },
			"RECEIPT", "too many headers"},
		"body": {200, func(n int) string { return frame("SEND || " + strings.Repeat("b", n)) },
			"SEND is not accepted", "the body is too long"},
		"body with a length": {200, func(n int) string {
			return frame(fmt.Sprintf("SEND | content-length:%d || %s", n, strings.Repeat("b", n)))
		},
			"SEND is not accepted", "the body is too long"},
		"subscription id": {512, func(n int) string {
			return frame("SUBSCRIBE | destination:/queue/message | receipt:r | id:" + strings.Repeat("i", n))
		}, "RECEIPT", "the subscription id is too long"},
	} {
		for size, want := range map[int]string{test.limit - 1: test.under, test.limit: test.under, test.limit + 1: test.over} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t, server.Config{Limits: server.Limits{Frame: limits}})
					c := h.connect()
					c.send("SUBSCRIBE | id:a | destination:/queue/message")
					c.sendRaw(websocket.TextMessage, test.frame(size))
					synctest.Wait()
					if got := strings.Join(c.texts(), "\n"); !strings.Contains(got, want) {
						t.Errorf("got %q, want %q in it", got, want)
					}
				})
			})
		}
	}
}

// A frame that never ends is not kept beyond its limits, whatever it claims.
func TestHugeClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newHouse(t, server.Config{}).connect()
		c.sendRaw(websocket.TextMessage, "SEND\ncontent-length:1400000000\n\nb")
		synctest.Wait()
		if got := strings.Join(c.texts(), "\n"); !strings.Contains(got, "the body is too long") {
			t.Errorf("got %q", got)
		}
	})
}

func TestUnauthenticatedBytes(t *testing.T) {
	for _, over := range []int{-1, 0, 1} {
		t.Run(fmt.Sprint("limit ", over), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const limit = 5000
				h := newHouse(t, server.Config{Limits: server.Limits{UnauthenticatedBytes: limit}})
				conn, _, err := h.dial(nil)
				if err != nil {
					t.Fatal(err)
				}
				c := newClient(t, conn)
				go c.read()
				connect := frame("CONNECT | accept-version:1.2 | Authorization:" + h.token("ann", time.Hour))
				const header = 2 * 8 // of the two WebSocket frames in which it is sent
				c.sendRaw(websocket.TextMessage, strings.Repeat("\n", limit+over-header-len(connect))+connect)
				synctest.Wait()
				want := "CONNECTED"
				if over > 0 {
					want = "ERROR | message:too many bytes before CONNECT was accepted"
				}
				if got := strings.Join(c.texts(), "\n"); !strings.HasPrefix(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				conn.Close()
			})
		})
	}
}

// What carries nothing counts too before CONNECT: pings, pongs, empty messages and fragments.
func TestUnauthenticatedFramesWithoutContent(t *testing.T) {
	for name, send := range map[string]func(*websocket.Conn) error{
		"pings": func(c *websocket.Conn) error {
			return c.WriteControl(websocket.PingMessage, make([]byte, 100), time.Time{})
		},
		"empty pings":    func(c *websocket.Conn) error { return c.WriteControl(websocket.PingMessage, nil, time.Time{}) },
		"pongs":          func(c *websocket.Conn) error { return c.WriteControl(websocket.PongMessage, nil, time.Time{}) },
		"empty messages": func(c *websocket.Conn) error { return c.WriteMessage(websocket.BinaryMessage, nil) },
		"empty fragments": func(c *websocket.Conn) error {
			_, err := c.NetConn().Write([]byte{0x00, 0x80, 0, 0, 0, 0})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const limit = 5000
				h := newHouse(t, server.Config{Limits: server.Limits{UnauthenticatedBytes: limit}})
				conn, _, err := h.dial(nil)
				if err != nil {
					t.Fatal(err)
				}
				c := newClient(t, conn)
				go c.read()
				if name == "empty fragments" {
					conn.NetConn().Write([]byte{0x01, 0x80, 0, 0, 0, 0})
				}
				for range limit/6 + 1 {
					if send(conn) != nil {
						break
					}
				}
				synctest.Wait()
				time.Sleep(time.Second) // the answer of the close is not awaited for longer
				if d := cmp.Diff(map[string]int64{"unauthenticated bytes": 1}, h.server.Counts().Ends); d != "" {
					t.Errorf("ends (-want +got):\n%s", d)
				}
				conn.Close()
			})
		})
	}
}

// A client that asks and never reads is not read from any more, and is gone after the write
// timeout.
func TestReceiptFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		conn := h.connectUnread()
		ask := frame("SUBSCRIBE | id:a | destination:/queue/message | receipt:" + strings.Repeat("r", 1000))
		ask += frame("UNSUBSCRIBE | id:a | receipt:" + strings.Repeat("r", 1000))
		var asked int
		began := time.Now()
		for conn.WriteMessage(websocket.TextMessage, []byte(ask)) == nil {
			asked += len(ask)
		}
		// What waits, what is being written, and what is being read.
		if limit := 64<<10 + 64<<10 + 16<<10; asked > limit {
			t.Errorf("the server took %d bytes of requests, want at most %d", asked, limit)
		}
		if d := time.Since(began); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("the session ended after %v, want the write timeout of 10s", d)
		}
		synctest.Wait()
		if n := h.server.Counts().Ends["write timeout"]; n != 1 {
			t.Errorf("ends %v, want one write timeout", h.server.Counts().Ends)
		}
	})
}

// Pings are read for ever, but only so many answers wait.
func TestPingFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		conn := h.connectUnread()
		before := heap()
		for range 100_000 {
			if err := conn.WriteControl(websocket.PingMessage, make([]byte, 125), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("100,000 pings take %d bytes", grown)
		}
		conn.Close()
	})
}

// Many empty messages, fragments and heart-beats cost nothing either.
func TestEmptyFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		c := h.connect()
		before := heap()
		for range 20_000 {
			c.sendRaw(websocket.TextMessage, "")
			c.sendRaw(websocket.BinaryMessage, "\n\r\n")
		}
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("empty messages take %d bytes", grown)
		}
		c.send("UNSUBSCRIBE")
		synctest.Wait()
		if got := c.texts(); len(got) != 2 {
			t.Errorf("got %q, want an ERROR and a close", got)
		}
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// connectUnread opens a session for a client that reads CONNECTED and no more.
func (h *house) connectUnread() *websocket.Conn {
	h.t.Helper()
	conn, _, err := h.dial(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	connect := frame("CONNECT | accept-version:1.2 | heart-beat:0,0 | Authorization:" + h.token("ann", 24*time.Hour))
	if err := conn.WriteMessage(websocket.TextMessage, []byte(connect)); err != nil {
		h.t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	return conn
}
