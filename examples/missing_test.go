package examples_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// happening is what goes on while the commands of a section run, by the section's number: an event
// that is published again and again.
var happening = map[string]string{
	"2": `{"id": 7, "from": "customer", "content": {"text": "Hello"}}`,
	"3": `{"id": 7, "from": "customer", "content": {"text": "Hello"}}`,
	"5": `{"id": 8, "from": "nobody", "content": {"text": "Hello"}}`,
	"6": `{"id": 7, "from": "customer", "content": {"text": "Hello"}}`,
	"7": `{"id": 7, "from": "customer", "content": {"text": "Hello"}}`,
}

// The commands of missing.md answer as it says.
func TestMissing(t *testing.T) {
	for _, name := range []string{"bash", "curl", "mosquitto_sub", "mosquitto_pub"} {
		mosquittotest.Look(t, name)
	}
	s := startStand(t)
	page, err := os.ReadFile("missing.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := regexp.MustCompile(`(?m)^## (\d+)\. `).FindAllSubmatchIndex(page, -1)
	if len(sections) < 10 {
		t.Fatalf("%d sections", len(sections))
	}
	for i, at := range sections {
		end := len(page)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		number := string(page[at[2]:at[3]])
		t.Run(number, func(t *testing.T) {
			stop := s.publish(t, happening[number])
			defer stop()
			for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllSubmatch(page[at[1]:end], -1) {
				for _, c := range strings.Split(string(block[1]), "$ ")[1:] {
					command, want, _ := strings.Cut(c, "\n")
					s.run(t, command, want)
				}
			}
		})
	}
}

// A stand is a broker and a bridge, with a shell beside them to which their ports are the usual
// ones.
type stand struct {
	dir     string
	environ []string
	ports   *strings.Replacer // usual address -> the stand's
	log     *bridgetest.Buffer
}

func startStand(t *testing.T) *stand {
	t.Helper()
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	listen, ops := mosquittotest.FreeAddr(t), mosquittotest.FreeAddr(t)
	s := &stand{dir: t.TempDir(), ports: strings.NewReplacer("127.0.0.1:9464", ops, "127.0.0.1:8080", listen)}
	binary, err := bridgetest.Build(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(broker.Addr)
	options := fmt.Sprintf("-h 127.0.0.1\n-p %s\n", port) // Mosquitto's clients read them there
	for name, content := range map[string]string{"config.yaml": string(config), "mosquitto_sub": options, "mosquitto_pub": options} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.environ = append(os.Environ(),
		"PATH="+s.dir+string(filepath.ListSeparator)+os.Getenv("PATH"),
		"XDG_CONFIG_HOME="+s.dir,
		"BRIDGE_BROKER_URL=mqtt://"+broker.Addr,
		"BRIDGE_SERVER_LISTEN="+listen,
		"BRIDGE_OPS_LISTEN="+ops,
		"BRIDGE_AUTH_JWT_SECRET="+strings.Repeat("s", 64),
	)
	serve := exec.Command(binary)
	serve.Dir, serve.Env = s.dir, s.environ
	bridge := bridgetest.Start(t, serve, ops)
	bridge.WaitReady()
	s.log = bridge.Log
	return s
}

func (s *stand) command(ctx context.Context, line string) *exec.Cmd {
	c := exec.CommandContext(ctx, "bash", "-c", s.ports.Replace(line))
	c.Dir, c.Env = s.dir, s.environ
	return c
}

// run runs a command line and compares what it prints with the text, in which … stands for
// anything. What takes its time, as a reload does, is asked for again.
func (s *stand) run(t *testing.T, line, want string) {
	t.Helper()
	pattern := regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*?") + `$`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err := os.WriteFile(filepath.Join(s.dir, "bridge.log"), []byte(s.log.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		got, _ := s.command(ctx, line).CombinedOutput() // an answer of no is an error too
		text := strings.TrimSpace(strings.ReplaceAll(string(got), "\r", ""))
		if pattern.MatchString(text) {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("$ %s\ngot:\n%s\nwant:\n%s", line, text, want)
			return
		}
	}
}

// publish publishes the payload again and again until it is told to stop; none: it does nothing.
func (s *stand) publish(t *testing.T, payload string) (stop func()) {
	if payload == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for ctx.Err() == nil {
			c := exec.CommandContext(ctx, "mosquitto_pub", "-q", "1", "-t", "chat/whatsapp/42/message", "-m", payload, "--repeat", "100", "--repeat-delay", "0.3")
			c.Env = s.environ
			if err := c.Run(); err != nil && ctx.Err() == nil {
				t.Errorf("mosquitto_pub: %v", err)
				return
			}
		}
	})
	return func() {
		cancel()
		publishing.Wait()
	}
}
