//go:build compose

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/listen"
)

// makeServerImage makes what stands in for an image of Alpine with a server: that, and wget for its
// health check.
func (b builder) makeServerImage(name, program, as string, more ...string) {
	b.t.Helper()
	c := b.run("from", "scratch")
	b.copyPrograms(c, append([]string{"/usr/bin/wget"}, more...)...)
	b.run("copy", c, program, as)
	for _, dir := range []string{"/tmp", "/data", "/var/log/nginx", "/var/lib/nginx"} {
		b.run("copy", c, b.t.TempDir(), dir)
	}
	b.run("config", "--env", "PATH=/usr/sbin:/usr/bin", "--entrypoint", fmt.Sprintf("[%q]", as), c)
	b.run("commit", "--format", "docker", c, name)
}

// copyReplicas copies what a user has who has cloned the repository, with other ports on the host.
// It returns where clients connect.
func copyReplicas(t *testing.T) (project, string) {
	t.Helper()
	root := t.TempDir()
	p := project{t: t, dir: filepath.Join(root, "examples", "replicas")}
	files, err := filepath.Glob("../../examples/replicas/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../config.yaml", "../../mosquitto/mosquitto.conf", "../../mosquitto/acl", filepath.Join(builtInbox(t), "index.html")) {
		to := filepath.Join(root, strings.TrimPrefix(file, "../../"))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", file, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	stomp := mosquittotest.FreeAddr(t)
	p.write("compose.yaml", replaceOnce(t, p.read("compose.yaml"), map[string]string{
		"127.0.0.1:1883:1883": mosquittotest.FreeAddr(t) + ":1883",
		"127.0.0.1:8080:8080": stomp + ":8080",
		"pull_policy: build":  "pull_policy: never",
	}))
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := p.shell("docker compose ps --all; docker compose logs --tail 200")
			t.Logf("%s", out)
		}
		p.shell("docker compose down --volumes")
	})
	return p, stomp
}

// A resumer is a client that connects again and resumes, as a browser's does.
type resumer struct {
	t      *testing.T
	config listen.Config
	log    *bridgetest.Buffer
	client *listen.Client
}

// next returns the next message's number.
func (r *resumer) next(ctx context.Context) int {
	r.t.Helper()
	for {
		if r.client == nil {
			r.connect(ctx)
		}
		m, err := r.client.Next(ctx)
		switch {
		case err == nil:
			r.config.ResumeFrom = m.ID
			return numberOf(r.t, m.Body)
		case ctx.Err() != nil:
			r.t.Fatalf("nothing more comes; the log of the client:\n%s", r.log)
		}
		r.client.Close()
		r.client = nil
	}
}

func (r *resumer) connect(ctx context.Context) {
	r.t.Helper()
	for {
		client, err := listen.Dial(ctx, r.config)
		if err == nil {
			r.client = client
			return
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("cannot connect: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func numberOf(t *testing.T, body []byte) (n int) {
	t.Helper()
	var m struct{ Message struct{ Content string } }
	var content struct{ Text string }
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(m.Message.Content), &content); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(content.Text, "event %d", &n); err != nil {
		t.Fatalf("content %s: %v", m.Message.Content, err)
	}
	return n
}

// What examples/replicas/README.md says, done to the letter: everything gets healthy, the doctor
// finds nothing that fails, and while bridges are made anew or killed, and a NATS server is killed,
// a client behind the proxy gets every event once and in order.
func TestComposeReplicas(t *testing.T) {
	mosquittotest.Look(t, "openssl")
	mosquittotest.Look(t, "nginx")
	bridgetest.Need(t, "a Docker engine with compose", exec.Command("docker", "info").Run() == nil && exec.Command("docker", "compose", "version").Run() == nil)
	b := newBuilder(t)
	b.loadBridge()
	b.loadMosquitto()
	b.loadOnce("nats", "nats:2.15-alpine", func() { b.makeServerImage("nats", natstest.Current(t), "/usr/bin/nats-server") })
	b.loadOnce("nginx", "nginx:1.28-alpine", func() { b.makeServerImage("nginx", "/usr/sbin/nginx", "/usr/sbin/nginx", "/usr/sbin/nginx") })

	page := readText(t, "../../examples/replicas/README.md")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 6 {
		t.Fatalf("the page has %d blocks of commands, want start, token, publish, rollout, kill, backup", len(blocks))
	}
	start, token, publish, rollout, kill := blocks[0][1], blocks[1][1], blocks[2][1], blocks[3][1], blocks[4][1]
	p, stomp := copyReplicas(t)
	if out := p.run(start); !strings.Contains(out, ", 0 fail") || !strings.Contains(out, "ok    replicas: 3 replicas, all with this configuration\n") {
		t.Errorf("the doctor says:\n%s", out)
	}
	if out := p.run("docker compose ps"); strings.Count(out, "(healthy)") != 8 {
		t.Errorf("not all eight are healthy:\n%s", out)
	}
	lines := strings.Split(strings.TrimSpace(p.run(token)), "\n")
	log := &bridgetest.Buffer{}
	r := &resumer{t: t, log: log, config: listen.Config{
		URL: "ws://" + stomp + "/ws.communication", Token: lines[len(lines)-1], Queues: []string{"/queue/message"},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}}
	beside := func(commands string) (done chan error) {
		done = make(chan error, 1)
		go func() {
			out, err := p.shell(noTerminal.Replace(commands))
			if err != nil {
				err = fmt.Errorf("%w:\n%s\n%s", err, commands, out)
			}
			done <- err
		}()
		return done
	}
	for _, fault := range []string{rollout, kill} {
		r.connect(t.Context())
		began, published, ended := time.Now(), beside(publish), beside(fault)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		for n := 1; n <= 600; n++ {
			if got := r.next(ctx); got != n {
				t.Fatalf("event %d comes where %d should; the log of the client:\n%s", got, n, log)
			}
		}
		cancel()
		for _, done := range []chan error{published, ended} {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: %v, connected %d times", strings.ReplaceAll(strings.TrimSpace(fault), "\n", " "), time.Since(began), len(log.Lines("msg=subscribed")))
		r.client.Close()
		r.client = nil
	}
	if lost := log.Lines("resume=gap"); len(lost) > 0 {
		t.Errorf("the client was told of gaps:\n%s", strings.Join(lost, "\n"))
	}
	if out, err := p.shell("curl -fsS http://" + stomp + "/"); err != nil || !strings.Contains(out, "<title>Inbox</title>") {
		t.Errorf("the page is not there: %v\n%s", err, out)
	}
}
