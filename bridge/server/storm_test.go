package server_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// Clients come, ask for anything, and leave in any way, while entries are published, keys are
// replaced and at last the server ends. Nothing may hang, and every session is counted once.
func TestStorm(t *testing.T) {
	const clients, lives = 20, 15
	h := newHouseWith(t, server.Config{}, hub.Config{RingEntries: 16}, journal.MemoryOptions{MaxBytes: 1 << 20})
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 3))
			for range lives {
				h.live(random)
			}
		})
	}
	done := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			h.publish(queues[i%4], strings.Repeat("k", i%4*(i%3)), fmt.Sprint(i))
			if i%100 == 0 {
				h.setAuth(h.authenticator(h.jwt))
				h.server.RecheckAuth()
			}
		}
	})
	running.Wait()
	close(done)
	publishing.Wait()
	h.stop()
	n := h.server.Counts()
	var ends int64
	for cause, count := range n.Ends {
		ends += count
		if strings.HasPrefix(cause, "401") || cause == "journal" {
			t.Errorf("%d sessions ended with %s", count, cause)
		}
	}
	if n.Sessions != 0 || ends != clients*lives {
		t.Errorf("%d sessions are open and %d ended (%v), want %d ends", n.Sessions, ends, n.Ends, clients*lives)
	}
}

// live is one session from its handshake to its end.
func (h *house) live(random *rand.Rand) {
	conn, _, err := h.dial(nil)
	if err != nil {
		h.t.Error(err)
		return
	}
	defer conn.Close()
	say := func(format string, args ...any) {
		conn.WriteMessage(websocket.TextMessage, []byte(frame(fmt.Sprintf(format, args...))))
	}
	var reading sync.WaitGroup
	share := random.IntN(300)
	reading.Go(func() {
		for range share { // then it reads no more
			if _, _, err := conn.NextReader(); err != nil {
				return
			}
		}
		conn.Close()
	})
	say("CONNECT | accept-version:1.2 | Authorization:%s", h.token("ann", time.Hour))
	headers := []string{"ack:client | prefetch-count:5", "ack:client-individual", "snapshot:latest", "conflate:false", "resume-from:" + h.hub.Epoch(0) + "-3"}
	for i := range random.IntN(8) {
		queue := random.IntN(4)
		header := headers[random.IntN(len(headers))]
		if queue == 0 && strings.HasPrefix(header, "snapshot") {
			header = "receipt:r"
		}
		say("SUBSCRIBE | id:%d | destination:%s | %s", i, queues[queue], header)
		if random.IntN(3) == 0 {
			say("UNSUBSCRIBE | id:%d | receipt:r", i)
		}
	}
	switch random.IntN(3) {
	case 0:
		say("DISCONNECT | receipt:bye")
	case 1:
		conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Time{})
	default:
		conn.NetConn().Close()
	}
	reading.Wait()
}
