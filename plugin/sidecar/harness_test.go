package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// needNode asks for Node and the packages of testdata/node.
func needNode(t *testing.T) {
	t.Helper()
	mosquittotest.Look(t, "node")
	_, err := os.Stat("testdata/node/node_modules/@stomp/stompjs")
	bridgetest.Need(t, "@stomp/stompjs (npm ci --prefix plugin/sidecar/testdata/node)", err == nil)
}

// A running is a sidecar in this process.
type running struct {
	t       *testing.T
	config  string // path
	environ []string
	listen  string
	ops     string
	log     *bridgetest.Buffer
	cancel  context.CancelFunc
	code    chan int
}

// startSidecar runs serve with the rules and the further variables, and waits until it is ready
// unless told otherwise.
func startSidecar(t *testing.T, rules string, environ ...string) *running {
	t.Helper()
	r := prepareSidecar(t, rules, environ...)
	r.start()
	r.waitReady()
	return r
}

func prepareSidecar(t *testing.T, rules string, environ ...string) *running {
	t.Helper()
	r := &running{t: t, config: filepath.Join(t.TempDir(), "config.yaml"), listen: mosquittotest.FreeAddr(t), ops: mosquittotest.FreeAddr(t)}
	r.environ = append([]string{
		"BRIDGE_SERVER_LISTEN=" + r.listen,
		"BRIDGE_OPS_LISTEN=" + r.ops,
		"BRIDGE_AUTH_JWT_SECRET=" + bridgetest.Secret,
		"BRIDGE_LOG_LEVEL=debug",
	}, environ...)
	if err := os.WriteFile(r.config, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// withoutVariable leaves a setting to the file.
func (r *running) withoutVariable(name string) {
	r.environ = slices.DeleteFunc(r.environ, func(v string) bool { return strings.HasPrefix(v, name+"=") })
}

func (r *running) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.code, r.log = cancel, make(chan int, 1), &bridgetest.Buffer{}
	p := program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: r.log, environ: r.environ}
	go func() { r.code <- p.run(ctx, []string{"serve", "-c", r.config}) }()
	r.t.Cleanup(func() {
		r.checkSecrets(bridgetest.Metrics(r.ops))
		if code := r.stop(); code != exitOK {
			r.t.Errorf("serve ended with code %d", code)
		}
		r.checkSecrets(r.log.String())
		if r.t.Failed() {
			r.t.Logf("log of the sidecar:\n%s", r.log)
		}
	})
}

// checkSecrets looks for what no log and no page may hold, whatever a test is about.
func (r *running) checkSecrets(text string) {
	r.t.Helper()
	bridgetest.CheckSecrets(r.t, text, serviceToken, "bob's password", "bridge password", "app password")
}

// stop ends the sidecar as a signal does and returns its exit code.
func (r *running) stop() int {
	r.cancel()
	select {
	case code := <-r.code:
		r.code <- code
		return code
	case <-time.After(10 * time.Second):
		r.t.Fatalf("serve does not end; log:\n%s", r.log)
		return -1
	}
}

// command runs another command with the sidecar's configuration.
func (r *running) command(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	p := program{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, environ: r.environ}
	code = p.run(context.Background(), append([]string{args[0], "-c", r.config}, args[1:]...))
	return code, out.String(), errs.String()
}

func (r *running) waitReady() {
	r.t.Helper()
	bridgetest.Eventually(r.t, "the sidecar to be ready", func() bool { return ask(context.Background(), "http://"+r.ops+"/readyz") == nil })
}

// ask returns nil when the URL answers 200.
func ask(ctx context.Context, url string) error { return (&health{URL: url}).ask(ctx) }

func (r *running) token(user string) string {
	r.t.Helper()
	code, token, stderr := r.command("token", "-u", user)
	if code != exitOK {
		r.t.Fatalf("token: code %d, %s", code, stderr)
	}
	return strings.TrimSpace(token)
}

func (r *running) url() string { return "ws://" + r.listen + "/ws.communication" }

// publish runs mosquitto_pub, which returns when the broker has acknowledged.
func publish(t *testing.T, addr string, args ...string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	out, err := exec.Command(mosquittotest.Look(t, "mosquitto_pub"), append([]string{"-h", host, "-p", port, "-V", "5", "-q", "1"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("mosquitto_pub %q: %v\n%s", args, err, out)
	}
}

// A stompjs is a Node process that runs testdata/node/stompjs.mjs.
type stompjs struct {
	t     *testing.T
	stdin io.Writer // a line is a new token
	lines chan stompjsLine
}

type stompjsLine struct {
	Ready   bool   `json:"ready"`
	Closed  bool   `json:"closed"`
	Renewed bool   `json:"renewed"`
	Error   string `json:"error"`
	Queue   string `json:"queue"`
	ID      string `json:"id"`
	Trace   string `json:"trace"`
	Body    string `json:"body"`
}

// startStompjs connects a stompjs client and returns when all its subscriptions are answered.
func startStompjs(t *testing.T, url, token string, queues ...string) *stompjs {
	t.Helper()
	return startStompjsWith(t, url, []string{"TOKEN=" + token}, queues...)
}

// startStompjsWith takes what the client shows of itself as variables.
func startStompjsWith(t *testing.T, url string, shown []string, queues ...string) *stompjs {
	t.Helper()
	c := exec.Command("node", append([]string{"testdata/node/stompjs.mjs", url}, queues...)...)
	c.Env = append(os.Environ(), shown...)
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &stompjs{t: t, stdin: stdin, lines: make(chan stompjsLine, 1024)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			var l stompjsLine
			if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
				l.Error = fmt.Sprintf("unexpected output: %s", scan.Bytes())
			}
			s.lines <- l
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		<-read
		c.Wait()
	})
	s.next(func(l stompjsLine) bool { return l.Ready })
	return s
}

// next returns the next line of the wanted kind, and fails the test at an error or after half a
// minute.
func (s *stompjs) next(want func(stompjsLine) bool) stompjsLine {
	s.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case l := <-s.lines:
			switch {
			case want(l):
				return l
			case l.Error != "":
				s.t.Fatalf("stompjs got ERROR %q", l.Error)
			}
		case <-timeout:
			s.t.Fatal("stompjs does not print what was waited for")
		}
	}
}

// message returns the next message.
func (s *stompjs) message() stompjsLine {
	s.t.Helper()
	return s.next(func(l stompjsLine) bool { return l.Queue != "" })
}
