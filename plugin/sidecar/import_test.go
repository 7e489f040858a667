package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/listen"
)

// countingRules give each event its number, which the rules remember.
const countingRules = `
memory: {n: {for: 1h}}
rules:
  - name: count
    topic: in/{id}
    payload: text
    let:
      n: (memory.n["all"] ?? 0) + 1
    remember: {n: {key: all, value: =n}}
    queue: /queue/channel/connected
    fields: {id: '=uuid("dev", topic.id)', name: =payload, source: =string(n), source_channel_id: =topic.id}
`

// TestImportJournal moves a bridge with a journal on disk to a stream, with an import that is killed
// half-way before: a client goes on where it was, and the rules count on.
func TestImportJournal(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	binary := bridgetest.BuildFor(t)
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	servers := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	dir, text, sent := t.TempDir(), strings.Repeat("x", 20<<10), 0
	send := func(n int) {
		for range n {
			sent++
			publish(t, broker.Addr, "-t", fmt.Sprint("in/", sent), "-m", text)
		}
	}
	disk := []string{"BRIDGE_BROKER_URL=mqtt://" + broker.Addr, "BRIDGE_JOURNAL_DIR=" + dir}
	s := startSidecar(t, countingRules, disk...)
	c := s.dial("grace", "/queue/channel/connected")
	send(10)
	last := ""
	for n := 1; n <= 10; n++ {
		last = nextCounted(t, c, n)
	}
	c.Close()
	send(40)
	bridgetest.Eventually(t, "the events to be in the journal", func() bool {
		return strings.Contains(bridgetest.Metrics(s.ops), "mqtt_stomp_bridge_events_total 50")
	})
	nats := func(addr string) []string {
		return []string{"BRIDGE_JOURNAL_NATS_URL=nats://" + addr, "BRIDGE_JOURNAL_NATS_REPLICAS=1"}
	}
	s.environ = append(s.environ, nats(servers.Servers[0].Addr)...)
	if code, _, stderr := s.importJournal(dir); code != exitFailure || !strings.Contains(stderr, "in use by another process: stop the bridge") {
		t.Errorf("import while the bridge runs: code %d, %s", code, stderr)
	}
	s.stop()
	send(5) // which the broker keeps

	stalled, addr := stallingProxy(t, servers.Servers[0].Addr, 300<<10)
	half := exec.Command(binary, "journal", "import", "-c", s.config, "--from", dir)
	half.Env = append(append(os.Environ(), s.environ...), nats(addr)...)
	if err := half.Start(); err != nil {
		t.Fatal(err)
	}
	<-stalled
	half.Process.Kill()
	half.Wait()
	if code, _, stderr := s.command("serve"); code != exitFailure || !strings.Contains(stderr, "start this replica when `journal import` is done, or run that again") {
		t.Errorf("serve after half an import: code %d, %s", code, stderr)
	}

	code, out, stderr := s.importJournal(dir)
	t.Logf("%s%s", out, stderr)
	if code != exitOK || !strings.HasPrefix(out, "an import had been interrupted: what it left in the stream was thrown away\nimported 50 entries, 0 more that are the newest of their key, ") {
		t.Fatalf("import: code %d, %s%s", code, out, stderr)
	}
	if code, _, stderr := s.importJournal(dir); code != exitFailure || !strings.Contains(stderr, "the stream is not empty") {
		t.Errorf("import again: code %d, %s", code, stderr)
	}

	s.start()
	s.waitReady()
	log := &bridgetest.Buffer{}
	c, err := listen.Dial(t.Context(), listen.Config{URL: s.url(), Token: s.token("grace"), Queues: []string{"/queue/channel/connected"},
		ResumeFrom: last, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !strings.Contains(log.String(), "resume=complete") {
		t.Errorf("the client resumes with:\n%s", log)
	}
	send(1)
	for n := 11; n <= sent; n++ {
		nextCounted(t, c, n)
	}
	out, _ = s.doctor()
	for _, want := range []string{"ok    stream: mqtt-stomp-bridge-log has the settings that it needs\n", " leads, since ", "ok    replicas: 1 replica, all with this configuration\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
}

func (r *running) importJournal(dir string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	p := program{stdout: &out, stderr: &errs, environ: r.environ}
	code = p.run(r.t.Context(), []string{"journal", "import", "-c", r.config, "--from", dir})
	return code, out.String(), errs.String()
}

// nextCounted waits for the message that has the number, and returns its id.
func nextCounted(t *testing.T, c *listen.Client, n int) (id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m, err := c.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var b channelBody
	if err := json.Unmarshal(m.Body, &b); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprint(n); b.Source != want || b.SourceChannelID != want {
		t.Fatalf("event %s has the number %s, want event %s", b.SourceChannelID, b.Source, want)
	}
	return m.ID
}

// stallingProxy passes on so many bytes of clients, in all, and then takes no more.
func stallingProxy(t *testing.T, to string, bytes int64) (stalled chan struct{}, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	stalled = make(chan struct{})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				return
			}
			t.Cleanup(func() { client.Close(); server.Close() })
			go io.Copy(client, server)
			passed, _ := io.CopyN(server, client, bytes)
			if bytes -= passed; bytes == 0 {
				close(stalled)
				return
			}
		}
	}()
	return stalled, l.Addr().String()
}
