package server_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/server"
)

// An operator sees who a session is, by which kind of login, in which groups and until when.
func TestSessionsShowWhoTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		h.setPolicy(func(p *server.Policy) {
			p.Groups = func(who auth.Identity) auth.Groups { return auth.Groups{Names: []string{"friends of " + who.User}} }
		})
		h.connect()
		all := h.server.Sessions()
		if len(all) != 1 {
			t.Fatalf("%d sessions", len(all))
		}
		got := all[0]
		if got.Expires == nil || got.Login != auth.KindJWT || got.User == "" {
			t.Errorf("got %+v", got)
		}
		if diff := cmp.Diff([]string{"friends of " + got.User}, got.Groups); diff != "" {
			t.Errorf("groups (-want +got):\n%s", diff)
		}
	})
}

// An operator ends one session: its client learns that and where to go on, and no other notices.
func TestOperatorEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, server.Config{})
		one := h.connect()
		id := h.server.Sessions()[0].Session
		other := h.connect()
		if h.server.EndSession("nobody") {
			t.Error("a session that does not exist was ended")
		}
		if !h.server.EndSession(id) {
			t.Error("there is no such session")
		}
		synctest.Wait()
		got := strings.Join(one.texts(), ", ")
		if !regexp.MustCompile(`^ERROR \| message:ended by the operator \| last-message-id:\w+-0, close 1008 ended by the operator$`).MatchString(got) {
			t.Errorf("the client got %s", got)
		}
		h.publish("/queue/message", "", "1")
		other.send("SUBSCRIBE | id:a | destination:/queue/message | receipt:r")
		synctest.Wait()
		if got := other.texts(); len(got) != 1 {
			t.Errorf("the other got %q", got)
		}
		if diff := cmp.Diff(map[string]int64{"ended by the operator": 1}, h.server.Counts().Ends); diff != "" {
			t.Errorf("ends (-want +got):\n%s", diff)
		}
		if h.server.EndSession(id) {
			t.Error("the session is still there")
		}
	})
}
