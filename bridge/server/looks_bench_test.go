//go:build linux

package server_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/trail"
)

// What it takes to look at many sessions, as a page does every second, while nothing happens and
// while they are written to. Each session takes two file descriptors.
func BenchmarkLooks(b *testing.B) {
	for _, sessions := range []int{1000, 9000} {
		b.Run(fmt.Sprint("sessions=", sessions), func(b *testing.B) { benchmarkLooks(b, sessions) })
	}
}

func benchmarkLooks(b *testing.B, sessions int) {
	h := newHouseWith(b, server.Config{Trail: trail.New(4 << 20)}, hub.Config{Traces: true}, journal.MemoryOptions{})
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
			{"traced", func() { h.server.Traced("", "", time.Time{}) }},
		} {
			b.Run(fmt.Sprintf("busy=%t/%s", busy, look.at), func(b *testing.B) {
				if busy {
					defer h.keepBusy(b)()
				}
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				b.ReportAllocs()
				before := threadTime(b)
				for b.Loop() {
					look.look()
				}
				b.ReportMetric(float64((threadTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// threadTime returns the CPU time of this thread, which the sessions' work is not in.
func threadTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
