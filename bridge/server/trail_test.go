package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/trail"
)

// told is what the trail tells of a user's sessions, in short.
func told(h *house, user string) (lines []string) {
	for _, t := range h.server.Traced(user, "", time.Time{}) {
		line := "open"
		if t.Ended != nil {
			line = "ended " + t.Cause
		}
		for _, s := range t.Subscriptions {
			line += fmt.Sprintf(" | %s %s %s after %d up to %d", s.ID, s.Destination, s.Start, s.From, s.Written)
			if s.Filter != nil {
				line += " by " + s.Filter.Name
			}
			if s.Ended != nil {
				line += " unsubscribed"
			}
			if s.Trace.Ended {
				line += " until " + fmt.Sprint(s.Until)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// What subscriptions came through is known while a session is open, after UNSUBSCRIBE and after the
// session's end.
func TestTracedSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, server.Config{Trail: trail.New(1 << 20)}, hub.Config{Traces: true}, journal.MemoryOptions{})
		h.connectAs("bob")
		c := h.connectAs("ann")
		h.publish("/queue/message", "", "1")
		h.publish("/queue/unread-count", "k", "2")
		c.send("SUBSCRIBE | id:a | destination:/queue/message")
		c.send("SUBSCRIBE | id:b | destination:/queue/message | resume-from:" + h.hub.Epoch(1) + "-1")
		c.send("SUBSCRIBE | id:c | destination:/queue/message | resume-from:other-1")
		c.send("SUBSCRIBE | id:d | destination:/queue/unread-count | snapshot:latest | filter:conversation_id=123e4567-e89b-12d3-a456-426614174000")
		synctest.Wait()
		h.publish("/queue/message", "", "3")
		synctest.Wait()
		c.send("UNSUBSCRIBE | id:a")
		synctest.Wait()
		h.publish("/queue/message", "", "4")
		synctest.Wait()
		const (
			a  = " | a /queue/message live after 2 up to 3 unsubscribed until 3"
			b  = " | b /queue/message resumed after 1 up to 4"
			c2 = " | c /queue/message gap after 2 up to 4"
			d  = " | d /queue/unread-count snapshot after 0 up to 2 by conversation_id"
		)
		if diff := cmp.Diff([]string{"open" + a + b + c2 + d}, told(h, "ann")); diff != "" {
			t.Errorf("open (-want +got):\n%s", diff)
		}
		time.Sleep(time.Second)
		h.server.EndSession(h.server.Traced("ann", "", time.Time{})[0].Session)
		synctest.Wait()
		if diff := cmp.Diff([]string{"ended ended by the operator" + a + b + " until 4" + c2 + " until 4" + d + " until 4"}, told(h, "ann")); diff != "" {
			t.Errorf("ended (-want +got):\n%s", diff)
		}
		if all := h.server.Traced("", "", time.Time{}); len(all) != 2 {
			t.Errorf("%d sessions of all", len(all))
		}
	})
}

// A session that subscribes again and again keeps little of that itself, and nothing is lost.
func TestTracedUnsubscribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, server.Config{Trail: trail.New(1 << 20)}, hub.Config{Traces: true}, journal.MemoryOptions{})
		c := h.connectAs("ann")
		for i := range 40 {
			c.send(fmt.Sprintf("SUBSCRIBE | id:%d | destination:/queue/message", i))
			c.send(fmt.Sprintf("UNSUBSCRIBE | id:%d", i))
		}
		synctest.Wait()
		text := strings.Join(told(h, "ann"), "")
		for i := range 40 {
			if n := strings.Count(text, fmt.Sprintf("| %d /queue", i)); n != 1 {
				t.Errorf("subscription %d is told %d times", i, n)
			}
		}
		if all := h.server.Traced("ann", "", time.Time{}); len(all) != 40-16+1 || len(all[len(all)-1].Subscriptions) != 16 {
			t.Errorf("%d records", len(all))
		}
	})
}

// Who asks since when sessions count gets all that ended later, and need not read what is older.
func TestTracedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, server.Config{Trail: trail.New(8000)}, hub.Config{Traces: true}, journal.MemoryOptions{})
		began := time.Now()
		for range 20 { // the trail has room for all
			time.Sleep(time.Second)
			h.connectAs("ann")
			all := h.server.Traced("ann", "", time.Time{})
			h.server.EndSession(all[len(all)-1].Session)
			synctest.Wait()
		}
		all := h.server.Traced("", "", time.Time{})
		for second := range 22 {
			since := began.Add(time.Duration(second) * time.Second)
			got := h.server.Traced("", "", since)
			if want := min(20, 21-second); len(got) < want || second > 10 && len(got) == len(all) {
				t.Errorf("since second %d: %d sessions of %d, want %d and few more", second, len(got), len(all), want)
			}
		}
	})
}

// Without a trail nothing is kept.
func TestNoTrail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		c := h.connectAs("ann")
		c.send("SUBSCRIBE | id:a | destination:/queue/message")
		c.send("UNSUBSCRIBE | id:a")
		synctest.Wait()
		if all := h.server.Traced("ann", "", time.Time{}); all != nil {
			t.Errorf("got %+v", all)
		}
	})
}
