package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
)

func TestLet(t *testing.T) {
	tests := []struct {
		name, rule, payload string
		want                []string
	}{
		{"a value", countRule("m.text", "    let: {m: payload.edited ?? payload.message}\n"), `{"message":{"text":"a"}}`, []string{"a"}},
		{"one of another", countRule("b", "    let: {a: payload.a, b: 'a + a'}\n"), `{"a":"x"}`, []string{"xx"}},
		{"=, which is not needed", countRule("a", "    let: {a: =payload.a}\n"), `{"a":"x"}`, []string{"x"}},
		{"in when", countRule("a", "    let: {a: payload.a}\n    when: a == \"x\"\n"), `{"a":"y"}`, []string{"when"}},
		{"nothing", countRule("m", "    let: {m: payload.m}\n"), `{"x":1}`,
			[]string{`field name (rules.yaml:6): no value: payload has no "m"; it has: x`}},
		{"nothing, of others", countRule("n", "    let: {m: payload.m, n: m.x + m.y}\n"), `{"x":1}`,
			[]string{`field name (rules.yaml:6): no value: payload has no "m"; it has: x`}},
		{"a path into nothing", countRule("m.content.text", "    let:\n      m: payload.ms[2]\n"), `{"ms":[1]}`,
			[]string{`field name (rules.yaml:6): no value: payload.ms has 1 elements`}},
		{"a path into something", countRule("m.content", "    let: {m: payload.m}\n"), `{"m":{"x":1}}`,
			[]string{`field name (rules.yaml:6): no value: m has no "content"; it has: x`}},
		{"nothing without a reason", countRule("m", "    let: {m: 'first([])'}\n"), `{}`, []string{`field name (rules.yaml:6): no value: m is null`}},
		{"a default that is taken leaves no reason", countRule("b", "    let: {a: 'payload.x ?? {}', b: a.y}\n"), `{"x":null}`,
			[]string{`field name (rules.yaml:6): no value: a has no "y"; it has: nothing`}},
		{"an error", countRule("m", "    let:\n      m: payload.a + 1\n"), `{"a":"x"}`,
			[]string{`field name (rules.yaml:8): let m: + joins two texts or adds two numbers, not text and a number; write string(…)`}},
		{"an error of another", countRule("n", "    let:\n      m: payload.a + 1\n      n: m + 1\n"), `{"a":"x"}`,
			[]string{`field name (rules.yaml:8): let n: let m: + joins two texts or adds two numbers, not text and a number; write string(…)`}},
		{"an error of the other value, beside nothing", countRule("string(m < 1)", "    let: {m: payload.a}\n"), `{}`,
			[]string{`field name (rules.yaml:6): < compares two numbers, texts or times, not nothing and a number: payload has no "a"; it has: nothing`}},
		{"an error in when", countRule("m", "    let:\n      m: int(payload.a)\n    when: m > 1\n"), `{"a":"x"}`,
			[]string{`(rules.yaml:8): let m: "x" is not a number`}},
		{"an error in a level", countRule("a", "    let:\n      m: split(payload.a, \",\")\n    each: {a: m}\n"), `{"a":7}`,
			[]string{`(rules.yaml:8): each a: let m: split takes two texts, not a number and text`}},
		{"an error that nothing reads", countRule(`payload.a ?? m`, "    let: {m: int(payload.b)}\n"), `{"a":"x","b":"y"}`, []string{"x"}},
		{"of every element", countRule("m", "    let: {m: 'item + string(index)'}\n    each: payload\n"), `["a","b"]`, []string{"a0", "b1"}},
		{"of an outer element", countRule("m + n", "    let: {m: upper(a.n), n: string(index)}\n    each: {a: payload, b: a.bs}\n"),
			`[{"n":"x","bs":[0,0]},{"n":"y","bs":[0]}]`, []string{"X0", "X1", "Y2"}},
		{"of an element that is rejected", countRule("m", "    let: {m: upper(item)}\n    each: payload\n"), `["a",1,"b"]`,
			[]string{"A", "item 1 field name (rules.yaml:7): let m: upper takes text, not a number", "B"}},
		{"a payload that is refused", countRule("m", "    let: {m: payload.x}\n    when: m == 1\n"), `{`,
			[]string{"(rules.yaml:3): the payload is not JSON: unexpected end of JSON input (payload: text would take it as it is)"}},
		{"a let of the expression", countRule("let y = m; y + y", "    let: {m: payload.x}\n"), `{"x":"a"}`, []string{"aa"}},
		{"of a condition over a list", countRule("join(filter(payload.l, # != m), m)", "    let: {m: payload.x}\n"), `{"x":"-","l":["a","-","b"]}`, []string{"a-b"}},
		{"of the topic and the message", countRule("m", "    let: {m: 'mqtt.topic + (mqtt.user.x ?? \"none\")'}\n"), `{}`, []string{"tnone"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mapper(t, tt.rule)
			r := m.Map(event("t", tt.payload))
			if diff := cmp.Diff(tt.want, told(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(r, m.Explain(event("t", tt.payload)).Result); diff != "" {
				t.Errorf("Explain does not do what Map does (-map +explain):\n%s", diff)
			}
		})
	}
}

// Everything in a rule sees its lets.
func TestLetEverywhere(t *testing.T) {
	m := mapper(t, `
rules:
  - name: r
    topic: t
    let: {m: payload.m, on: m.state == "on", who: m.who}
    when: m != nil
    queue: {/queue/channel/connected: on, /queue/channel/disconnected: not on}
    audience: {users: =who, groups: [=m.team]}
    dedupe: {key: m.id, window: 1m}
    fields: {id: '=uuid("m", m.id)', name: '=m.name ?? who', source: =m.state, source_channel_id: c}
`)
	r := m.Map(event("t", `{"m":{"id":7,"state":"off","who":"ada","team":"x"}}`))
	if len(r.Outputs) != 1 {
		t.Fatalf("%+v", r)
	}
	o := r.Outputs[0]
	got := fmt.Sprint(o.Queue, " ", o.Audience, " ", o.DedupeKey, " ", strings.Contains(string(o.Body), `"name":"ada"`))
	if want := "/queue/channel/disconnected group x, user ada 7 true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A let is worked out once for the event or element on which it depends, whatever it costs.
func TestLetOnce(t *testing.T) {
	text := strings.Repeat("a", 200<<10)
	slow := `payload.text matches "(a+)+b"` // a tenth of the work that a rule may do
	uses := strings.TrimSuffix(strings.Repeat("slow or ", 100), " or ")
	for name, rule := range map[string]string{
		"an event":         countRule("string("+uses+")", "    let: {slow: '"+slow+"'}\n"),
		"all elements":     countRule("string("+uses+")", "    let: {slow: '"+slow+"'}\n    each: payload.list\n"),
		"an outer element": countRule("string("+uses+")", "    let: {slow: 'a > 0 and "+slow+"'}\n    each: {a: payload.list, b: payload.longer}\n"),
	} {
		r := mapper(t, rule).Map(event("t", `{"text":"`+text+`","list":[1,2],"longer":[1,2,3,4]}`))
		if len(r.Rejections) > 0 || len(r.Outputs) == 0 {
			t.Errorf("%s: %v", name, r.Rejections)
		}
	}
	each := countRule("string(slow)", "    let: {slow: 'item > 0 and "+slow+"'}\n    each: payload.list\n")
	r := mapper(t, each).Map(event("t", `{"text":"`+text+`","list":[1`+strings.Repeat(",1", 99)+`]}`))
	if len(r.Rejections) == 0 {
		t.Error("the lets of a hundred elements cost no more than one")
	}
}

// The deepest lets that there can be are a bounded depth, and a rule's lets do not disturb each
// other.
func TestDeepLets(t *testing.T) {
	var b strings.Builder
	b.WriteString("    let:\n      l1: payload.x\n")
	for i := 2; i <= 32; i++ {
		fmt.Fprintf(&b, "      l%d: 'let y = l%d; upper(y) + string(payload.n + %d) + y[0:0]'\n", i, i-1, i)
	}
	m := mapper(t, countRule("l32", b.String()))
	want := "A"
	for i := 2; i <= 32; i++ {
		want += fmt.Sprint(i + 1)
	}
	for range 3 { // the scope is used again
		if got := told(m.Map(event("t", `{"x":"a","n":1}`))); !cmp.Equal([]string{want}, got) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := told(m.Map(event("t", `{"x":7,"n":1}`))); len(got) != 1 || !strings.Contains(got[0], "let l2: upper takes text, not a number") {
		t.Errorf("%s", got)
	}
}

// A panic in what a let needs is a rejection of what uses the let.
func TestLetPanics(t *testing.T) {
	m := mapper(t, countRule("m", "    let: {m: upper(payload.x)}\n    each: {a: payload.list}\n"))
	mapping.BreakRule(m, "r", 1)
	r := m.Map(event("t", `{"x":"a","list":[1,2,3]}`))
	if got, want := outcomes(r), "r[0] mapped, r[1] rejected (panic), r[2] mapped"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if r.Rejections[0].Element != "list[1]" {
		t.Errorf("rejection of %q", r.Rejections[0].Element)
	}
}
