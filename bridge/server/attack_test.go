package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// serveTCP serves the house's server at a port of this machine too.
func (h *house) serveTCP() (addr string) {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.server.Serve(ctx, l)
	}()
	h.t.Cleanup(func() {
		cancel()
		<-done
	})
	return l.Addr().String()
}

// dialFrom opens a WebSocket from an address of this machine.
func dialFrom(from, addr string) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{NetDialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext}
	return d.Dial("ws://"+addr+"/ws.communication", nil)
}

// Connections that never become a session are limited as sessions are, also by address, and end
// soon.
func TestConnectionsWithoutHandshake(t *testing.T) {
	h := newHouse(t, server.Config{Limits: server.Limits{Sessions: 50, SessionsPerAddress: 10, ConnectTimeout: time.Second}})
	addr := h.serveTCP()
	const all = 300
	var closed atomic.Int64
	for range all {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() { // until the server closes
			conn.Read(make([]byte, 1))
			closed.Add(1)
		}()
	}
	bridgetest.Eventually(t, "those over the limit to be closed", func() bool { return closed.Load() >= all-14 })
	if n := h.server.Counts().Connections; n > 14 {
		t.Errorf("%d connections are held, want 10 and a few that are to be answered", n)
	}
	conn, _, err := dialFrom("127.0.0.2", addr)
	if err != nil {
		t.Errorf("from another address: %v", err)
	} else {
		conn.Close()
	}
	bridgetest.Eventually(t, "the others to be closed", func() bool { return closed.Load() == all })
	if n := h.server.Counts().Refusals["too many connections of one address"]; n < all-14 {
		t.Errorf("%d refusals are counted", n)
	}
	if lines := strings.Count(h.lines.String(), "connection refused"); lines > 20 {
		t.Errorf("%d lines in the log", lines)
	}
}

// A request that is not a handshake is answered, and its connection closed.
func TestRequestsDoNotHoldConnections(t *testing.T) {
	h := newHouse(t, server.Config{})
	addr := h.serveTCP()
	for path, status := range map[string]int{"/ws.communication": http.StatusUpgradeRequired, "/": http.StatusNotFound, "/ws.communication/info": http.StatusNotFound} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bridge.test\r\n\r\n", path)
		r := bufio.NewReader(conn)
		response, err := http.ReadResponse(r, nil)
		if err != nil || response.StatusCode != status || !response.Close {
			t.Fatalf("%s: %v %+v", path, err, response)
		}
		response.Body.Close()
		conn.SetReadDeadline(time.Now().Add(bridgetest.Patience))
		if _, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: then %v, want it closed", path, err)
		}
	}
}

// A handshake beyond the limits is answered with a status.
func TestOneTooManyIsAnswered(t *testing.T) {
	h := newHouse(t, server.Config{Limits: server.Limits{Sessions: 3, SessionsPerAddress: 2}})
	addr := h.serveTCP()
	for _, step := range []struct {
		from string
		want int
	}{
		{"127.0.0.1", 101}, {"127.0.0.1", 101}, {"127.0.0.1", http.StatusTooManyRequests},
		{"127.0.0.2", 101}, {"127.0.0.3", http.StatusServiceUnavailable},
	} {
		conn, response, err := dialFrom(step.from, addr)
		if response == nil || response.StatusCode != step.want {
			t.Errorf("from %s: %v, %v, want %d", step.from, response, err, step.want)
		}
		if err == nil {
			defer conn.Close()
		}
	}
}

// get sends a handshake. One that is let in ends with an error, because the recorder has no
// connection.
func (h *house) get(from string, header http.Header) int {
	r := httptest.NewRequest("GET", "/ws.communication", nil)
	r.RemoteAddr = net.JoinHostPort(from, "50123")
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"x3JJHMbDL1EzLkh9GBhXDw=="}}
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.server.ServeHTTP(w, r)
	return w.Code
}

// However often a client is refused and whatever it sends, the log stays small and gives the
// number.
func TestRefusalsInTheLog(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
	}{
		"origin": {http.Header{"Origin": {"https://" + strings.Repeat("a", 30<<10) + ".example"}}},
		"broken": {http.Header{"Origin": {strings.Repeat("\xff\n", 15<<10)}}},
		"token":  {http.Header{"Authorization": {"Bearer " + strings.Repeat("a", 30<<10)}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{})
				const all = 2000
				for range all {
					h.get("203.0.113.1", test.header)
				}
				h.get("203.0.113.2", test.header) // another address is not lost among them
				time.Sleep(2 * time.Second)
				log := h.lines.String()
				if len(log) > 5<<10 {
					t.Errorf("%d bytes of log", len(log))
				}
				if !strings.Contains(log, "remote=203.0.113.2") {
					t.Errorf("the other address is not in the log:\n%s", log)
				}
				for _, m := range regexp.MustCompile(`more=(\d+)`).FindAllStringSubmatch(log, -1) {
					if n, _ := strconv.Atoi(m[1]); n != all-3 {
						t.Errorf("%d more, want %d", n, all-3)
					}
				}
				if strings.Count(log, "more=") != 1 {
					t.Errorf("the log is\n%s", log)
				}
			})
		})
	}
}

// The same holds for clients that are refused at CONNECT.
func TestRefusedConnectsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		for range 100 {
			conn, _, err := h.dial(nil)
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, conn)
			go c.read()
			c.send("CONNECT | accept-version:1.2 | Authorization:nonsense")
		}
		time.Sleep(2 * time.Second)
		log := h.lines.String()
		if strings.Count(log, "session ended") != 3 || !strings.Contains(log, "more=97") {
			t.Errorf("the log is\n%s", log)
		}
	})
}

// The log stays small for refusals from many addresses, too.
func TestRefusalsOfManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		for i := range 5000 {
			h.get(fmt.Sprintf("10.0.%d.%d", i/250, i%250), http.Header{"Origin": {"https://other.example"}})
		}
		time.Sleep(2 * time.Second)
		if n := strings.Count(h.lines.String(), "handshake refused"); n > 1100 {
			t.Errorf("%d lines", n)
		}
	})
}

// Busy addresses do not shut out those that connect rarely, and a single one still gets the whole
// rate.
func TestConnectRateIsFair(t *testing.T) {
	for name, hammering := range map[string]int{"one": 1, "three": 3, "ten": 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{Limits: server.Limits{Connects: 20}})
				refused, hammered := 0, 0
				for tick := range 1000 { // 10 s
					for i := range hammering {
						if h.get(fmt.Sprint("198.51.100.", i), nil) != http.StatusTooManyRequests {
							hammered++
						}
					}
					if tick%16 == 0 { // 60 good ones, each from its own address
						if h.get(fmt.Sprint("203.0.113.", tick/16), nil) == http.StatusTooManyRequests {
							refused++
						}
					}
					time.Sleep(10 * time.Millisecond)
				}
				if refused > 0 {
					t.Errorf("%d good ones of 63 were refused", refused)
				}
				if hammered < 100 || hammered > 220 {
					t.Errorf("the others got in %d times: want what the good ones leave of 20 a second", hammered)
				}
			})
		})
	}
}

// More addresses than are remembered are served, and are not remembered for good.
func TestConnectRateOfManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{Limits: server.Limits{Connects: 10_000}})
		for i := range 9000 {
			if h.get(fmt.Sprintf("10.%d.%d.1", i/250, i%250), nil) == http.StatusTooManyRequests {
				t.Fatalf("address %d was refused", i)
			}
		}
	})
}

// At a limit, the oldest session ends for the newcomer, with the reason. Others go on.
func TestOldestGivesWay(t *testing.T) {
	for name, test := range map[string]struct {
		limits server.Limits
		same   string
	}{
		"user":    {server.Limits{SessionsPerUser: 2, EndOldest: true}, "user"},
		"address": {server.Limits{SessionsPerAddress: 2, EndOldest: true}, "address"},
		"both":    {server.Limits{SessionsPerUser: 2, SessionsPerAddress: 2, EndOldest: true}, "user"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{Limits: test.limits})
				first, second := h.connect(), h.connect()
				for range 3 { // the count is right again each time
					third := h.connect()
					want := "ERROR | message:replaced by a newer session of the same " + test.same + "\nclose 1008 replaced by a newer session"
					if got := strings.Join(first.texts(), "\n"); got != want {
						t.Fatalf("the oldest got %q, want %q", got, want)
					}
					if got := second.texts(); len(got) > 0 {
						t.Fatalf("the other got %q", got)
					}
					time.Sleep(2 * time.Second)
					if n := h.server.Counts().Sessions; n != 2 {
						t.Fatalf("%d sessions", n)
					}
					first, second = second, third
				}
				if n := h.server.Counts().Ends["replaced by a newer session"]; n != 3 {
					t.Errorf("ends %v", h.server.Counts().Ends)
				}
			})
		})
	}
}

// The first client's network has died silently: the newcomer is let in at once.
func TestDeadClientGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{Limits: server.Limits{SessionsPerUser: 1, EndOldest: true}})
		h.connectUnread()
		h.publish("/queue/message", "", "nobody reads this")
		h.connect()
		time.Sleep(2 * time.Second)
		if n := h.server.Counts().Sessions; n != 1 {
			t.Errorf("%d sessions, want the newcomer's", n)
		}
	})
}

// A client that has shown no token cannot end a session.
func TestNobodyGivesWayToStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{Limits: server.Limits{SessionsPerAddress: 2, EndOldest: true}})
		first, second := h.connect(), h.connect()
		var strangers []*client
		for range 2 { // as many again
			conn, _, err := h.dial(nil)
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, conn)
			go c.read()
			strangers = append(strangers, c)
		}
		if _, response, err := h.dial(nil); err == nil || response.StatusCode != http.StatusTooManyRequests {
			t.Errorf("one more stranger: %v", err)
		}
		for _, c := range strangers {
			c.send("CONNECT | accept-version:1.2 | Authorization:nonsense")
		}
		synctest.Wait()
		if got := append(first.texts(), second.texts()...); len(got) > 0 {
			t.Errorf("the sessions got %q", got)
		}
	})
}

// What waits for 300 sessions that stop reading at messages of 900 kB is kept once.
func TestUnreadMessagesAreKeptOnce(t *testing.T) { bothWays(t, testUnreadMessagesAreKeptOnce) }

func testUnreadMessagesAreKeptOnce(t *testing.T, secure bool) {
	h, url := newTCPHouse(t, secure, server.Config{}, hub.Config{}, journal.MemoryOptions{MaxBytes: 64 << 20})
	const sessions = 300
	for range sessions {
		conn := h.subscribeTCP(url)
		defer conn.Close()
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	h.publish("/queue/message", "", "to join")
	before := heap()
	body := strings.Repeat("x", 900<<10)
	const messages = 8 // more than the sockets take
	for range messages {
		h.publish("/queue/message", "", body)
	}
	bridgetest.Eventually(t, "all to wait", func() bool { return h.server.Lag().HeldUp == sessions })
	after := heap()
	t.Logf("heap: %d MB, with %d sessions that do not read %d MB; unread %d MB", before>>20, sessions, after>>20, h.server.Counts().Unread>>20)
	journaled := uint64(messages * len(body))
	if grown := after - before; after > before && grown > 4*journaled {
		t.Errorf("the heap grew by %d MB, the journal by %d", grown>>20, journaled>>20)
	}
}

// A PROXY header gives the client's address for the log and for limits.
func TestProxyHeader(t *testing.T) {
	h := newHouse(t, server.Config{ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Limits: server.Limits{SessionsPerAddress: 1}})
	addr := h.serveTCP()
	dial := func(header string) (*websocket.Conn, error) {
		d := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
			conn, err := net.Dial(network, addr)
			if err == nil {
				_, err = conn.Write([]byte(header))
			}
			return conn, err
		}}
		conn, _, err := d.Dial("ws://"+addr+"/ws.communication", http.Header{"X-Forwarded-For": {"192.0.2.99"}})
		return conn, err
	}
	for i := range 2 {
		conn, err := dial(fmt.Sprintf("PROXY TCP4 203.0.113.%d 10.0.0.1 50123 80\r\n", i))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if _, err := dial("PROXY TCP4 203.0.113.1 10.0.0.1 50124 80\r\n"); err == nil {
		t.Error("a second session of one address is let in")
	}
	if _, err := dial(""); err == nil || !strings.Contains(h.lines.String(), `reason="no PROXY header"`) {
		t.Errorf("without a header: %v\n%s", err, h.lines)
	}
	bridgetest.Eventually(t, "the sessions of both clients", func() bool {
		remotes := map[string]bool{}
		for _, s := range h.server.Sessions() {
			remotes[s.Remote] = true
		}
		return remotes["203.0.113.0:50123"] && remotes["203.0.113.1:50123"]
	})
}
