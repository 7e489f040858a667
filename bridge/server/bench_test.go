package server_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// Batches to sessions over loopback, each until every client has read it: one entry, and as many as
// make one write.
func BenchmarkSessions(b *testing.B) {
	for _, sessions := range []int{1, 100, 1000} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("sessions=%d/batch=%d", sessions, batch), func(b *testing.B) { benchmarkSessions(b, sessions, batch) })
		}
	}
}

func benchmarkSessions(b *testing.B, sessions, batch int) {
	h := newHouse(b, server.Config{})
	web := httptest.NewServer(h.server)
	defer web.Close()
	shares := make(chan struct{}, sessions) // one for each batch that a client has read
	for range sessions {
		conn := h.subscribeTCP(web.URL)
		defer conn.Close()
		go func() {
			for {
				for range batch {
					if _, _, err := conn.NextReader(); err != nil {
						return
					}
				}
				shares <- struct{}{}
			}
		}()
	}
	body := bytes.Repeat([]byte("x"), 400)
	b.ReportAllocs()
	for b.Loop() {
		entries := make([]journal.Entry, batch)
		for i := range entries {
			entries[i] = journal.Entry{Queue: "/queue/message", Body: body}
		}
		if err := h.writer.Append(b.Context(), journal.Batch{Entries: entries}); err != nil {
			b.Fatal(err)
		}
		for range sessions {
			<-shares
		}
	}
	b.ReportMetric(float64(b.N*batch*sessions)/b.Elapsed().Seconds(), "deliveries/s")
}

// dialTCP opens a WebSocket.
func (h *house) dialTCP(url string) *websocket.Conn {
	h.t.Helper()
	d := websocket.Dialer{TLSClientConfig: h.client}
	conn, _, err := d.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// subscribeTCP opens a session that has subscribed to /queue/message.
func (h *house) subscribeTCP(url string) *websocket.Conn {
	h.t.Helper()
	conn := h.dialTCP(url)
	for _, line := range []string{
		"CONNECT | accept-version:1.2 | Authorization:" + h.token("ann", time.Hour),
		"SUBSCRIBE | id:a | destination:/queue/message | receipt:r",
	} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(frame(line))); err != nil {
			h.t.Fatal(err)
		}
		if _, _, err := conn.ReadMessage(); err != nil {
			h.t.Fatal(err)
		}
	}
	return conn
}
