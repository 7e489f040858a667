package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/plugin/listen"
)

const accessConfig = `
auth:
  broker: {enabled: true}
  tokens_file: tokens
access:
  - queue: [/queue/message, /queue/channel/connected, /queue/channel/disconnected]
    allow: "true"
  - queue: /queue/unread-count
    allow: '"inbox" in claims.roles'
rules:
  - name: message
    topic: app/{channel_id}/{conversation_id}/message
    queue: /queue/message
    audience: {users: =payload.to, groups: supervisors}
    fields:
      conversation_id: =topic.conversation_id
      channel_id: =topic.channel_id
      message: {id: =payload.id, content: =payload.content, delivery_state: DELIVERED, sender_type: source_contact}
  - name: unread
    topic: app/{conversation_id}/unread
    queue: /queue/unread-count
    fields: {conversation_id: =topic.conversation_id, unread_message_count: =payload.count}
`

// signed returns a token with these claims, signed with the sidecar's secret.
func signed(t *testing.T, ttl time.Duration, claims jwt.MapClaims) string {
	t.Helper()
	claims["exp"] = time.Now().Add(ttl).Unix()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(bridgetest.Secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Through a real Mosquitto to stompjs: a token, a broker's password and a static token let in; each
// gets what is addressed to it, and a client of the group gets everything; who may not subscribe
// reads why.
func TestAccess(t *testing.T) {
	needNode(t)
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{Users: map[string]string{"bob": "bob's password", "bridge": "bridge's"}})
	s := prepareSidecar(t, accessConfig, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_BROKER_USERNAME=bridge", "BRIDGE_BROKER_PASSWORD=bridge's")
	line, _ := tokenLine(t, "robot", serviceToken)
	if err := os.WriteFile(filepath.Join(filepath.Dir(s.config), "tokens"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.waitReady()
	ann := startStompjs(t, s.url(), signed(t, time.Hour, jwt.MapClaims{"sub": "ann"}), "/queue/message", "/user/queue/message")
	bob := startStompjsWith(t, s.url(), []string{"LOGIN=bob", "PASSCODE=bob's password"}, "/queue/message")
	robot := startStompjs(t, s.url(), serviceToken, "/queue/message")
	boss := startStompjs(t, s.url(), signed(t, time.Hour, jwt.MapClaims{"sub": "eve", "groups": []string{"supervisors"}}), "/queue/message")

	send := func(to, content string) {
		body := fmt.Sprintf(`{"id":"0f0e5b1c-6a0d-4c55-9b3e-2f6f2d1c9a77","to":%s,"content":%q}`, to, content)
		publish(t, broker.Addr, "-u", "bridge", "-P", "bridge's", "-t", "app/"+channel+"/"+conversation+"/message", "-m", body)
	}
	send(`"ann"`, "for ann")
	send(`"bob"`, "for bob")
	send(`["robot","ann"]`, "for robot and ann")
	send(`["ann","bob","robot"]`, "for all")
	for who, want := range map[*stompjs][]string{
		ann:   {"for ann", "for ann", "for robot and ann", "for robot and ann", "for all", "for all"}, // by two subscriptions
		bob:   {"for bob", "for all"},
		robot: {"for robot and ann", "for all"},
		boss:  {"for ann", "for bob", "for robot and ann", "for all"},
	} {
		for _, text := range want {
			if m := who.message(); !strings.Contains(m.Body, `"content":"`+text+`"`) {
				t.Errorf("got %s, want %q", m.Body, text)
			}
		}
	}

	if all := s.sessions("bob"); len(all) != 1 || len(all[0].Subscriptions) != 1 {
		t.Errorf("the sessions of bob are %+v", all)
	} else if got := all[0].Subscriptions[0].Outcomes; got != (hub.Outcomes{Delivered: 2, NotAddressed: 2}) {
		t.Errorf("what became of bob's entries: %+v", got)
	}

	for name, shown := range map[string]string{"ann": signed(t, time.Hour, jwt.MapClaims{"sub": "ann"}), "a static token": serviceToken} {
		_, err := listen.Dial(t.Context(), listen.Config{URL: s.url(), Token: shown, Queues: []string{"/queue/unread-count"}})
		if err == nil || !strings.Contains(err.Error(), "access denied") {
			t.Errorf("%s: %v, want access denied", name, err)
		}
	}
	inbox := signed(t, time.Hour, jwt.MapClaims{"sub": "ann", "roles": []string{"inbox"}})
	c, err := listen.Dial(t.Context(), listen.Config{URL: s.url(), Token: inbox, Queues: []string{"/queue/unread-count"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	// Rules of access that change are obeyed at once.
	replace(t, s.config, strings.Replace(accessConfig, `"inbox" in`, `"other" in`, 1))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Next(ctx); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("after the reload: %v, want access denied", err)
	}
	send(`"bob"`, "still there")
	if m := bob.message(); !strings.Contains(m.Body, "still there") {
		t.Errorf("got %s", m.Body)
	}
}

// sessions returns what the ops endpoint tells of a user's sessions.
func (r *running) sessions(user string) (all []server.Status) {
	r.t.Helper()
	response, err := http.Get("http://" + r.ops + "/sessions?user=" + user)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// A stompjs client sends a new token over the connection that it has, and stays when the old one
// ends.
func TestRenewal(t *testing.T) {
	t.Parallel()
	needNode(t)
	b := startDemoBroker(t)
	s := startSidecar(t, documentRules, reloadEnviron(b)...)
	const short = 3 * time.Second
	client := startStompjs(t, s.url(), signed(t, short, jwt.MapClaims{"sub": "ann"}), "/queue/message")
	other := startStompjs(t, s.url(), signed(t, short, jwt.MapClaims{"sub": "ann"}), "/queue/message")
	fmt.Fprintln(client.stdin, signed(t, time.Hour, jwt.MapClaims{"sub": "ann"}))
	client.next(func(l stompjsLine) bool { return l.Renewed })
	other.next(func(l stompjsLine) bool { return l.Error == "401 token expired" })
	time.Sleep(time.Second) // the end of a token has this much time
	fmt.Fprintln(client.stdin, signed(t, time.Hour, jwt.MapClaims{"sub": "somebody else"}))
	l := client.next(func(l stompjsLine) bool { return l.Error != "" || l.Closed })
	if l.Error != "401 the new token is of another user" {
		t.Errorf("got %+v: the session should have lasted until another user's token", l)
	}
}
