package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/ops"
)

// rules keep the event's text, and so its number, in the body.
const rules = `
rules:
  - name: message
    topic: app/{worker}/message
    payload: text
    queue: /queue/message
    fields:
      conversation_id: =uuid("conversation", topic.worker)
      channel_id: =uuid("channel", topic.worker)
      message:
        id: =uuid("message", payload)
        content: =payload
        delivery_state: DELIVERED
        sender_type: app_user
        sent_at: =received
  - name: channel
    topic: app/{worker}/channel
    payload: text
    queue: /queue/channel/connected
    fields:
      id: =uuid("channel", payload)
      name: =payload
      source: test
      source_channel_id: =topic.worker
`

// A bridge is the sidecar as a child process.
type bridge struct {
	t       testing.TB
	config  string // path
	environ []string
	listen  string
	ops     string
	dir     string // the journal's; empty: in memory

	process *bridgetest.Process // nil: not started yet
	hangs   bool                // see hang
}

// newBridge prepares a bridge at that broker. Later variables of environ replace earlier ones.
func newBridge(t testing.TB, broker, dir string, environ ...string) *bridge {
	t.Helper()
	b := &bridge{t: t, config: filepath.Join(t.TempDir(), "config.yaml"), listen: mosquittotest.FreeAddr(t), ops: mosquittotest.FreeAddr(t), dir: dir}
	b.environ = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"BRIDGE_BROKER_URL=mqtt://" + broker,
		"BRIDGE_SERVER_LISTEN=" + b.listen,
		"BRIDGE_OPS_LISTEN=" + b.ops,
		"BRIDGE_AUTH_JWT_SECRET=" + bridgetest.Secret,
		"BRIDGE_JOURNAL_DIR=" + dir, // empty: in memory
		"BRIDGE_SERVER_HEARTBEAT=" + beat.String(),
	}, environ...)
	if err := os.WriteFile(b.config, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// command prepares a run of the binary.
func (b *bridge) command(args ...string) *exec.Cmd {
	c := exec.Command(binary, append([]string{args[0], "-c", b.config}, args[1:]...)...)
	c.Env = b.environ
	return c
}

func (b *bridge) start() {
	b.t.Helper()
	if b.process == nil {
		b.process = bridgetest.Start(b.t, b.command("serve"), b.ops)
	} else {
		b.process.Restart()
	}
}

func (b *bridge) token() string {
	b.t.Helper()
	token, err := b.command("token", "-u", "ada").Output()
	if err != nil {
		b.t.Fatalf("token: %v", err)
	}
	return strings.TrimSpace(string(token))
}

// ready asks /readyz. The error says that there is no answer.
func (b *bridge) ready() (ops.Readiness, error) {
	var r ops.Readiness
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.ops+"/readyz", nil)
	if err != nil {
		return r, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&r); err != nil {
		return r, err
	}
	if r.Ready != (response.StatusCode == http.StatusOK) {
		return r, errors.New("the status code is another than the document says")
	}
	return r, nil
}

// waitNotReady waits until /readyz gives a reason that contains the words.
func (b *bridge) waitNotReady(words string) {
	b.t.Helper()
	bridgetest.Eventually(b.t, "readiness to go, with "+words, func() bool {
		r, err := b.ready()
		return err == nil && !r.Ready && strings.Contains(strings.Join(r.Reasons, "\n"), words)
	})
}
