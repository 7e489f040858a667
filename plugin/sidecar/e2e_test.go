package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/mapping/contract"
)

// documentRules map four topics to the four queues of the contract.
const documentRules = `
tables:
  role: {customer: source_contact, agent: app_user}
rules:
  - name: message
    topic: app/{channel_id}/{conversation_id}/message
    queue: /queue/message
    fields:
      conversation_id: =topic.conversation_id
      channel_id: =topic.channel_id
      message:
        id: =payload.id
        content: =payload.content
        delivery_state: =payload.state
        sender_type: =table.role[payload.from]
        sent_at: =payload.at
  - name: unread
    topic: app/{conversation_id}/unread
    queue: /queue/unread-count
    fields:
      conversation_id: =topic.conversation_id
      unread_message_count: =payload.count
      timestamp: =payload.at
  - name: channel
    topic: app/{channel_id}/channel
    queue:
      /queue/channel/connected: payload.online
      /queue/channel/disconnected: not payload.online
    fields:
      id: =topic.channel_id
      name: =payload.name
      source: facebook
      source_channel_id: =payload.page
      image_url: =payload.image
`

const (
	conversation = "2f9d1c7a-7f0b-4c39-8b5d-6a1e0c4d9b22"
	channel      = "8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11"
)

// documentEvents are the events, and documentBodies what the document's four samples then look
// like.
var (
	documentEvents = [][2]string{
		{"app/" + channel + "/" + conversation + "/message", `{"id":"0F0E5B1C-6A0D-4C55-9B3E-2F6F2D1C9A77","content":{"text":"Hello World"},"state":"delivered","from":"customer","at":1611741600000}`},
		{"app/" + conversation + "/unread", `{"count":42,"at":"2021-01-27T11:00:00.5+01:00"}`},
		{"app/" + channel + "/channel", `{"online":true,"name":"my page 1","page":"fb-page-id-1","image":"http://example.org/avatar.jpeg"}`},
		{"app/" + channel + "/channel", `{"online":false,"name":"my page 1","page":"fb-page-id-1"}`},
	}
	documentBodies = map[string]string{
		"/queue/message":              `{"conversation_id":"` + conversation + `","channel_id":"` + channel + `","message":{"id":"0f0e5b1c-6a0d-4c55-9b3e-2f6f2d1c9a77","content":"{\"text\":\"Hello World\"}","delivery_state":"DELIVERED","sender_type":"source_contact","sent_at":"2021-01-27T10:00:00.000Z"}}`,
		"/queue/unread-count":         `{"conversation_id":"` + conversation + `","unread_message_count":42,"timestamp":"2021-01-27T10:00:00.500Z"}`,
		"/queue/channel/connected":    `{"id":"` + channel + `","name":"my page 1","source":"facebook","source_channel_id":"fb-page-id-1","image_url":"http://example.org/avatar.jpeg"}`,
		"/queue/channel/disconnected": `{"id":"` + channel + `","name":"my page 1","source":"facebook","source_channel_id":"fb-page-id-1"}`,
	}
)

// brokerACL lets the bridge read the events and write below its base topic, and the application
// write the events.
const brokerACL = `
user bridge
topic read app/#
topic readwrite mqtt-stomp-bridge/#

user app
topic write app/#
`

func startSecured(t *testing.T) *mosquittotest.Broker {
	t.Helper()
	mosquittotest.Look(t, "mosquitto_pub")
	return mosquittotest.Start(t, mosquittotest.Options{
		Users:  map[string]string{"bridge": "bridge password", "app": "app password", "other": "other password"},
		ACL:    brokerACL,
		Config: []string{"log_type all", "persistence true", "autosave_interval 1", "autosave_on_changes true"},
	})
}

// brokerEnviron are the settings for a broker of startSecured, its password in a file.
func brokerEnviron(t *testing.T, b *mosquittotest.Broker) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("bridge password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"BRIDGE_BROKER_URL=mqtt://" + b.Addr, "BRIDGE_BROKER_USERNAME=bridge", "BRIDGE_BROKER_PASSWORD_FILE=" + file}
}

func publishDocument(t *testing.T, addr string) {
	t.Helper()
	for _, e := range documentEvents {
		publish(t, addr, "-u", "app", "-P", "app password", "-t", e[0], "-m", e[1])
	}
}

// A real Mosquitto with passwords and an ACL, mosquitto_pub, and two real clients: stompjs under
// Node, and listen.
func TestEventsReachClients(t *testing.T) {
	needNode(t)
	broker := startSecured(t)
	s := startSidecar(t, documentRules, brokerEnviron(t, broker)...)
	browser := startStompjs(t, s.url(), s.token("grace"), contract.QueueNames()...)

	listened := make(chan string, 1)
	go func() {
		code, stdout, stderr := s.command("listen", "-u", "ada", "-C", "4", "-W", "30")
		if code != exitOK {
			t.Errorf("listen: code %d: %s", code, stderr)
		}
		listened <- stdout
	}()
	bridgetest.Eventually(t, "listen to be connected", func() bool { return strings.Contains(s.log.String(), "user=ada") })
	bridgetest.Eventually(t, "listen to be subscribed", func() bool { return strings.Count(s.log.String(), "msg=subscribed") == 8 })
	publishDocument(t, broker.Addr)

	got := map[string]string{}
	ids := regexp.MustCompile(`^[a-z0-9]+-[0-9]+$`)
	for range documentBodies {
		m := browser.message()
		got[m.Queue] = m.Body
		if !ids.MatchString(m.ID) {
			t.Errorf("message-id %q", m.ID)
		}
	}
	if diff := cmp.Diff(documentBodies, got); diff != "" {
		t.Errorf("stompjs (-want +got):\n%s", diff)
	}
	got = map[string]string{}
	for line := range strings.Lines(<-listened) {
		queue, body, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		got[queue] = body
	}
	if diff := cmp.Diff(documentBodies, got); diff != "" {
		t.Errorf("listen (-want +got):\n%s", diff)
	}
}

// After kill -9 of the broker and its restart the bridge is back by itself, and says on the way
// that it is not ready.
func TestBrokerKilled(t *testing.T) {
	needNode(t)
	broker := startSecured(t)
	s := startSidecar(t, documentRules, brokerEnviron(t, broker)...)
	browser := startStompjs(t, s.url(), s.token("grace"), "/queue/unread-count")

	publishDocument(t, broker.Addr)
	browser.message()
	broker.Kill()
	bridgetest.Eventually(t, "readiness to go", func() bool { return ask(context.Background(), "http://"+s.ops+"/readyz") != nil })
	if code, _, stderr := s.command("healthcheck"); code != exitFailure || !strings.Contains(stderr, "mqtt") {
		t.Errorf("healthcheck without a broker: code %d, %s", code, stderr)
	}
	broker.Restart()
	s.waitReady()
	if code, stdout, stderr := s.command("healthcheck"); code != exitOK {
		t.Errorf("healthcheck: code %d, %s%s", code, stdout, stderr)
	}
	publishDocument(t, broker.Addr)
	if m := browser.message(); m.Body != documentBodies["/queue/unread-count"] {
		t.Errorf("after the restart: %+v", m)
	}
}

// What cannot be mapped lands on the dead-letter topic, with the reason as user properties, and
// nowhere else.
func TestDeadLetter(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_sub")
	broker := startSecured(t)
	startSidecar(t, documentRules, brokerEnviron(t, broker)...)
	host, port, _ := strings.Cut(broker.Addr, ":")
	sub := exec.Command("mosquitto_sub", "-h", host, "-p", port, "-V", "5", "-u", "bridge", "-P", "bridge password",
		"-t", "mqtt-stomp-bridge/dead-letter/#", "-C", "2", "-W", "30", "-F", "%t %P %p")
	var out bridgetest.Buffer
	sub.Stdout = &out
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "mosquitto_sub to be subscribed", func() bool { return strings.Contains(broker.Log(), "mqtt-stomp-bridge/dead-letter/#") })
	publish(t, broker.Addr, "-u", "app", "-P", "app password", "-t", "app/"+conversation+"/unread", "-m", `{"count":-1}`)
	publish(t, broker.Addr, "-u", "app", "-P", "app password", "-t", "app/"+conversation+"/unread", "-m", `not json`)
	if err := sub.Wait(); err != nil {
		t.Fatalf("mosquitto_sub: %v; got %s", err, &out)
	}
	for _, want := range []string{
		"mqtt-stomp-bridge/dead-letter/unread ", "rule:unread", "field:unread_message_count", "config.yaml:22",
		"topic:app/" + conversation + "/unread", "qos:1", `{"count":-1}`, "not json", "the payload is not JSON",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// A traceparent among an event's user properties goes with whatever becomes of the event.
func TestTraceContext(t *testing.T) {
	needNode(t)
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	letters := subscribeMQTT(t, broker.Addr, "mqtt-stomp-bridge/dead-letter/#")
	s := startSidecar(t, documentRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	browser := startStompjs(t, s.url(), s.token("grace"), "/queue/unread-count")
	const valid, invalid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"
	send := func(payload string, more ...string) {
		t.Helper()
		publish(t, broker.Addr, append([]string{"-t", documentEvents[1][0], "-m", payload}, more...)...)
	}
	for _, step := range []struct{ sent, want string }{{valid, valid}, {"", ""}, {invalid, ""}} {
		if step.sent == "" {
			send(documentEvents[1][1])
		} else {
			send(documentEvents[1][1], "-D", "publish", "user-property", "traceparent", step.sent)
		}
		if m := browser.message(); m.Trace != step.want {
			t.Errorf("traceparent %q came as %q, want %q", step.sent, m.Trace, step.want)
		}
	}
	send(`{"count":-1}`, "-D", "publish", "user-property", "traceparent", valid)
	if m := nextLetter(t, letters); m.user["traceparent"] != valid {
		t.Errorf("the dead letter has %q", m.user)
	}
}

// A clean end: clients see a close, the broker gets the offline status, and it takes less than ten
// seconds.
func TestShutdown(t *testing.T) {
	needNode(t)
	broker := startSecured(t)
	s := startSidecar(t, documentRules, brokerEnviron(t, broker)...)
	browser := startStompjs(t, s.url(), s.token("grace"), "/queue/message")
	begin := time.Now()
	if code := s.stop(); code != exitOK {
		t.Errorf("code %d", code)
	}
	t.Logf("ended after %v", time.Since(begin))
	browser.next(func(l stompjsLine) bool { return l.Closed })
	host, port, _ := strings.Cut(broker.Addr, ":")
	state, err := exec.Command("mosquitto_sub", "-h", host, "-p", port, "-u", "bridge", "-P", "bridge password",
		"-t", "mqtt-stomp-bridge/state", "-C", "1", "-W", "10").Output()
	if err != nil || !strings.Contains(string(state), `"state":"offline"`) {
		t.Errorf("status %q, %v", state, err)
	}
}

// A broker that does not answer any more, as one that is being stopped as well, does not make a
// clean end a failure.
func TestShutdownWithoutTheBroker(t *testing.T) {
	t.Parallel()
	broker := startSecured(t)
	s := startSidecar(t, documentRules, brokerEnviron(t, broker)...)
	broker.Signal(syscall.SIGSTOP)
	if code := s.stop(); code != exitOK {
		t.Errorf("code %d", code)
	}
	if len(s.lines("disconnect from the broker failed")) != 1 {
		t.Errorf("the log says:\n%s", s.log)
	}
}

// A broker that is restarted without a store while the bridge is away has lost what waited there:
// the next process says so.
func TestSessionLostWhileAway(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, sourceRule("a/{n}", "first"), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_JOURNAL_DIR="+t.TempDir())
	publish(t, broker.Addr, "-t", "a/1", "-m", "{}")
	bridgetest.Eventually(t, "an entry", func() bool { return strings.Contains(bridgetest.Metrics(s.ops), "journal_last_position 1\n") })
	s.stop()
	broker.Kill()
	broker.Restart()
	s.start()
	s.waitReady()
	if !strings.Contains(s.log.String(), "no session for this bridge any more") {
		t.Error("the log does not tell of the loss")
	}
	if !strings.Contains(bridgetest.Metrics(s.ops), "mqtt_sessions_absent_total 1\n") {
		t.Error("the metrics do not tell of the loss")
	}
}
