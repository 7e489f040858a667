package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/plugin/listen"
)

// A client of a version resumes after the upgrade where it was, and hears what it heard then; what rules remember goes on.
func TestUpgradeClient(t *testing.T) {
	forEachLegacy(t, func(t *testing.T, l legacy) {
		broker := mosquittotest.Start(t, mosquittotest.Options{})
		s := l.start(t, broker, l.journalDir(t))
		want := string(readFile(t, filepath.Join(l.dir, "client.txt")))
		got := s.playClient(want, 0)
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("what the client hears (-then +now):\n%s", diff)
		}
		c := s.dial("ann", "/queue/unread-count")
		publish(t, broker.Addr, "-t", "chat/whatsapp/42/message", "-m", `{"id": "after", "content": "Hello again", "ts": "2026-12-02T10:00:00Z"}`)
		m, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var count struct {
			N int `json:"unread_message_count"`
		}
		if err := json.Unmarshal([]byte(m.Body), &count); err != nil || count.N != l.held.Unread+1 {
			t.Errorf("%s, want a count of %d", m.Body, l.held.Unread+1)
		}
		var position uint64
		if _, err := fmt.Sscanf(m.ID[strings.LastIndex(m.ID, "-")+1:], "%d", &position); err != nil || position <= l.held.Position {
			t.Errorf("the message-id is %s, after position %d", m.ID, l.held.Position)
		}
	})
}

// The inbox of a version resumes after the upgrade, and comes to what it came to then.
func TestUpgradeInbox(t *testing.T) {
	needNode(t)
	forEachLegacy(t, func(t *testing.T, l legacy) {
		broker := mosquittotest.Start(t, mosquittotest.Options{})
		got := l.runInbox(t, l.start(t, broker, l.journalDir(t)))
		if diff := cmp.Diff(string(readFile(t, filepath.Join(l.dir, "inbox.json"))), got); diff != "" {
			t.Errorf("the inbox (-then +now):\n%s", diff)
		}
	})
}

// runInbox runs the version's client of examples/inbox, which was away since the first message, and returns what it prints.
func (l legacy) runInbox(t *testing.T, s *running) string {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{filepath.Join(l.dir, "bridge-client.mjs"): "bridge-client.mjs", "testdata/node/upgrade.mjs": "upgrade.mjs"} {
		if err := os.WriteFile(filepath.Join(dir, to), readFile(t, from), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	modules, err := filepath.Abs("testdata/node/node_modules")
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	first, last := map[string]string{}, map[string]string{}
	for _, e := range l.held.Entries {
		first[e.Queue], last[e.Queue] = l.held.Resumes, e.ID
	}
	inbox, err := json.Marshal(map[string]any{"places": first})
	if err != nil {
		t.Fatal(err)
	}
	until, err := json.Marshal(last)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bridgetest.Patience)
	defer cancel()
	c := exec.CommandContext(ctx, "node", filepath.Join(dir, "upgrade.mjs"), s.url())
	c.Env = append(os.Environ(), "TOKEN="+s.token("ann"), "INBOX="+string(inbox), "LAST="+string(until))
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("the inbox: %v\n%s", err, &stderr)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, out, "", "\t"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return indented.String()
}

// start starts a bridge with the rules and a journal of the version, which it keeps for as long as the test data may be old.
func (l legacy) start(t *testing.T, broker *mosquittotest.Broker, journalDir string) *running {
	t.Helper()
	return startSidecar(t, string(readFile(t, filepath.Join(l.dir, "rules.yaml"))), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr,
		"BRIDGE_JOURNAL_DIR="+journalDir, "BRIDGE_JOURNAL_MAX_AGE=87600h", "BRIDGE_JOURNAL_LATEST_MAX_AGE=87600h")
}

// playClient sends the frames of a script, the lines that begin with >, and returns it with what is heard after each as lines
// that begin with <. Of a frame that the script expects only those headers count that it names: a later version may say more.
// Where quiet is not 0 the script expects nothing yet, and a step is over when nothing has come for so long.
func (r *running) playClient(script string, quiet time.Duration) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), bridgetest.Patience)
	defer cancel()
	c, err := listen.Open(ctx, listen.Config{URL: r.url()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	token, ack := r.token("ann"), "" // of the last message
	var out []string
	lines := bufio.NewScanner(strings.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "> "):
			out = append(out, line)
			if err := c.SendFrame(parseFrame(strings.NewReplacer("$token", token, "$ack", ack).Replace(line[2:]))); err != nil {
				r.t.Fatalf("%s: %v", line, err)
			}
			for quiet > 0 {
				f, err := readWithin(ctx, c, quiet)
				if err != nil {
					break
				}
				out, ack = append(out, "< "+formatFrame(f, headersThatLast)), lastAck(f, ack)
			}
		case strings.HasPrefix(line, "< "):
			f, err := c.ReadFrame(ctx)
			if err != nil {
				r.t.Fatalf("waiting for %s: %v", line, err)
			}
			out, ack = append(out, "< "+formatFrame(f, headersOf(parseFrame(line[2:])))), lastAck(f, ack)
		default:
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

func readWithin(ctx context.Context, c *listen.Client, quiet time.Duration) (stomp.Frame, error) {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	return c.ReadFrame(ctx)
}

// headersThatLast are all but those of the one session or program.
func headersThatLast(key string) bool { return key != "session" && key != "server" && key != "ack" }

func lastAck(f stomp.Frame, before string) string {
	for _, h := range f.Headers {
		if h.Key == "ack" {
			return h.Value
		}
	}
	return before
}

func headersOf(f stomp.Frame) func(string) bool {
	return func(key string) bool {
		return slices.ContainsFunc(f.Headers, func(h stomp.Header) bool { return h.Key == key })
	}
}

// formatFrame writes a frame on one line, COMMAND | key:value | ... || body, with the headers that count.
func formatFrame(f stomp.Frame, counts func(key string) bool) string {
	parts := []string{string(f.Command)}
	for _, h := range slices.SortedFunc(slices.Values(f.Headers), func(a, b stomp.Header) int { return strings.Compare(a.Key, b.Key) }) {
		if counts(h.Key) {
			parts = append(parts, h.Key+":"+h.Value)
		}
	}
	line := strings.Join(parts, " | ")
	if len(f.Body) > 0 {
		line += " || " + string(f.Body)
	}
	return line
}

func parseFrame(line string) (f stomp.Frame) {
	line, body, _ := strings.Cut(line, " || ")
	parts := strings.Split(line, " | ")
	f.Command, f.Body = stomp.Command(parts[0]), []byte(body)
	for _, p := range parts[1:] {
		key, value, _ := strings.Cut(p, ":")
		f.Headers = append(f.Headers, stomp.Header{Key: key, Value: value})
	}
	return f
}
