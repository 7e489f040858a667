package workbench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/workbench"
)

const secret = "hunter22hunter22hunter22hunter22"

// settings has a secret wherever one can stand.
const settings = `# password: ` + secret + `
log: {level: ` + secret + `}
broker:
  url: mqtt://user:` + secret + `@localhost:1
  password: ` + secret + `
  password_file: /nowhere/` + secret + `
auth:
  jwt: {secret: ` + secret + `, issuer: ` + secret + `}
include: [rules.d/*]
unknown: ` + secret + `

`

const rules = `tables:
  sender: {customer: source_contact, agent: app_user}

memory:
  unread: {for: 1h}

rules:
  - name: message
    topic: chat/{conversation}/message
    when: payload.kind == "message"
    queue: /queue/message
    audience: {users: =payload.users, groups: [staff]}
    fields:
      conversation_id: =uuid("conversation", topic.conversation)
      channel_id: =uuid("channel", payload.channel)
      message:
        id: =uuid("message", payload.id)
        content: {text: =payload.text, from: =payload.from}
        delivery_state: DELIVERED
        sender_type: =table.sender[payload.from]

  - name: count
    topic: chat/{conversation}/message
    when: payload.from == "customer"
    queue: /queue/unread-count
    remember:
      unread:
        key: =topic.conversation
        value: =(memory.unread[topic.conversation] ?? 0) + 1
    fields:
      conversation_id: =uuid("conversation", topic.conversation)
      unread_message_count: =(memory.unread[topic.conversation] ?? 0) + 1

  - name: raw
    topic: raw/{id}
    payload: text
    queue: /queue/channel/connected
    fields: {id: '=uuid("raw", topic.id)', name: =payload, source: x, source_channel_id: =topic.id}

tests:
  - name: not a message
    topic: chat/1/message
    payload: {kind: typing}
    expect: filtered
`

// a source is a configuration in a folder of its own.
func source(t *testing.T, files map[string]string) workbench.Source {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return workbench.Source{Path: filepath.Join(dir, "config.yaml"), Environ: []string{"BRIDGE_AUTH_JWT_SECRET=" + secret, "BRIDGE_UNKNOWN=" + secret}}
}

// TestCheck checks what has been edited, at its place in the file that the server has.
func TestCheck(t *testing.T) {
	s := source(t, map[string]string{"config.yaml": "log: {level: info}\ninclude: [rules.d/*]\n", "rules.d/a.yaml": rules})
	files := s.Files()
	names := []string{files[0].Name, files[1].Name}
	if diff := cmp.Diff([]string{"config.yaml", "rules.d/a.yaml"}, names); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		old, new string
		want     []string
		failed   int
	}{
		"nothing":                {"", "", nil, 0},
		"YAML":                   {"  - name: raw", "   - name: raw", []string{"rules.d/a.yaml:34:4: YAML: did not find expected '-' indicator"}, 0},
		"a key":                  {"when: payload.kind", "whem: payload.kind", []string{`rules.d/a.yaml:10:5: unknown field "whem"`}, 0},
		"an expression":          {"=uuid(\"message\", payload.id)", "=uid(\"message\", payload.id)", []string{`rules.d/a.yaml:17:14: unknown name uid`}, 0},
		"a test":                 {"expect: filtered", "expect: {rejected: x}", []string{`rules.d/a.yaml:41:5: test "not a message" fails`}, 1},
		"a setting in its place": {"tables:\n", "log: {level: info}\ntables:\n", []string{`rules.d/a.yaml:1:1: only tables, memory, rules and tests can be edited here, not "log"`}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			edited := []workbench.File{{Name: files[1].Name, Text: strings.Replace(files[1].Text, c.old, c.new, 1)}}
			checked, err := s.Check(t.Context(), edited)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range checked.Problems {
				got = append(got, p.Error())
			}
			if diff := cmp.Diff(c.want, got); diff != "" || checked.Failed != c.failed || checked.OK != (c.want == nil) {
				t.Errorf("ok=%t failed=%d (-want +got):\n%s", checked.OK, checked.Failed, diff)
			}
		})
	}
	if _, err := s.Check(t.Context(), []workbench.File{{Name: "../other.yaml"}}); err == nil {
		t.Error("a file that is none of the configuration's was checked")
	}
}

// TestCheckIsBounded stops the tests when the time is up.
func TestCheckIsBounded(t *testing.T) {
	s := source(t, map[string]string{"config.yaml": rules})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	text := rules + strings.Repeat("  - {topic: a, payload: {}, expect: filtered}\n", 9)
	c, err := s.Check(ctx, []workbench.File{{Name: "config.yaml", Text: text}})
	if err != nil || c.Tests != 1 || c.Unfinished != 9 {
		t.Errorf("%d tests were run and %d were left, %v; want 1 and 9", c.Tests, c.Unfinished, err)
	}
}

// TestSecretsStay looks for secrets in everything that is answered, whatever is asked.
func TestSecretsStay(t *testing.T) {
	s := source(t, map[string]string{"config.yaml": settings + rules, "rules.d/a.yaml": "rules: []\n# token: " + secret + "\n", "rules.d/b.secret": secret, "rules.d/c.yaml": "key: " + secret})
	store := memory.New()
	var said strings.Builder
	e := json.NewEncoder(&said)
	e.SetEscapeHTML(false)
	files := s.Files()
	e.Encode(files)
	e.Encode(workbench.RuleWords())
	shown := files[0].Text
	for _, text := range []string{
		shown, rules, settings, "", "tests: [{name: \"", shown + "\"", strings.ReplaceAll(shown, config.Hidden, ""),
		shown + "  - {topic: raw/1, file: config.yaml, expect: filtered}\n", shown + "  - {topic: raw/1, file: rules.d/b.secret, expect: filtered}\n",
		shown + "include: [rules.d/*, config.yaml]\n", "include: [/nowhere/*]\nlog: {level: x}\n",
		strings.Replace(rules, "name: =payload", "name: ${BRIDGE_AUTH_JWT_SECRET}", 1), "auth: {jwt: {secret: x}}\n" + rules,
	} {
		edited := []workbench.File{{Name: "config.yaml", Text: text}}
		checked, err := s.Check(t.Context(), edited)
		e.Encode(checked)
		fmt.Fprintln(&said, err)
		for _, topic := range []string{"raw/1", "chat/1/message"} {
			text := "{}"
			tried, err := s.Try(t.Context(), workbench.Attempt{Files: edited, Test: true, Event: workbench.Event{Topic: topic, Text: &text}}, workbench.Around{Memory: store})
			e.Encode(tried)
			fmt.Fprintln(&said, err)
		}
	}
	if strings.Contains(said.String(), secret) {
		for line := range strings.Lines(said.String()) {
			if strings.Contains(line, secret) {
				t.Errorf("an answer holds a secret: %s", line)
			}
		}
	}
	if !strings.Contains(said.String(), "a mistake in log.level") || !strings.Contains(said.String(), `"name: =payload`) && !strings.Contains(shown, "name: =payload") {
		t.Errorf("the answers do not say what they should; the file is shown as\n%s", shown)
	}
}

// TestTry tries an event by edited rules, beside those in force.
func TestTry(t *testing.T) {
	s := source(t, map[string]string{"config.yaml": settings[strings.Index(settings, "include"):strings.Index(settings, "unknown")] + rules})
	inForce := config.Check(s.Path, nil).Mapper
	store := memory.New()
	store.Configure(inForce.Memories())
	tx := store.Begin(time.Now())
	tx.Apply([]memory.Change{{Memory: "unread", Key: "7", Text: "4"}})
	tx.Commit()
	text := strings.Replace(s.Files()[0].Text, "content: {text: =payload.text, from: =payload.from}", "content: =payload.text", 1)
	text = strings.Replace(text, "groups: [staff]", "groups: [staff, leads]", 1)
	files := []workbench.File{{Name: "config.yaml", Text: text}}
	payload := `{"kind":"message","id":"m1","channel":1,"from":"customer","text":"<img src=x onerror=alert(1)>","users":["ada"]}`
	event := workbench.Event{Topic: "chat/7/message", Payload: json.RawMessage(payload), Received: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}

	tried, err := s.Try(t.Context(), workbench.Attempt{Files: files, Event: event, Test: true}, workbench.Around{Rules: inForce, Memory: store})
	if err != nil || tried.Trace == nil {
		t.Fatalf("got %+v, %v", tried, err)
	}
	type field struct{ Name, Before, After string }
	var changed []field
	for _, c := range tried.Compared {
		for _, f := range c.Fields {
			if f.Change != workbench.Same {
				changed = append(changed, field{c.Rule + " " + f.Name, string(f.Before), string(f.After)})
			}
		}
	}
	want := []field{
		{"message audience", `"group staff, user ada"`, `"group leads, group staff, user ada"`},
		{"message message.content", `"{\"text\":\"<img src=x onerror=alert(1)>\",\"from\":\"customer\"}"`, `"<img src=x onerror=alert(1)>"`},
	}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	change := workbench.TracedChange{Rule: "count", Memory: "unread", Key: "7", Before: json.RawMessage("4"), After: json.RawMessage("5")}
	if diff := cmp.Diff([]workbench.TracedChange{change}, tried.Trace.Changes); diff != "" {
		t.Errorf("what would be remembered (-want +got):\n%s", diff)
	}
	if k, _ := store.Get("unread", "7"); k.Text != "4" {
		t.Errorf("trying has changed what is remembered to %s", k.Text)
	}
	if tried.Trace.Outputs[1].Rule != "count" || !strings.Contains(string(tried.Trace.Outputs[1].Body), `"unread_message_count":5`) {
		t.Errorf("got the count %s", tried.Trace.Outputs[1].Body)
	}
	if !strings.Contains(tried.Test, `"7": 4`) {
		t.Errorf("the test does not have what was remembered:\n%s", tried.Test)
	}

	if tried.Tests != 0 {
		t.Errorf("%d tests were run that were not asked for", tried.Tests)
	}

	tried, err = s.Try(t.Context(), workbench.Attempt{Files: files, Event: event, Tests: true}, workbench.Around{})
	if err != nil || tried.Tests != 1 || tried.Rules != 3 || !strings.Contains(string(tried.Trace.Outputs[1].Body), `"unread_message_count":1`) || tried.InForce != nil || tried.Test != "" {
		t.Errorf("with an empty memory: %+v, %v", tried, err)
	}
}

// TestTryStops runs no rule any more for somebody who has gone.
func TestTryStops(t *testing.T) {
	s := source(t, map[string]string{"config.yaml": rules})
	text := "Ada"
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, err := s.Try(ctx, workbench.Attempt{Event: workbench.Event{Topic: "raw/1", Text: &text}}, workbench.Around{})
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "trying the event: stopped before the first rule") {
		t.Errorf("got %v", err)
	}
}

// TestComparedRules shows an output that is new, and one that has gone.
func TestComparedRules(t *testing.T) {
	s := source(t, map[string]string{"config.yaml": rules})
	text := strings.Replace(rules, "queue: /queue/channel/connected", "queue: /queue/channel/disconnected", 1)
	payload := "Ada"
	tried, err := s.Try(t.Context(), workbench.Attempt{Files: []workbench.File{{Name: "config.yaml", Text: text}}, Event: workbench.Event{Topic: "raw/1", Text: &payload}},
		workbench.Around{Rules: config.Check(s.Path, nil).Mapper})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range tried.Compared {
		got = append(got, fmt.Sprintf("%s %s %s", c.Change, c.Rule, c.Queue))
	}
	if diff := cmp.Diff([]string{"added raw /queue/channel/disconnected", "removed raw /queue/channel/connected"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTestsOfEvents makes a test of each event, which passes where it is put into the file.
func TestTestsOfEvents(t *testing.T) {
	s := source(t, map[string]string{"config.yaml": rules})
	qos := byte(2)
	textOf := func(s string) *string { return &s }
	bytesOf := func(s string) *[]byte { b := []byte(s); return &b }
	for name, c := range map[string]struct {
		event workbench.Event
		want  string // a line of the test
	}{
		"outputs": {workbench.Event{Topic: "chat/7/message", Text: textOf(
			`{"kind":"message","id":12345678901234567890,"channel":1e3,"from":"agent","text":"no: \"x\" # y\n \ud83d\ude00","users":["ada","b: c"],"y":null,"#":{},"l":[{"a":1}]}`)},
			"      kind: \"message\"\n"},
		"rejected":                {workbench.Event{Topic: "chat/7/message", Text: textOf("not JSON")}, "    text: \"not JSON\"\n"},
		"one rejected":            {workbench.Event{Topic: "chat/7/message", Text: textOf(`{"kind":"message","from":"customer"}`)}, "      rejected:\n"},
		"filtered":                {workbench.Event{Topic: "chat/7/message", Text: textOf(`{"kind":"x"}`)}, "    expect: filtered\n"},
		"no rule":                 {workbench.Event{Topic: "x: y", Text: textOf("")}, "    expect: filtered\n"},
		"text":                    {workbench.Event{Topic: "raw/1", Text: textOf("- a: 'b'\r\n\t\"c\"")}, `    text: "- a: 'b'\r\n\t\"c\""` + "\n"},
		"text like JSON":          {workbench.Event{Topic: "raw/1", Text: textOf(`{"a":  1}`)}, `    text: "{\"a\":  1}"` + "\n"},
		"JSON too deep for rules": {workbench.Event{Topic: "raw/1", Text: textOf(strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65))}, "    text: \"{"},
		"a control":               {workbench.Event{Topic: "raw/1", Base64: bytesOf("a\x7fb")}, "    base64: YX9i\n"},
		"bytes":                   {workbench.Event{Topic: "raw/1", Base64: bytesOf("\xff\x00")}, "    base64: /wA=\n"},
		"everything": {workbench.Event{Topic: "raw/1", Text: textOf("a"), QoS: &qos, Retained: true, ContentType: "text/plain; x", User: map[string]string{"no": "1", "a: b": "c # d"},
			Received: time.Date(2026, 3, 1, 0, 0, 0, 123456789, time.UTC)}, "    received: '2026-03-01T00:00:00.123456789Z'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files := []workbench.File{{Name: "config.yaml", Text: rules}}
			tried, err := s.Try(t.Context(), workbench.Attempt{Files: files, Event: c.event, Test: true}, workbench.Around{})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(tried.Test, c.want) {
				t.Fatalf("%s: got\n%s, which lacks %q", tried.TestNote, tried.Test, c.want)
			}
			files[0].Text += tried.Test
			checked, err := s.Check(t.Context(), files)
			if err != nil || !checked.OK || checked.Tests != 2 || len(checked.Problems) > 0 {
				t.Errorf("with the test, check finds %+v, %v:\n%s", checked, err, tried.Test)
			}
		})
	}
}

// TestEvents refuses what is no event.
func TestEvents(t *testing.T) {
	s := source(t, map[string]string{"config.yaml": rules})
	text, qos := "", byte(3)
	for want, e := range map[string]workbench.Event{
		"an event needs a topic": {Text: &text},
		"an event's topic holds no + and no #, which are for filters": {Topic: "a/+", Text: &text},
		"qos is 0, 1 or 2, not 3":                                     {Topic: "a", Text: &text, QoS: &qos},
		"an event needs payload, text or base64, one of them":         {Topic: "a"},
		"an event needs payload, text or base64, one of them ":        {Topic: "a", Text: &text, Payload: json.RawMessage("1")},
	} {
		_, err := s.Try(t.Context(), workbench.Attempt{Event: e}, workbench.Around{})
		if err == nil || err.Error() != strings.TrimSpace(want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestWords has the functions, the keys and the values that fields take.
func TestWords(t *testing.T) {
	w := workbench.RuleWords()
	functions := map[string]string{}
	for _, f := range w.Functions {
		functions[f.Name] = f.Usage
	}
	for name, usage := range map[string]string{"uuid": "uuid(kind, id, …)", "bitor": "bitor(a, b)", "filter": "filter(list, condition)"} {
		if functions[name] != usage {
			t.Errorf("%s is used as %q, want %q", name, functions[name], usage)
		}
	}
	wants := map[string]string{}
	for _, f := range w.Fields {
		wants[f.Name] = f.Wants
	}
	if got, want := wants["message.sender_type"], "one of source_contact, source_user, app_user"; got != want {
		t.Errorf("message.sender_type wants %q, want %q", got, want)
	}
	if s := string(w.Schema); !strings.Contains(s, `"rules"`) || strings.Contains(s, `"broker"`) {
		t.Errorf("the schema is %.200s", s)
	}
}
