//go:build !race

package server_test

import (
	"runtime"
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// A session that waits has a small stack, whatever its requests have needed. (The race detector needs larger
// ones.)
func TestIdleSessionsHaveSmallStacks(t *testing.T) {
	bothWays(t, func(t *testing.T, secure bool) {
		const sessions = 500
		h, url := newTCPHouse(t, secure, server.Config{}, hub.Config{}, journal.MemoryOptions{})
		stacks := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.StackInuse
		}
		before := stacks()
		for range sessions {
			defer h.subscribeTCP(url).Close()
		}
		if each := (int64(stacks()) - int64(before)) / sessions; each > 6<<10 {
			t.Errorf("the stack of an idle session takes %d bytes, want 4 KiB", each)
		}
	})
}
