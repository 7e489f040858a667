package server_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// One client stalls: the others get everything, and it is told where it stands when it reads again.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, server.Config{Limits: server.Limits{WriteTimeout: time.Minute}},
			hub.Config{RingEntries: 8}, journal.MemoryOptions{MaxBytes: 100 * 200})
		slow := h.connectUnread()
		subscribe := frame("SUBSCRIBE | id:s | destination:/queue/message")
		if err := slow.WriteMessage(websocket.TextMessage, []byte(subscribe)); err != nil {
			t.Fatal(err)
		}
		var others []*client
		for range 3 {
			c := h.connect()
			c.send("SUBSCRIBE | id:o | destination:/queue/message")
			others = append(others, c)
		}
		synctest.Wait()
		for i := range 1000 {
			h.publish("/queue/message", "", fmt.Sprint(i))
			synctest.Wait()
		}
		for _, c := range others {
			if got := c.texts(); len(got) != 1000 || !strings.HasSuffix(got[999], " || 999") {
				t.Errorf("a client beside a slow one got %d messages, want 1000", len(got))
			}
		}
		c := newClient(t, slow)
		go c.read()
		synctest.Wait()
		got := c.texts()
		want := []string{
			"MESSAGE | destination:/queue/message | message-id:EPOCH-1 | subscription:s | content-type:application/json | content-length:1 || 0",
			"ERROR | message:too slow, the next messages are no longer kept | last-message-id:EPOCH-1",
			"close 1013 too slow",
		}
		if got := strings.ReplaceAll(strings.Join(got, "\n"), h.hub.Epoch(0), "EPOCH"); got != strings.Join(want, "\n") {
			t.Errorf("the slow client got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
		}
		if n := h.server.Counts().Ends; n["too slow"] != 1 {
			t.Errorf("ends %v, want one too slow", n)
		}
		sum := h.hub.Counts()["/queue/message"]
		if want := (hub.Counts{Published: 1000, Delivered: 3001, LeftBehind: 999}); sum != want {
			t.Errorf("counts %+v, want %+v", sum, want)
		}
	})
}

// The same over TCP, where sockets take what they can.
func TestSlowClientOverTCP(t *testing.T) { bothWays(t, testSlowClientOverTCP) }

func testSlowClientOverTCP(t *testing.T, secure bool) {
	const filler, kept = 8000, 200
	h, url := newTCPHouse(t, secure, server.Config{Limits: server.Limits{WriteTimeout: time.Hour}}, hub.Config{RingEntries: 8},
		journal.MemoryOptions{MaxBytes: kept * filler})
	conn := h.subscribeTCP(url)
	defer conn.Close()
	tcpOf(conn).SetReadBuffer(32 << 10)
	var others []*websocket.Conn
	for range 3 {
		other := h.subscribeTCP(url)
		defer other.Close()
		others = append(others, other)
	}
	body := func(n int) string { return fmt.Sprintf("%08d%s", n, strings.Repeat("x", filler)) }
	published := 0
	for behind := 0; behind < 2*kept; behind++ {
		published++
		h.publish("/queue/message", "", body(published))
		for _, other := range others {
			if _, p, err := other.ReadMessage(); !strings.HasSuffix(string(p), "\n\n"+body(published)+"\x00") {
				t.Fatalf("a client beside a slow one got %.300q, %v, want message %d", p, err, published)
			}
		}
		if h.server.Lag().HeldUp == 0 {
			behind = 0
		}
	}
	slow := newClient(t, conn)
	slow.read()
	got := slow.texts()
	if len(got) < 3 || len(got) >= published {
		t.Fatalf("the slow client got %d messages of %d", len(got), published)
	}
	n := len(got) - 2 // messages
	for i := range n {
		if !strings.HasSuffix(got[i], " || "+body(i+1)) {
			t.Fatalf("the slow client got %.300q, want message %d", got[i], i+1)
		}
	}
	want := fmt.Sprintf("ERROR | message:too slow, the next messages are no longer kept | last-message-id:%s-%d\nclose 1013 too slow", h.hub.Epoch(0), n)
	if end := strings.Join(got[n:], "\n"); end != want {
		t.Errorf("the slow client got in the end:\n%s\nwant:\n%s", end, want)
	}
}

// A client that was stalled and reads again before the log is trimmed gets everything, or of unread
// counts the newest.
func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, server.Config{}, hub.Config{RingEntries: 8}, journal.MemoryOptions{})
		conn := h.connectUnread()
		for i, queue := range []string{"/queue/message", "/queue/unread-count"} {
			subscribe := frame(fmt.Sprintf("SUBSCRIBE | id:%d | destination:%s", i, queue))
			if err := conn.WriteMessage(websocket.TextMessage, []byte(subscribe)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for i := range 500 {
			h.publish("/queue/message", "", fmt.Sprint(i))
			synctest.Wait() // the first is on its way from here on
			h.publish("/queue/unread-count", "conversation", fmt.Sprint(i))
		}
		time.Sleep(9 * time.Second)
		c := newClient(t, conn)
		go c.read()
		synctest.Wait()
		var messages, counts []string
		for _, text := range c.texts() {
			_, body, _ := strings.Cut(text, " || ")
			if strings.Contains(text, "/queue/message") {
				messages = append(messages, body)
			} else if strings.HasPrefix(text, "MESSAGE") {
				counts = append(counts, body)
			}
		}
		if len(messages) != 500 || messages[499] != "499" {
			t.Errorf("got %d messages, want 500", len(messages))
		}
		if got := strings.Join(counts, " "); got != "499" {
			t.Errorf("unread counts %s, want the newest alone", got)
		}
	})
}

// A slowLog takes its time to read.
type slowLog struct{ *journal.Memory }

func (l slowLog) Read(ctx context.Context, after uint64, max int) ([]journal.Entry, error) {
	time.Sleep(time.Millisecond)
	return l.Memory.Read(ctx, after, max)
}

// A session that has a long replay before it is written by a few goroutines, however many entries
// wake it meanwhile.
func TestReplayIsWokenOften(t *testing.T) {
	log := slowLog{journal.NewMemory(journal.MemoryOptions{})}
	h := newHouseOver(t, server.Config{}, hub.Config{RingEntries: 8}, log)
	web := httptest.NewServer(h.server)
	defer web.Close()
	const old, all, pages = 10, 110, 200
	for range pages { // of nothing that the client wants
		if err := h.writer.Append(t.Context(), journal.Batch{Entries: slices.Repeat([]journal.Entry{{Queue: "/queue/message"}}, 128)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range old { // more than the ring holds
		h.publish("/queue/channel/connected", "", fmt.Sprint(i))
	}
	conn := h.subscribeTCP(web.URL)
	defer conn.Close()
	before, most := runtime.NumGoroutine(), 0
	resume := "SUBSCRIBE | id:b | destination:/queue/channel/connected | resume-from:" + h.hub.Epoch(0) + "-0"
	if err := conn.WriteMessage(websocket.TextMessage, []byte(frame(resume))); err != nil {
		t.Fatal(err)
	}
	for i := old; i < all; i++ {
		h.publish("/queue/channel/connected", "", fmt.Sprint(i))
		time.Sleep(time.Millisecond)
		most = max(most, runtime.NumGoroutine())
	}
	if most > before+4 {
		t.Errorf("%d goroutines more, want only a few", most-before)
	}
	for i := range all {
		if _, p, err := conn.ReadMessage(); !strings.HasSuffix(string(p), fmt.Sprintf("\n\n%d\x00", i)) {
			t.Fatalf("got %q, %v, want %d", p, err, i)
		}
	}
}
