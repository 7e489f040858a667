package server_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/server"
)

// A client that does not take the next message comes back for it for ever: its code and reason are
// logged and counted each time, and what is going on is said once.
func TestClientThatEndsAfterTheSameMessage(t *testing.T) {
	const said = "after the same message again and again"
	for name, test := range map[string]struct {
		next  string // SUBSCRIBE's last header
		close int    // 0: DISCONNECT
		pause time.Duration
		want  int
	}{
		"too large":             {"resume-from:EPOCH-1", websocket.CloseMessageTooBig, 0, 1},
		"a page that breaks":    {"resume-from:EPOCH-1", websocket.CloseGoingAway, 0, 1},
		"from the beginning":    {"resume-from:EPOCH-0", websocket.CloseGoingAway, 0, 0}, // pages that have seen nothing yet
		"nothing came":          {"resume-from:EPOCH-2", websocket.CloseMessageTooBig, 0, 0},
		"it did not resume":     {"conflate:true", websocket.CloseMessageTooBig, 0, 0},
		"it stays for a while":  {"resume-from:EPOCH-1", websocket.CloseMessageTooBig, 2 * time.Minute, 0},
		"it leaves in an order": {"resume-from:EPOCH-1", 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, server.Config{})
				h.publish("/queue/message", "", "1")
				h.publish("/queue/message", "", "2")
				for range 5 {
					c := h.connect()
					c.send("SUBSCRIBE | id:a | destination:/queue/message | " + strings.ReplaceAll(test.next, "EPOCH", h.hub.Epoch(1)))
					synctest.Wait()
					for range int(test.pause / (20 * time.Second)) {
						time.Sleep(20 * time.Second)
						c.sendRaw(websocket.TextMessage, "\n")
					}
					if test.close == 0 {
						c.send("DISCONNECT")
					} else {
						c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(test.close, "its reason"), time.Time{})
					}
					synctest.Wait()
					c.conn.Close()
					synctest.Wait()
				}
				if n := strings.Count(h.lines.String(), said); n != test.want {
					t.Errorf("%q is said %d times, want %d, in\n%s", said, n, test.want, h.lines)
				}
				if test.close == websocket.CloseMessageTooBig {
					if n := strings.Count(h.lines.String(), `code=1009 reason="its reason"`); n != 5 || h.server.Counts().Closes["1009"] != 5 {
						t.Errorf("%d lines with the code and the reason, counted %v, want 5 in\n%s", n, h.server.Counts().Closes, h.lines)
					}
				}
			})
		})
	}
}
