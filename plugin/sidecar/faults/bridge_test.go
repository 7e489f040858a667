package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/ops"
)

// secret is what the tests' tokens are signed with.
const secret = "a secret of the tests, thirty-two bytes or more"

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

	cmd  *exec.Cmd // nil: not running
	done chan struct{}
	log  *buffer // over all starts
}

func newBridge(t testing.TB, broker, dir string, environ ...string) *bridge {
	t.Helper()
	b := &bridge{t: t, config: filepath.Join(t.TempDir(), "config.yaml"), listen: mosquittotest.FreeAddr(t), ops: mosquittotest.FreeAddr(t), dir: dir, log: &buffer{}}
	b.environ = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"BRIDGE_BROKER_URL=mqtt://" + broker,
		"BRIDGE_SERVER_LISTEN=" + b.listen,
		"BRIDGE_OPS_LISTEN=" + b.ops,
		"BRIDGE_AUTH_JWT_SECRET=" + secret,
		"BRIDGE_JOURNAL_DIR=" + dir, // empty: in memory
		"BRIDGE_SERVER_HEARTBEAT=" + beat.String(),
	}, environ...)
	if err := os.WriteFile(b.config, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.cmd != nil {
			b.end(syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("the end of the bridge's log:\n%s", b.log.tail(100))
		}
	})
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
	c := b.command("serve")
	c.Stderr = b.log
	if err := c.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.cmd, b.done = c, make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		c.Wait()
	}(b.done)
}

func (b *bridge) signal(s syscall.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		b.t.Errorf("signal %v to the bridge: %v", s, err)
	}
}

// end sends the signal and returns the exit code when the process is gone.
func (b *bridge) end(s syscall.Signal) int {
	b.t.Helper()
	b.signal(s)
	select {
	case <-b.done:
	case <-time.After(15 * time.Second):
		b.t.Errorf("the bridge does not end at %v", s)
		b.cmd.Process.Kill()
		<-b.done
	}
	code := b.cmd.ProcessState.ExitCode()
	b.cmd = nil
	return code
}

// stop ends the bridge as an operator does.
func (b *bridge) stop() {
	b.t.Helper()
	if code := b.end(syscall.SIGTERM); code != 0 {
		b.t.Errorf("exit code %d after SIGTERM", code)
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

func (b *bridge) waitReady() {
	b.t.Helper()
	eventually(b.t, "the bridge to be ready", func() bool {
		r, err := b.ready()
		return err == nil && r.Ready
	})
}

// waitNotReady waits until /readyz gives a reason that contains the words.
func (b *bridge) waitNotReady(words string) {
	b.t.Helper()
	eventually(b.t, "readiness to go, with "+words, func() bool {
		r, err := b.ready()
		return err == nil && !r.Ready && strings.Contains(strings.Join(r.Reasons, "\n"), words)
	})
}

// eventually waits for a condition on a real program, for half a minute at most.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// lines returns the lines that contain the words.
func (b *buffer) lines(words string) (found []string) {
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, words) {
			found = append(found, line)
		}
	}
	return found
}

// tail returns the last n lines.
func (b *buffer) tail(n int) string {
	lines := strings.SplitAfter(b.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
