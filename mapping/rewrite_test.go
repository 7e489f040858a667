package mapping_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/source"
)

// rewritten returns the lines with r in the place of those that it is for.
func rewritten(text string, r source.Rewrite) string {
	lines := strings.Split(text, "\n")
	return strings.Join(slices.Concat(lines[:r.First-1], []string{r.Text}, lines[r.Last:]), "\n")
}

// mends checks that the mistake is gone when what it proposes is written.
func mends(t *testing.T, text string, p source.Problem) {
	t.Helper()
	_, report := compile("r.yaml", rewritten(text, p.Rewrite))
	last := p.Rewrite.First + strings.Count(p.Rewrite.Text, "\n")
	for _, q := range report.Problems() {
		if q.Line <= last && (strings.HasPrefix(q.Message, "YAML: ") || q.Message == p.Message && q.Line >= p.Rewrite.First) {
			t.Errorf("what is proposed for\n%v\nleaves\n%v", p, q)
		}
	}
}

// Where YAML reads a line in another way than it looks, the mistake shows it as it has to be
// written, and then it is no mistake.
func TestRewrites(t *testing.T) {
	const head, tail = "rules:\n  - name: a\n    topic: a/{x}\n    queue: /queue/message\n", "    fields:\n      conversation_id: =topic.x\n      channel_id: =topic.x\n" +
		"      message:\n        id: =topic.x\n        delivery_state: PENDING\n        sender_type: app_user\n        content: text\n"
	fields := func(line string) string { return head + strings.Replace(tail, "        content: text", line, 1) }
	rule := func(line string) string {
		key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		lines := strings.Split(head, "\n")
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), key+":") })
		return strings.Join(lines[:len(lines)-1], "\n") + "\n" + line + "\n" + strings.ReplaceAll(tail, "topic.x", `uuid("x", payload.id)`)
	}
	tests := []struct {
		name, text string
		want       string // the lines instead; "" if nothing is proposed
	}{
		{"a comma in a text", fields("        content: {text: Thank you, we will call back}"), "        content:\n          text: Thank you, we will call back"},
		{"a comma and a key", fields("        content: {text: Thank you, we call, to: =payload.to}"), "        content:\n          text: Thank you, we call\n          to: =payload.to"},
		{"a comma in a function", fields(`        content: {id: =uuid("a", payload.id)}  # known`), "        content: # known\n          id: =uuid(\"a\", payload.id)"},
		{"an index", fields("        content: {e: =payload.entries[0].x, f: =payload.y}"), "        content:\n          e: =payload.entries[0].x\n          f: =payload.y"},
		{"an index by text", fields(`        content: {e: =payload["a b"], f: it's}`), "        content:\n          e: =payload[\"a b\"]\n          f: it's"},
		{"a condition", fields("        content: {x: =payload.a ? 1 : 2}"), "        content:\n          x: '=payload.a ? 1 : 2'"},
		{"an object in an expression", fields(`        content: {x: '=payload.a', l: =map(payload.l, {"a": .b})}`), "        content:\n          x: '=payload.a'\n          l: '=map(payload.l, {\"a\": .b})'"},
		{"a colon in a text", fields("        content: {text: Note: read this, n: 1}"), "        content:\n          text: 'Note: read this'\n          n: 1"},
		{"nested", fields("        content: {a: [{b: =f[0]}, x], c: {}, d: {e: [], f: =payload.x[1]}}"),
			"        content:\n          a:\n            - b: =f[0]\n            - x\n          c: {}\n          d:\n            e: []\n            f: =payload.x[1]"},
		{"nested lists", fields("        content: [[a, =payload.x[0]], {b: c, d: [=payload.y[1]]}]"), "        content:\n          - - a\n            - =payload.x[0]\n          - b: c\n            d:\n              - =payload.y[1]"},
		{"an optional key", fields("        content: {a?: =payload.x[0], b: ''}"), "        content:\n          a?: =payload.x[0]\n          b: ''"},
		{"several lines", fields("        content: {\n          text: Thank you, we will call back,\n          n: =payload.n[0] }"), "        content:\n          text: Thank you, we will call back\n          n: =payload.n[0]"},
		{"whole message", head + "    fields: {conversation_id: =topic.x, channel_id: =topic.x, message: {id: '=topic.x', content: =payload.a[0], delivery_state: PENDING, sender_type: app_user}}\n",
			"    fields:\n      conversation_id: =topic.x\n      channel_id: =topic.x\n      message:\n        id: '=topic.x'\n        content: =payload.a[0]\n        delivery_state: PENDING\n        sender_type: app_user"},
		{"a number sign", fields("        content: =filter(payload.items, # .unread)"), "        content: '=filter(payload.items, # .unread)'"},
		{"a colon in a block", fields("        content: =payload.x ? payload.id : payload.y"), "        content: '=payload.x ? payload.id : payload.y'"},
		{"a colon in a text of a block", fields("        content: Note: it's this"), "        content: 'Note: it''s this'"},
		{"conditions of queues", rule("    queue: {/queue/message: payload.a[0] == 1}"), "    queue:\n      /queue/message: payload.a[0] == 1"},
		{"a quote in a condition", rule(`    queue: {/queue/message: "x" == payload.type}`), "    queue:\n      /queue/message: '\"x\" == payload.type'"},
		{"a comma in a condition", rule(`    queue: {/queue/message: hasPrefix(payload.type, "x")}`), "    queue:\n      /queue/message: hasPrefix(payload.type, \"x\")"},
		{"dedupe", rule("    dedupe: {key: payload.ids[0], window: 1h}"), "    dedupe:\n      key: payload.ids[0]\n      window: 1h"},
		{"a quote", rule(`    when: "x" == payload.type`), `    when: '"x" == payload.type'`},
		{"a list", rule(`    when: ["a", "b"] == payload.l`), `    when: '["a", "b"] == payload.l'`},
		{"a topic that begins with a name", rule("    topic: {gw}/in"), "    topic: '{gw}/in'"},
		{"a topic that is a name", rule("    topic: {gw}"), "    topic: '{gw}'"},
		{"let with an index", rule("    let: {n: (payload.x[k] ?? 0) + 1, k: payload.k}"), "    let:\n      n: (payload.x[k] ?? 0) + 1\n      k: payload.k"},
		{"let with a comma", rule("    let: {n: join(payload.a, payload.b), m: payload.c}"), "    let:\n      n: join(payload.a, payload.b)\n      m: payload.c"},
		{"let with a condition", rule(`    let: {n: payload.a ? 1 : 2}  # one or two`), "    let: # one or two\n      n: 'payload.a ? 1 : 2'"},
		{"let with a list", rule("    let: {n: [payload.a, payload.b]}"), "    let:\n      n: '[payload.a, payload.b]'"},
		{"let with an object", rule(`    let: {n: {"a": payload.a}, m: "x" + payload.b}`), "    let:\n      n: '{\"a\": payload.a}'\n      m: '\"x\" + payload.b'"},
		{"levels", rule("    each: {e: payload.entries[0].x, f: e.y}"), "    each:\n      e: payload.entries[0].x\n      f: e.y"},
		{"levels with a filter", rule("    each: {e: filter(payload.l, .x), f: e.y}"), "    each:\n      e: filter(payload.l, .x)\n      f: e.y"},
		{"a list that is written", rule("    each: [payload.a, payload.b]"), "    each: '[payload.a, payload.b]'"},
		{"a list of topics", rule("    topic: [sms/{gw}/in, '{gw}/in']"), "    topic:\n      - sms/{gw}/in\n      - '{gw}/in'"},
		{"a list of topics that begin with a name", rule("    topic: [{gw}/in, {gw}/out/{n...}]"), "    topic:\n      - '{gw}/in'\n      - '{gw}/out/{n...}'"},
		{"users", rule("    audience: {users: =payload.a[0], groups: [x, =payload.b[1]]}"), "    audience:\n      users: =payload.a[0]\n      groups:\n        - x\n        - =payload.b[1]"},
		{"a list of users", rule("    audience: [=payload.a[0], admin]"), "    audience:\n      - =payload.a[0]\n      - admin"},
		{"a table", "tables: {t: {a: Hello, you}}\n", "tables:\n  t:\n    a: Hello, you"},
		{"a test", "tests:\n  - {topic: t, payload: {a: b[0]}, user: {n: x, y}, expect: filtered}\n", "  - topic: t\n    payload:\n      a: b[0]\n    user:\n      n: x, y\n    expect: filtered"},
		{"a property of a user", "tests:\n  - {topic: t, user: {n: x, y}, expect: filtered}\n", "  - topic: t\n    user:\n      n: x, y\n    expect: filtered"},
		{"rejected", "tests:\n  - topic: t\n    expect: {rejected: no, not this}\n", "    expect:\n      rejected: no, not this"},

		{"not closed", fields("        content: {a: =payload.x[0]"), ""},
		{"closed twice", fields("        content: {a: =payload.x[0]}}"), ""},
		{"unclear", fields("        content: {a: *b, c: =x[0]}"), ""},
		{"another program's", fields("        content: {a: ${payload.x}}"), ""},
		{"no value", fields("        content: {a: , b: c}"), ""},
		{"a mistake of another kind", fields("        content: {a: =paylod.x, b: c, d}"), "        content:\n          a: =paylod.x\n          b: c, d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, report := compile("r.yaml", tt.text)
			if report.Err() == nil {
				t.Fatalf("no mistake in\n%s", tt.text)
			}
			var got source.Rewrite
			for _, p := range report.Problems() {
				if p.Rewrite.Text != "" {
					got = p.Rewrite
					mends(t, tt.text, p)
				}
			}
			if diff := cmp.Diff(tt.want, got.Text); diff != "" {
				t.Fatalf("written instead (-want +got):\n%s\n%v", diff, report.Err())
			}
		})
	}
}

// Whatever is proposed for the mistakes of testdata/bad, the mistake is gone when it is written.
func TestRewritesMend(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	proposals := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, report := compile("r.yaml", string(data))
		for _, p := range report.Problems() {
			if p.Rewrite.Text == "" {
				continue
			}
			proposals++
			mends(t, string(data), p)
		}
	}
	if proposals < 5 {
		t.Errorf("%d proposals", proposals)
	}
}
