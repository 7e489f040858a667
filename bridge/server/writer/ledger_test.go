package writer_test

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server/writer"
)

// Members of a broadcast that do not read keep one copy of what waits for them all, and each gets
// it in the end. There is a broadcast for each processor at most. With TLS each keeps a record beside.
func TestUnreadIsShared(t *testing.T) { bothWays(t, testUnreadIsShared) }

func testUnreadIsShared(t *testing.T, secure bool) {
	const size, members = 2 << 20, 32
	l := limits
	l.UnreadBytes = 64 << 20
	b := newBench(t, l, 0, journal.MemoryOptions{}).secure(secure)
	var writers []*writer.Writer
	var conns []net.Conn
	for range members {
		w, conn := b.dial()
		subscribe(w, "a", "subscribed\n")
		writers, conns = append(writers, w), append(conns, conn)
	}
	b.publish("to join")
	eventually(t, "all to join", func() bool {
		for _, w := range writers {
			if !w.Joined() {
				return false
			}
		}
		return true
	})
	body := strings.Repeat("x", size)
	b.publish(body)
	eventually(t, "all to wait", func() bool {
		for _, w := range writers {
			if !w.Status().HeldUp {
				return false
			}
		}
		return true
	})
	most := runtime.GOMAXPROCS(0) * (size + 1024)
	if secure {
		most += members * 17 << 10 // a record each, which is for nobody else
	}
	if n := b.pool.Unread(); n < size || n > most {
		t.Errorf("%d bytes are kept, want one message for each processor, or less: %d", n, most)
	}
	b.publish("small, while the first waits")
	for i, conn := range conns {
		writers[i].Reply([]byte("pong\n")) // after what waits
		p := newPeer(t, conn)
		p.want("subscribed", "a to join", "a "+body)
	}
	eventually(t, "nothing to be kept", func() bool { return b.pool.Unread() == 0 })
}

// What clients do not read is bounded in sum: after a second, those that keep the most fail, until
// the rest is within the bound; the others are let alone.
func TestUnreadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		l := limits
		l.UnreadBytes = 3*size + size/2
		b := newBench(t, l, 0, journal.MemoryOptions{})
		var mu sync.Mutex
		var failed []string
		soFar := func() string {
			mu.Lock()
			defer mu.Unlock()
			return strings.Join(failed, " ")
		}
		var ends []net.Conn
		for i := range 6 {
			var w *writer.Writer
			w, conn := b.pipe(func(err error) {
				if !errors.Is(err, writer.ErrUnread) {
					t.Errorf("failed with %v", err)
				}
				mu.Lock()
				failed = append(failed, fmt.Sprint(i))
				mu.Unlock()
				w.End(func(*hub.Feed) []byte { return nil })
			})
			ends = append(ends, conn)
			if i == 0 { // it has waited longest, but keeps little
				say(w, "small\n")
				continue
			}
			say(w, strings.Repeat("x", size)+"\n")
			time.Sleep(time.Millisecond)
		}
		time.Sleep(900 * time.Millisecond)
		if got := soFar(); got != "" {
			t.Errorf("failed within a second: %s", got)
		}
		time.Sleep(time.Second)
		if got := soFar(); got != "1 2" && got != "1 2 3" { // buffers may be larger than what they hold
			t.Errorf("failed: %s, want the oldest", got)
		}
		if n := b.pool.Unread(); n > l.UnreadBytes {
			t.Errorf("%d bytes are kept", n)
		}
		newPeer(t, ends[0]).want("small")
		newPeer(t, ends[5]).want(strings.Repeat("x", size))
	})
}
