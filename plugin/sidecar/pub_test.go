package main

import (
	"bytes"
	"strings"
	"testing"
)

// pub publishes to the broker of the configuration, from the command line or a file, and the event
// arrives at a client.
func TestPub(t *testing.T) {
	broker := startDemoBroker(t)
	s := startSidecar(t, sourceRule("a/{n}", "first"), "BRIDGE_BROKER_URL=mqtt://"+broker.Addr().String())
	for _, args := range [][]string{
		{"-t", "a/1", "-m", "{}"},
		{"--topic", "a/2", "--message", "{}"},
		{"-t", "a/3", "-f", "-"},
	} {
		var stderr bytes.Buffer
		p := program{stdin: strings.NewReader("{}"), stderr: &stderr, environ: s.environ}
		if code := p.run(t.Context(), append([]string{"pub", "-c", s.config}, args...)); code != exitOK || stderr.Len() > 0 {
			t.Errorf("pub %q: code %d, %s", args, code, &stderr)
		}
	}
	code, stdout, stderr := s.command("listen", "-u", "ada", "-q", "/queue/channel/connected", "--snapshot", "-C", "3", "-W", "20")
	if code != exitOK || strings.Count(stdout, "\n") != 3 {
		t.Errorf("listen: code %d, %s%s", code, stdout, stderr)
	}
}

// What pub -r leaves with the broker is there for who subscribes later, until pub -r -n takes it
// away.
func TestPubRetained(t *testing.T) {
	broker := startDemoBroker(t)
	pub := func(args ...string) {
		var stderr bytes.Buffer
		p := program{stderr: &stderr}
		if code := p.run(t.Context(), append([]string{"pub", "--broker", "mqtt://" + broker.Addr().String(), "-t", "a/1", "-r"}, args...)); code != exitOK {
			t.Errorf("pub %q: code %d, %s", args, code, &stderr)
		}
	}
	s := prepareSidecar(t, sourceRule("a/{n}", "first")+"    retained: deliver\n", "BRIDGE_BROKER_URL=mqtt://"+broker.Addr().String())
	tried := func() int {
		code, _, _ := s.command("try", "--listen", "1", "-W", "0.2")
		return code
	}
	pub("-m", "{}")
	if code := tried(); code != exitOK {
		t.Errorf("a retained event: code %d", code)
	}
	pub("-n")
	if code := tried(); code != exitWaited {
		t.Errorf("a retained event that was taken away: code %d", code)
	}
}

// Without mosquitto_pub the demo prints a line that works without it.
func TestDemoExampleWithoutMosquitto(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	broker := startDemoBroker(t)
	p := program{name: "/opt/bridge"}
	line := p.demoExample(broker.Addr())
	args, isOwn := strings.CutPrefix(line, "/opt/bridge ")
	words := strings.SplitN(args, " ", 7)
	if !isOwn || len(words) != 7 {
		t.Fatalf("got %s", line)
	}
	words[6] = strings.Trim(words[6], "'")
	var stderr bytes.Buffer
	p.stderr = &stderr
	if code := p.run(t.Context(), words); code != exitOK {
		t.Errorf("%q: code %d, %s", words, code, &stderr)
	}
}
