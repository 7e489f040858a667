package server_test

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// A reader is a client over TCP that checks what it gets: the bodies are numbers, and of each
// subscription they come without a gap, without a repetition and in order.
type reader struct {
	t       *testing.T
	conn    *websocket.Conn
	name    string
	random  *rand.Rand
	pauses  bool              // now and then it does not read
	toggles bool              // now and then it ends a second subscription, or begins it again
	second  bool              // which is open
	asked   int               // receipts asked for
	next    map[string]uint64 // subscription -> the number that comes next
	closed  map[string]bool   // subscriptions whose end was answered
	got     int
}

func (r *reader) say(format string, args ...any) {
	if err := r.conn.WriteMessage(websocket.TextMessage, []byte(frame(fmt.Sprintf(format, args...)))); err != nil {
		r.t.Errorf("%s: %v", r.name, err)
	}
}

// read reads until the number last came, on the first subscription.
func (r *reader) read(last uint64) {
	for r.next["a"] != last+1 {
		_, p, err := r.conn.ReadMessage()
		if err != nil {
			r.t.Errorf("%s after %d messages: %v", r.name, r.got, err)
			return
		}
		r.take(string(p))
		switch n := r.random.IntN(400); {
		case r.pauses && n == 0:
			time.Sleep(time.Duration(r.random.IntN(600)) * time.Millisecond) // until the server's kernel takes no more
		case r.toggles && n < 8:
			r.toggle()
		}
	}
}

func (r *reader) toggle() {
	r.asked++
	if r.second {
		r.say("UNSUBSCRIBE | id:b%d | receipt:%d", r.asked-1, r.asked)
	} else {
		r.say("SUBSCRIBE | id:b%d | destination:/queue/message | receipt:%d", r.asked, r.asked)
	}
	r.second = !r.second
}

func (r *reader) take(text string) {
	head, body, _ := strings.Cut(strings.TrimSuffix(text, "\x00"), "\n\n")
	command, _, _ := strings.Cut(head, "\n")
	switch command {
	case "RECEIPT":
		_, receipt, _ := strings.Cut(head, "receipt-id:")
		if n, _ := strconv.Atoi(receipt); n%2 == 0 {
			r.closed[fmt.Sprint("b", n-1)] = true
		}
	case "MESSAGE":
		_, id, _ := strings.Cut(head, "\nsubscription:")
		id, _, _ = strings.Cut(id, "\n")
		number, _, _ := strings.Cut(body, " ")
		n, err := strconv.ParseUint(number, 10, 64)
		if want, ok := r.next[id]; err != nil || ok && n != want || r.closed[id] {
			r.t.Errorf("%s: %s came on %s, want %d (closed: %v)", r.name, number, id, want, r.closed[id])
		}
		r.next[id] = n + 1
		r.got++
	default:
		r.t.Errorf("%s: got %s", r.name, head)
	}
}

// tcpOf returns the connection below a WebSocket.
func tcpOf(conn *websocket.Conn) *net.TCPConn {
	below := conn.NetConn()
	if t, ok := below.(*tls.Conn); ok {
		below = t.NetConn()
	}
	return below.(*net.TCPConn)
}

// Clients over TCP that keep up, that pause, and that subscribe and unsubscribe, while entries are
// published as fast as it goes: sessions leave their broadcasts and join them again, and each gets
// everything once and in order.
func TestBroadcasts(t *testing.T) { bothWays(t, testBroadcasts) }

func testBroadcasts(t *testing.T, secure bool) {
	const clients = 40
	entries := 3000
	if secure {
		entries = 1000 // it takes its time with the race detector
	}
	h, url := newTCPHouse(t, secure, server.Config{}, hub.Config{RingEntries: 64}, journal.MemoryOptions{})
	var running sync.WaitGroup
	for i := range clients {
		conn := h.subscribeTCP(url)
		defer conn.Close()
		tcpOf(conn).SetReadBuffer(32 << 10)
		r := &reader{t: t, conn: conn, name: fmt.Sprint("client ", i), random: rand.New(rand.NewPCG(uint64(i), 4)),
			pauses: i%4 == 1, toggles: i%4 == 2 || i%8 == 3, next: map[string]uint64{}, closed: map[string]bool{}}
		running.Go(func() { r.read(uint64(entries)) })
	}
	filler := strings.Repeat("x", 6000)
	quiet, most := runtime.NumGoroutine(), 0
	for i := 1; i <= entries; i++ {
		most = max(most, runtime.NumGoroutine())
		h.publish("/queue/message", "", fmt.Sprint(i, " ", filler))
		if i%500 == 0 {
			time.Sleep(20 * time.Millisecond) // so that those who can catch up
		}
	}
	running.Wait()
	if most < quiet+3 {
		t.Error("no session was ever held up: this test shows nothing")
	}
	h.stop()
	c := h.hub.Counts()["/queue/message"]
	if c.Published != int64(entries) || c.Delivered < int64(clients*entries) || c.Conflated != 0 {
		t.Errorf("counts %+v, want %d entries for %d clients and a few more", c, entries, clients)
	}
}

// Sessions in broadcasts have no goroutine but the one that reads, and are left one by one: by
// UNSUBSCRIBE, by DISCONNECT, by a lost connection, by the end of the token, and by the end of the
// server.
func TestBroadcastIsLeft(t *testing.T) { bothWays(t, testBroadcastIsLeft) }

func testBroadcastIsLeft(t *testing.T, secure bool) {
	const clients = 50
	h, url := newTCPHouse(t, secure, server.Config{}, hub.Config{}, journal.MemoryOptions{})
	before := runtime.NumGoroutine()
	var conns []*websocket.Conn
	for range clients {
		conn := h.subscribeTCP(url)
		defer conn.Close()
		conns = append(conns, conn)
	}
	h.publish("/queue/message", "", "1")
	for _, conn := range conns {
		conn.ReadMessage()
	}
	bridgetest.Eventually(t, "one goroutine a session", func() bool { return runtime.NumGoroutine() <= before+clients+5 }) // and a few of the listeners

	for i, line := range []string{"UNSUBSCRIBE | id:a | receipt:u", "DISCONNECT | receipt:u"} {
		conns[i].WriteMessage(websocket.TextMessage, []byte(frame(line)))
		if _, p, _ := conns[i].ReadMessage(); !strings.HasPrefix(string(p), "RECEIPT\nreceipt-id:u") {
			t.Errorf("%s was answered by %q", line, p)
		}
	}
	tcpOf(conns[2]).Close()
	bridgetest.Eventually(t, "two sessions fewer", func() bool { return h.server.Counts().Sessions == clients-2 })
	h.publish("/queue/message", "", "2")
	for _, conn := range conns[3:] {
		if _, p, err := conn.ReadMessage(); !strings.HasSuffix(string(p), "\n\n2\x00") {
			t.Fatalf("got %q, %v, want the second message", p, err)
		}
	}
	rotated := h.jwt
	rotated.Secrets = secrets[1:]
	h.setAuth(h.authenticator(rotated))
	for i, conn := range conns[3:] {
		_, p, err := conn.ReadMessage()
		if !strings.HasPrefix(string(p), "ERROR\nmessage:401 ") {
			t.Fatalf("client %d: got %q, %v, want 401", i+3, p, err)
		}
	}
	h.stop()
	want := hub.Counts{Published: 2, Delivered: clients + clients - 3}
	if got := h.hub.Counts()["/queue/message"]; got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}
