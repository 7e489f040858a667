package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/plugin/config"
)

var update = flag.Bool("update", false, "write the golden files of testdata/cli")

// configHash changes with every new setting.
var configHash = regexp.MustCompile(`(, configuration |"config": ")[0-9a-f]{16}`)

// built is the build of a test.
var built = regexp.MustCompile(`(?m)^mqtt-stomp-bridge devel \(go\S+, \w+/\w+\)$`)

// TestCommands holds what the commands print, and their exit codes, against testdata/cli/NAME.txt.
func TestCommands(t *testing.T) {
	const at = `{"count": 1, "at": "2021-01-27T10:00:00Z"}`
	const lists = `{"entry": [{"id": 1, "messages": [{"id": 5, "text": "a", "at": 1611741600}, {"id": 6}]}, {"id": 2}, {"messages": 3}]}`
	tests := []struct {
		name  string
		args  []string // FILE.yaml and .jsonl are those of testdata/cli
		stdin string
	}{
		{name: "help", args: []string{"help"}},
		{name: "help-flag", args: []string{"-h"}},
		{name: "unknown-command", args: []string{"chekc"}},
		{name: "unknown-flag", args: []string{"version", "-q"}},
		{name: "unexpected-argument", args: []string{"check", "good.yaml"}},
		{name: "command-behind-flags", args: []string{"-c", "good.yaml", "check"}},
		{name: "single-dash", args: []string{"listen", "-snapshot"}},
		{name: "misspelt-flag", args: []string{"listen", "--snapshto"}},
		{name: "version", args: []string{"version"}},
		{name: "version-flag", args: []string{"--version"}},
		{name: "man", args: []string{"man"}},
		{name: "completion-commands", args: []string{"__complete", ""}},
		{name: "completion-format", args: []string{"__complete", "check", "--format", ""}},
		{name: "completion-queue", args: []string{"__complete", "listen", "-q", ""}},

		{name: "serve-no-file", args: []string{"serve", "-c", "absent.yaml"}},
		{name: "serve-mistakes", args: []string{"-c", "mistakes.yaml"}},
		{name: "serve-no-secret", args: []string{"serve", "-c", "nosecret.yaml"}},

		{name: "check-good", args: []string{"check", "-c", "good.yaml"}},
		{name: "check-mistakes", args: []string{"check", "-c", "mistakes.yaml"}},
		{name: "check-mistakes-json", args: []string{"check", "-c", "mistakes.yaml", "--format", "json"}},
		{name: "check-warnings", args: []string{"check", "-c", "warnings.yaml"}},
		{name: "check-warnings-json", args: []string{"check", "-c", "warnings.yaml", "--format", "json"}},
		{name: "check-failing", args: []string{"check", "-c", "failing.yaml"}},
		{name: "check-failing-json", args: []string{"check", "-c", "failing.yaml", "--format", "json"}},
		{name: "check-no-file", args: []string{"check", "-c", "absent.yaml"}},
		{name: "check-no-secret", args: []string{"check", "-c", "nosecret.yaml"}},
		{name: "check-absent-secret", args: []string{"check", "-c", "absentsecret.yaml"}},
		{name: "check-absent-secret-json", args: []string{"check", "-c", "absentsecret.yaml", "--format", "json"}},
		{name: "check-absent-secret-failing", args: []string{"check", "-c", "absentsecretfailing.yaml"}},
		{name: "check-empty", args: []string{"check", "-c", "empty.yaml"}},
		{name: "schema-argument", args: []string{"schema", "config.schema.json"}},
		{name: "check-format", args: []string{"check", "-c", "good.yaml", "--format", "xml"}},
		{name: "check-help", args: []string{"check", "-h"}},
		{name: "check-config", args: []string{"check", "--config", "good.yaml"}},

		{name: "try", args: []string{"try", "-c", "good.yaml", "-t", "chat/42/unread", "-m", at}},
		{name: "try-help", args: []string{"try", "--help"}},
		{name: "try-json", args: []string{"try", "-c", "good.yaml", "-t", "chat/42/unread", "-m", at, "--format", "json"}},
		{name: "try-rejected-json", args: []string{"try", "-c", "good.yaml", "-t", "chat/42/unread", "-m", `{"count": -1}`, "--format", "json"}},
		{name: "try-levels", args: []string{"try", "-c", "levels.yaml", "-t", "hook", "-m", lists}},
		{name: "try-levels-json", args: []string{"try", "-c", "levels.yaml", "-t", "hook", "-m", lists, "--format", "json"}},
		{name: "try-no-rule-json", args: []string{"try", "-c", "good.yaml", "-t", "chat/42/read", "-m", "{}", "--format", "json"}},
		{name: "try-events-json", args: []string{"try", "-c", "good.yaml", "--events", "events.jsonl", "--format", "json"}},
		{name: "try-stdin", args: []string{"try", "-c", "good.yaml", "-t", "chat/42/unread", "-f", "-"}, stdin: at},
		{name: "try-rejected", args: []string{"try", "-c", "good.yaml", "-t", "chat/42/unread", "-m", `{"count": -1}`}},
		{name: "try-retained", args: []string{"try", "-c", "good.yaml", "-t", "chat/42/unread", "-m", at, "--retained"}},
		{name: "try-empty", args: []string{"try", "-c", "good.yaml", "-t", "channels/7/state", "-n"}},
		{name: "try-user-property", args: []string{"try", "-c", "good.yaml", "-t", "channels/7/state", "-m", "online", "-D", "origin=test"}},
		{name: "try-user-property-broken", args: []string{"try", "-c", "good.yaml", "-t", "channels/7/state", "-m", "online", "-D", "origin"}},
		{name: "try-no-rule", args: []string{"try", "-c", "good.yaml", "-t", "chat/42/read", "-m", "{}"}},
		{name: "try-wildcard", args: []string{"try", "-c", "good.yaml", "-t", "chat/+/unread", "-m", "{}"}},
		{name: "try-own-topic", args: []string{"try", "-c", "good.yaml", "-t", "mqtt-stomp-bridge/state", "-m", "{}"}},
		{name: "try-events", args: []string{"try", "-c", "good.yaml", "--events", "events.jsonl"}},
		{name: "try-events-broken", args: []string{"try", "-c", "good.yaml", "--events", "broken.jsonl"}},
		{name: "try-events-wildcard", args: []string{"try", "-c", "good.yaml", "--events", "-"}, stdin: `{"topic": "chat/#", "payload": 1}`},
		{name: "try-events-two-in-a-line", args: []string{"try", "-c", "good.yaml", "--events", "-"}, stdin: `{"topic": "a", "payload": 1} {"topic": "b", "payload": 1}`},
		{name: "try-events-brace-too-many", args: []string{"try", "-c", "good.yaml", "--events", "-"}, stdin: `{"topic": "a", "payload": 1}}`},
		{name: "try-events-qos", args: []string{"try", "-c", "good.yaml", "--events", "-"}, stdin: `{"topic": "a", "payload": 1, "qos": 3}`},
		{name: "try-events-absent", args: []string{"try", "-c", "good.yaml", "--events", "absent.jsonl"}},
		{name: "try-events-empty", args: []string{"try", "-c", "good.yaml", "--events", "-"}},
		{name: "try-no-event", args: []string{"try", "-c", "good.yaml"}},
		{name: "try-no-payload", args: []string{"try", "-c", "good.yaml", "-t", "a"}},
		{name: "try-listen-none", args: []string{"try", "-c", "good.yaml", "--listen", "-1"}},

		{name: "try-memory-events", args: []string{"try", "-c", "memory.yaml", "--events", "memory.jsonl", "--memory", "remembered.yaml", "--remembers"}},
		{name: "try-memory-events-json", args: []string{"try", "-c", "memory.yaml", "--events", "memory.jsonl", "--memory", "-", "--remembers", "--format", "json"},
			stdin: "{\n\t\"unread\": {\"a\": 4, \"long\": 12345678901234567890}\n}\n"},
		{name: "try-memory-wrong", args: []string{"try", "-c", "memory.yaml", "-t", "chat/a/in", "-m", "{}", "--memory", "wrongmemory.yaml"}},
		{name: "try-memory-broken", args: []string{"try", "-c", "memory.yaml", "-t", "chat/a/in", "-m", "{}", "--memory", "brokenmemory.yaml"}},
		{name: "try-memory-list", args: []string{"try", "-c", "memory.yaml", "-t", "chat/a/in", "-m", "{}", "--memory", "-"}, stdin: "[1]"},
		{name: "try-memory-absent", args: []string{"try", "-c", "memory.yaml", "-t", "chat/a/in", "-m", "{}", "--memory", "absent.yaml"}},
		{name: "try-memory-twice", args: []string{"try", "-c", "memory.yaml", "--events", "-", "--memory", "-"}},
		{name: "try-events-after", args: []string{"try", "-c", "memory.yaml", "--events", "-"}, stdin: `{"after": "1d"}`},
		{name: "try-events-after-received", args: []string{"try", "-c", "memory.yaml", "--events", "-"}, stdin: `{"after": "1h", "received": "2026-05-01T12:00:00Z"}`},

		{name: "journal", args: []string{"journal"}},
		{name: "journal-unknown", args: []string{"journal", "imprt"}},
		{name: "journal-import-help", args: []string{"journal", "import", "-h"}},
		{name: "journal-import-no-from", args: []string{"journal", "import", "-c", "good.yaml"}},
		{name: "journal-import-no-stream", args: []string{"journal", "import", "-c", "good.yaml", "--from", "."}},
		{name: "journal-import-no-journal", args: []string{"journal", "import", "-c", "replicas.yaml", "--from", "."}},

		{name: "memory-arguments", args: []string{"memory", "unread", "ann", "lee"}},
		{name: "memory-after", args: []string{"memory", "--after", "42"}},

		{name: "pub-help", args: []string{"pub", "--help"}},
		{name: "pub-no-topic", args: []string{"pub", "-m", "{}"}},
		{name: "pub-no-payload", args: []string{"pub", "-t", "a"}},
		{name: "pub-wildcard", args: []string{"pub", "-t", "a/#", "-n"}},
		{name: "pub-login", args: []string{"pub", "--broker", "mqtt://ada:hunter2@127.0.0.1:1", "-t", "a", "-n"}},
		{name: "pub-no-url", args: []string{"pub", "--broker", "127.0.0.1", "-t", "a", "-n"}},
		{name: "pub-nobody", args: []string{"pub", "--broker", "mqtt://127.0.0.1:1", "-t", "a", "-n"}},

		{name: "token-no-user", args: []string{"token", "-c", "good.yaml"}},
		{name: "token-no-secret", args: []string{"token", "-c", "nosecret.yaml", "-u", "ada"}},
		{name: "token-mistakes", args: []string{"token", "-c", "mistakes.yaml", "-u", "ada"}},
		{name: "token-for-ever", args: []string{"token", "-c", "good.yaml", "-u", "ada", "-t", "0"}},
		{name: "token-negative", args: []string{"token", "-c", "good.yaml", "-u", "ada", "-t", "-1h"}},

		{name: "token-hash", args: []string{"token", "--hash", "reports"}, stdin: serviceToken + "\n"},
		{name: "token-hash-short", args: []string{"token", "--hash", "reports"}, stdin: "hunter22\n"},
		{name: "token-hash-name", args: []string{"token", "--hash", "re ports"}, stdin: serviceToken},
		{name: "token-hash-user", args: []string{"token", "--hash", "reports", "-u", "ada"}},

		{name: "listen-mistakes", args: []string{"listen", "-c", "mistakes.yaml"}},
		{name: "listen-format", args: []string{"listen", "-L", "ws://127.0.0.1:1/", "-F", "xml"}},
		{name: "listen-nobody", args: []string{"listen", "-L", "ws://127.0.0.1:1/", "-W", "0.1"}},
		{name: "listen-token-file", args: []string{"listen", "-L", "ws://127.0.0.1:1/", "--token-file", "absent.txt"}},

		{name: "doctor-help", args: []string{"doctor", "-h"}},
		{name: "doctor-filter", args: []string{"doctor", "-c", "good.yaml", "--publish", "chat/+/message"}},
		{name: "doctor-away", args: []string{"doctor", "-c", "good.yaml", "--away", "-1"}},
		{name: "doctor-mistakes", args: []string{"doctor", "-c", "mistakes.yaml"}},

		{name: "healthcheck-nobody", args: []string{"healthcheck", "-c", "nobody.yaml"}},
		{name: "healthcheck-mistakes", args: []string{"healthcheck", "-c", "nobodymistaken.yaml"}},
		{name: "healthcheck-nobody-json", args: []string{"healthcheck", "-c", "nobody.yaml", "--format", "json"}},
		{name: "healthcheck-none", args: []string{"healthcheck", "-c", "noops.yaml"}},
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var args []string
			for _, a := range test.args {
				if e := filepath.Ext(a); e == ".yaml" && test.name != "unexpected-argument" || e == ".jsonl" {
					a = "testdata/cli/" + a
				}
				args = append(args, a)
			}
			var stdout, stderr bytes.Buffer
			p := program{stdin: strings.NewReader(test.stdin), stdout: &stdout, stderr: &stderr}
			code := p.run(t.Context(), args)
			got := fmt.Sprintf("$ mqtt-stomp-bridge %s\n==== standard output\n%s==== standard error\n%s==== exit code %d\n",
				commandLine(test.args), configHash.ReplaceAllString(stdout.String(), "${1}HASH"), &stderr, code)
			got = strings.ReplaceAll(got, here, "HERE")
			got = built.ReplaceAllString(got, "mqtt-stomp-bridge devel (GO, PLATFORM)")
			golden := filepath.Join("testdata/cli", test.name+".txt")
			if *update {
				write(t, golden, got)
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// listen tells with -v what it is connected to, and without a token where one comes from.
func TestListenTells(t *testing.T) {
	s := startSidecar(t, sourceRule("a/{n}", "first"), "BRIDGE_BROKER_URL=mqtt://"+startDemoBroker(t).Addr().String())
	code, stdout, stderr := s.command("listen", "-u", "ada", "-v", "-q", "/queue/channel/connected", "-W", "0.1")
	if code != exitWaited || stdout != "" {
		t.Errorf("listen -v: code %d, printed %q", code, stdout)
	}
	for _, want := range []string{"msg=connected user=ada", "msg=subscribed queue=/queue/channel/connected"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("listen -v: no %q in %q", want, stderr)
		}
	}
	code, _, stderr = s.command("listen", "-W", "20")
	const want = `mqtt-stomp-bridge: connecting: the server says "401 no token"; -u USER makes a token with the configured secret, $MQTT_STOMP_BRIDGE_TOKEN and --token-file give one` + "\n"
	if code != exitFailure || stderr != want {
		t.Errorf("listen without a token: code %d (-want +got):\n%s", code, cmp.Diff(want, stderr))
	}
}

// Whoever has something else on the demo's port is told how to do without it.
func TestDemoAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, args := range [][]string{
		{"demo", "--listen", l.Addr().String(), "--mqtt", "127.0.0.1:0"},
		{"demo", "--listen", "127.0.0.1:0", "--mqtt", l.Addr().String()},
	} {
		var stderr bytes.Buffer
		p := program{stdout: io.Discard, stderr: &stderr}
		if code := p.run(t.Context(), args); code != exitFailure || !strings.HasSuffix(stderr.String(), "; --listen and --mqtt take other addresses\n") {
			t.Errorf("%v: code %d, %s", args, code, &stderr)
		}
	}
}

// commandLine is args as one would write them in a shell.
func commandLine(args []string) string {
	var words []string
	for _, a := range args {
		if strings.ContainsAny(a, ` "{`) {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

func TestSchemaCommand(t *testing.T) {
	var out bytes.Buffer
	p := program{stdout: &out, stderr: io.Discard}
	if code := p.run(t.Context(), []string{"schema"}); code != exitOK || !bytes.Equal(out.Bytes(), config.Schema()) {
		t.Errorf("exit code %d, %d bytes", code, out.Len())
	}
}
