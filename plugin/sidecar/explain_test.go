package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

const explainRules = `
tables: {sender: {customer: source_contact}}
rules:
  - name: chat
    topic: chat/{id}
    when: payload.kind == "chat"
    queue: /queue/message
    fields: &fields
      conversation_id: =uuid("c", topic.id)
      channel_id: =uuid("channel", 1)
      message: {id: '=uuid("m", payload.n)', content: =payload.text, delivery_state: DELIVERED, sender_type: '=table.sender[payload.from]', sent_at: =received}
  - name: direct
    topic: direct/{id}
    queue: /queue/message
    audience: =payload.to
    fields: *fields
  - name: count
    topic: unread/{id}
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", topic.id)', unread_message_count: =payload.n}
`

// A rawClient is a client that reads when it is told to.
type rawClient struct {
	t    *testing.T
	conn *websocket.Conn
}

// subscribed connects a client of the user and returns it when its subscriptions, each the headers of
// a SUBSCRIBE, are answered.
func (r *running) subscribed(user string, subscriptions ...string) *rawClient {
	r.t.Helper()
	d := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		if err == nil {
			conn.(*net.TCPConn).SetReadBuffer(64 << 10) // so that what is not read soon waits in the bridge
		}
		return conn, err
	}}
	conn, _, err := d.Dial(r.url(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	c := &rawClient{r.t, conn}
	c.send("CONNECT\naccept-version:1.2\nAuthorization:" + r.token(user))
	c.until("CONNECTED")
	for i, headers := range subscriptions {
		c.send(fmt.Sprintf("SUBSCRIBE\nid:%d\nreceipt:%d\n%s", i, i, headers))
		c.until("RECEIPT")
	}
	return c
}

func (c *rawClient) send(head string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(head+"\n\n\x00")); err != nil {
		c.t.Fatal(err)
	}
}

// until reads up to a frame that has the text, and returns it.
func (c *rawClient) until(text string) string {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(bridgetest.Patience))
	for {
		_, data, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", text, err)
		}
		if strings.Contains(string(data), text) {
			return string(data)
		}
	}
}

// wantExplained waits until explain says what the pattern has, in which … stands for any text, and
// returns it. The trail has an event a moment after the clients.
func (r *running) wantExplained(args []string, code int, want string) string {
	r.t.Helper()
	pattern := regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*?") + `$`)
	var out, stderr string
	var got int
	defer func() {
		if r.t.Failed() {
			r.t.Logf("explain %q: code %d\n%s%s", args, got, out, stderr)
		}
	}()
	bridgetest.Eventually(r.t, "explain to say "+want, func() bool {
		got, out, stderr = r.command(append([]string{"explain"}, args...)...)
		return got == code && pattern.MatchString(out)
	})
	return out
}

// messageIDOf returns the message-id in what explain has printed.
func messageIDOf(out string) string {
	_, id, _ := strings.Cut(out, "message-id ")
	id, _, _ = strings.Cut(id, "\n")
	return id
}

// What explain says of every way that an event can go, on a real broker.
func TestExplain(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, explainRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_JOURNAL_DIR="+t.TempDir(), "BRIDGE_LOG_LEVEL=info")
	pub := func(topic, payload string, more ...string) {
		t.Helper()
		publish(t, broker.Addr, append([]string{"-t", topic, "-m", payload}, more...)...)
	}
	const chat = `{"kind": "chat", "n": 1, "text": "private", "from": "customer"}`
	pub("chat/1", chat)
	early := messageIDOf(s.wantExplained([]string{"-t", "chat/1"}, exitOK, "…  chat/1\n  rule \"chat\": mapped to /queue/message, message-id …-1\nnote: events before …"))

	ann := s.subscribed("ann", "destination:/queue/message")
	s.subscribed("bob", "destination:/queue/message\nfilter:conversation_id=123e4567-e89b-12d3-a456-426614174000")
	s.subscribed("cid", "destination:/queue/unread-count")
	pub("chat/2", chat)
	ann.until("MESSAGE")
	out := s.wantExplained([]string{"-t", "chat/2", "-u", "ann"}, exitOK,
		"…  chat/2\n  rule \"chat\": mapped to /queue/message, message-id …\n    ann, /queue/message (session …, 127.0.0.1:…): sent\nnote: …")
	sent := messageIDOf(out)
	if strings.Contains(out, "private") {
		t.Errorf("the payload is shown:\n%s", out)
	}
	// By its message-id, each client has its own reason.
	const mapped = "…  chat/2\n  rule \"chat\": mapped to /queue/message, message-id …\n    "
	s.wantExplained([]string{sent, "-u", "ann"}, exitOK, mapped+"ann, /queue/message (…): sent\n")
	s.wantExplained([]string{sent, "-u", "bob"}, exitOK, mapped+"bob, /queue/message (…): not sent: the subscription's filter by conversation_id does not select it\n")
	s.wantExplained([]string{sent, "-u", "cid"}, exitOK, mapped+"cid (…): not subscribed to /queue/message\n")
	s.wantExplained([]string{sent, "-u", "nobody"}, exitOK, "…note: no session of nobody is open, or has ended since …")
	s.wantExplained([]string{early, "-u", "ann"}, exitOK, "…    ann…subscribed after it, at …, without resume-from and without a snapshot\n")

	pub("direct/3", `{"to": "bob", "n": 3, "text": "private", "from": "customer"}`)
	s.wantExplained([]string{"-t", "direct/+", "-u", "ann"}, exitOK, "…rule \"direct\": mapped to …ann, /queue/message (…): not sent: the rule's audience does not include the user\n…")
	pub("chat/4", `{"kind": "typing"}`)
	s.wantExplained([]string{"-t", "chat/4", "-u", "ann"}, exitOK, "…  chat/4\n  rule \"chat\": filtered, when payload.kind == \"chat\" is false\n…")
	pub("chat/5", `{"kind": "chat", "n": 1, "text": "private", "from": "nobody"}`)
	s.wantExplained([]string{"-t", "chat/5", "-u", "ann"}, exitOK,
		"…  chat/5\n  rule \"chat\": rejected, fields message.sender_type: missing (…config.yaml:…); the dead letter went to mqtt-stomp-bridge/dead-letter/chat\n…")
	s.wantExplained([]string{"-t", "chat/6", "-u", "ann"}, exitFailure, "…note: no event has come on chat/6 since then\n")
	s.wantExplained([]string{"-t", "chat/#", "--until", "1h", "-u", "ann"}, exitFailure, "note: …no event has come on chat/# since then\n")
	s.wantExplained([]string{"elsewhere-1", "-u", "ann"}, exitFailure,
		"note: the message is of another journal, or of one that was there before: this one has given position 1 the message-id "+early+"\n")
	s.explainLagging(broker.Addr)

	// A restart forgets all but the journal.
	s.stop()
	replace(t, s.config, "ops: {show_payloads: true}\n"+explainRules)
	s.start()
	s.waitReady()
	s.wantExplained([]string{sent, "-u", "ann"}, exitOK, "…  an event\n  mapped to /queue/message, message-id "+sent+"\n    for everybody: {…private…}\n"+
		"note: its topic and rule are not known: the trail here has the events since …\nnote: no session of ann is open, or has ended since …\n")
}

// explainLagging has a client not read: newer counts replace older ones, and what it has not got when
// its session ends is left behind.
func (r *running) explainLagging(broker string) {
	t := r.t
	t.Helper()
	lagging := r.subscribed("dan", "destination:/queue/message", "destination:/queue/unread-count")
	large := fmt.Sprintf(`{"kind": "chat", "n": 1, "text": "%s", "from": "customer"}`, strings.Repeat("x", 100_000))
	file := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(file, []byte(large), 0o600); err != nil {
		t.Fatal(err)
	}
	publish(t, broker, "-t", "chat/large", "-f", file, "--repeat", "60")
	publish(t, broker, "-t", "unread/dan", "-m", `{"n": 1}`)
	publish(t, broker, "-t", "unread/dan", "-m", `{"n": 2}`, "--repeat", "700")
	publish(t, broker, "-t", "unread/end", "-m", `{"n": 3}`)
	first := messageIDOf(r.wantExplained([]string{"-t", "unread/end", "-u", "dan"}, exitOK, "…dan, /queue/unread-count (…): not sent yet: the client does not read, or does not acknowledge, what comes before\n…"))
	epoch, _, _ := strings.Cut(first, "-")
	id := func(n int) string {
		var position int
		fmt.Sscan(strings.TrimPrefix(first, epoch+"-"), &position)
		return fmt.Sprint(epoch, "-", position-n)
	}
	lagging.until("unread_message_count\":3")
	r.wantExplained([]string{id(701), "-u", "dan"}, exitOK, "…  unread/dan\n…dan, /queue/unread-count (…): sent, or replaced by a newer one while the client lagged: which of the two is not known any more\n")
	r.wantExplained([]string{id(10), "-u", "dan"}, exitOK, "…dan, /queue/unread-count (…): not sent: the client lagged, and a newer one of the same conversation has replaced it, "+id(1)+"\n")
	r.wantExplained([]string{id(1), "-u", "dan"}, exitOK, "…dan, /queue/unread-count (…): sent\n")

	publish(t, broker, "-t", "chat/large", "-f", file, "--repeat", "60")
	publish(t, broker, "-t", "chat/left", "-m", `{"kind": "chat", "n": 9, "text": "private", "from": "customer"}`)
	out := r.wantExplained([]string{"-t", "chat/left", "-u", "dan"}, exitOK, "…dan, /queue/message (session …): not sent yet: …")
	session := regexp.MustCompile(`session ([0-9a-f]+)`).FindStringSubmatch(out)[1]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+r.ops+"/sessions/"+session, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("ending the session: %v, %v", response, err)
	}
	response.Body.Close()
	r.wantExplained([]string{"-t", "chat/left", "--session", session}, exitOK, "…dan, /queue/message (…): not sent: the session had ended at …, ended by the operator, before\n…")
}

// What makes no question is refused before a bridge is asked.
func TestExplainUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "give either a message-id, or a topic with -t"},
		{[]string{"abc-1", "-t", "a"}, "give either a message-id, or a topic with -t"},
		{[]string{"abc-1", "abc-2"}, "takes one message-id; a topic is given with -t"},
		{[]string{"abc-1", "--since", "10m"}, "--since and --until are for -t TOPIC"},
		{[]string{"-t", "a", "--since", "today"}, `--since "today" is neither a duration such as 10m, nor a time such as 2026-05-01T12:00:00Z`},
	} {
		var out, errs bytes.Buffer
		p := program{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
		code := p.run(context.Background(), append([]string{"explain"}, test.args...))
		if code != exitUsage || !strings.Contains(errs.String(), test.want) {
			t.Errorf("%q: code %d, %s", test.args, code, &errs)
		}
	}
}
