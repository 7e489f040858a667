package server_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// What it takes to look at many sessions, as a page does every second, while nothing happens and
// while they are written to. Each session takes two file descriptors.
func BenchmarkLooks(b *testing.B) {
	for _, sessions := range []int{1000, 9000} {
		b.Run(fmt.Sprint("sessions=", sessions), func(b *testing.B) { benchmarkLooks(b, sessions) })
	}
}

func benchmarkLooks(b *testing.B, sessions int) {
	h := newHouse(b, server.Config{})
	web := httptest.NewServer(h.server)
	defer web.Close()
	for range sessions {
		conn := h.subscribeTCP(web.URL)
		defer conn.Close()
		go io.Copy(io.Discard, conn.NetConn())
	}
	for _, busy := range []bool{false, true} {
		for _, look := range []struct {
			at   string
			look func()
		}{
			{"counts", func() { h.server.Counts(); h.hub.Counts(); h.hub.Latency() }},
			{"lag", func() { h.server.Lag() }},
			{"sessions", func() { h.server.Sessions() }},
		} {
			b.Run(fmt.Sprintf("busy=%t/%s", busy, look.at), func(b *testing.B) {
				if busy {
					defer h.keepBusy(b)()
				}
				b.ReportAllocs()
				for b.Loop() {
					look.look()
				}
			})
		}
	}
}

// keepBusy publishes a hundred entries a second until stop is called.
func (h *house) keepBusy(b *testing.B) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			if err := h.writer.Append(b.Context(), journal.Batch{Entries: []journal.Entry{{Queue: "/queue/message", Body: make([]byte, 400)}}}); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}
