package server_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// What a session's filters may name is bounded, for each and for all of them.
func TestFilterLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		list := func(n int) string {
			return strings.TrimSuffix(strings.Repeat("00000000-0000-4000-8000-000000000000,", n), ",")
		}
		subscribe := func(c *client, id, n int) string {
			c.send(fmt.Sprintf("SUBSCRIBE | id:%d | destination:/queue/message | receipt:r | filter:conversation_id=%s", id, list(n)))
			synctest.Wait()
			return strings.Join(c.texts(), "\n")
		}
		refused := "ERROR | message:too many ids in a filter"
		if got := subscribe(h.connect(), 1, 101); !strings.HasPrefix(got, refused) {
			t.Errorf("101 ids: %s", got)
		}
		c := h.connect()
		for i := range 10 {
			if got := subscribe(c, i, 100); !strings.HasPrefix(got, "RECEIPT") {
				t.Fatalf("filter %d: %s", i, got)
			}
		}
		c.send("UNSUBSCRIBE | id:0")
		if got := subscribe(c, 10, 100); !strings.HasPrefix(got, "RECEIPT") {
			t.Errorf("after one has gone: %s", got)
		}
		if got := subscribe(c, 11, 1); !strings.HasPrefix(got, refused) {
			t.Errorf("id 1001: %s", got)
		}
	})
}

// Clients over TCP that each show a conversation of their own: they share a broadcast, and each
// gets its messages alone, in order and without a gap.
func TestFilteredSessionsShareABroadcast(t *testing.T) {
	const clients, messages = 20, 100
	h := newHouseWith(t, server.Config{}, hub.Config{}, journal.MemoryOptions{})
	web := httptest.NewServer(h.server)
	defer web.Close()
	conversation := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
	body := func(i, n int) string {
		return fmt.Sprintf(`{"conversation_id":"%s","channel_id":"%s","message":{"n":%d}}`, conversation(i), conversation(0), n)
	}
	var running sync.WaitGroup
	for i := range clients {
		conn := h.subscribeTCP(web.URL)
		defer conn.Close()
		for _, line := range []string{
			"UNSUBSCRIBE | id:a | receipt:u",
			"SUBSCRIBE | id:f | destination:/queue/message | receipt:s | filter:conversation_id=" + conversation(i),
		} {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(frame(line))); err != nil {
				t.Fatal(err)
			}
			if _, p, err := conn.ReadMessage(); err != nil || !strings.HasPrefix(string(p), "RECEIPT") {
				t.Fatalf("%s was answered by %q, %v", line, p, err)
			}
		}
		running.Go(func() {
			for n := range messages {
				if _, p, err := conn.ReadMessage(); err != nil || !strings.Contains(string(p), body(i, n)) {
					t.Errorf("client %d got %q, %v, want message %d", i, p, err, n)
					return
				}
			}
		})
	}
	for n := range messages {
		for i := range clients + 1 { // the last has nobody that looks at it
			h.publish("/queue/message", "", body(i, n))
		}
	}
	running.Wait()
	web.CloseClientConnections()
	h.stop()
	counts := h.hub.Counts()["/queue/message"]
	if want := int64(clients * messages); counts.Delivered != want {
		t.Errorf("counts %+v, want %d delivered", counts, want)
	}
	if sum := counts.Delivered + counts.NotAddressed + counts.LeftBehind; sum != clients*(clients+1)*messages {
		t.Errorf("counts %+v, want a sum of %d", counts, clients*(clients+1)*messages)
	}
}
