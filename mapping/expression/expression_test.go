package expression_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/value"
)

func parse(t testing.TB, text string) *expression.Expression {
	t.Helper()
	x, mistake := names().Parse(text)
	if mistake != nil {
		t.Fatalf("%s: %+v", text, mistake)
	}
	return x
}

func TestWhatIsKnownOfAnExpression(t *testing.T) {
	for _, tt := range []struct {
		text  string
		path  string // "": it is more than a path
		types value.Types
		reads []expression.Root
		known []expression.Known
	}{
		{`payload.a["b c"][0]`, `payload.a["b c"][0]`, value.AnyType, []expression.Root{rootPayload}, nil},
		{`topic.device`, `topic.device`, value.TypeText, []expression.Root{rootDevice}, nil},
		{`mqtt.qos + 1`, "", value.TypeWhole, []expression.Root{rootQoS}, nil},
		{`table.state["sent"]`, `table.state.sent`, value.AnyType, nil, []expression.Known{{Table: "state", Offset: 11, Width: 1}}},
		{`table.state[payload.a] ?? "x"`, "", value.AnyType, []expression.Root{rootPayload}, []expression.Known{
			{Table: "state", Offset: 11, Width: 1}, {Value: "x", Offset: 26, Width: 3}}},
		{`payload.a ? 1 : 2.5`, "", value.AnyType, []expression.Root{rootPayload}, []expression.Known{
			{Value: int64(1), Offset: 12, Width: 1}, {Value: 2.5, Offset: 16, Width: 3}}},
		{`let x = received; x`, "", value.TypeTime, []expression.Root{rootReceived}, nil},
		{`nil`, "", value.TypeNothing, nil, nil},
		{`payload == 1`, "", value.TypeBool, []expression.Root{rootPayload}, nil},
	} {
		x := parse(t, tt.text)
		path := ""
		if x.Path() != nil {
			path = x.Path().String()
		}
		var reads []expression.Root
		for r := range rootUser + 1 {
			if x.Reads().Has(r) {
				reads = append(reads, r)
			}
		}
		if path != tt.path || x.Types() != tt.types || !slices.Equal(reads, tt.reads) || x.String() != tt.text {
			t.Errorf("%s: path %s, types %b, reads %v, text %s", tt.text, path, x.Types(), reads, x)
		}
		if diff := cmp.Diff(tt.known, x.Known()); diff != "" {
			t.Errorf("%s: known (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestPaths(t *testing.T) {
	x := parse(t, `payload.a == 1 or payload.b[0].c == payload.a or topic.rest == payload[topic.device]`)
	var got []string
	for _, p := range x.Paths(rootPayload) {
		got = append(got, p.String())
	}
	if diff := cmp.Diff([]string{"payload.a", "payload.b[0].c", "payload"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]expression.Mistake{
		`payloud.a`:       {0, 7, "unknown name payloud", `did you mean "payload"?`},
		`uper("a")`:       {0, 4, "unknown name uper", `did you mean "upper"?`},
		`topic.devise`:    {6, 6, "unknown field devise", "did you mean topic.device?"},
		`[mqtt]`:          {1, 4, "mqtt is not a value by itself", "there is: mqtt.content_type, mqtt.qos, mqtt.retained, mqtt.topic, mqtt.user"},
		`payload = 1`:     {8, 1, "= does not compare", "write =="},
		`payload.upper()`: {8, 5, "values have no methods", "call a function: upper(payload.x), not payload.x.upper()"},
		`[1, len]`:        {4, 3, "len is a function", "call it: len(x)"},
		`any`:             {0, 3, "any is a function", "call it: any(list, condition)"},
		`null`:            {0, 4, "unknown name null", "what is missing is nil"},
	} {
		_, got := names().Parse(text)
		if got == nil {
			t.Errorf("%s: no mistake", text)
		} else if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if _, m := names().Parse(strings.Repeat(" ", 4097)); m == nil || m.Hint != "put what is long into a table" {
		t.Errorf("a long expression: %+v", m)
	}
}

// A hint of the owner comes before those of the engine, and names below an open group are not
// known.
func TestNames(t *testing.T) {
	n := names()
	n.Hint = func(name string) string { return strings.TrimPrefix("say other", "x"+name) }
	if _, m := n.Parse("somehow"); m == nil || m.Hint != "say other" {
		t.Errorf("%+v", m)
	}
	n.Groups[0].Open = true
	if _, m := n.Parse("topic.whatever + topic.device"); m != nil {
		t.Errorf("%+v", m)
	}
}

func TestMissing(t *testing.T) {
	d := decode(t, `{"a": {"b": null, "text": "x"}, "list": [1], "key": "q"}`)
	for text, want := range map[string]string{
		`payload.a.c`:               `payload.a has no "c"; it has: b, text`,
		`payload.a.b`:               "payload.a.b is null",
		`payload.a.text.more`:       "payload.a.text is text, not an object",
		`payload.a.text[0]`:         "payload.a.text is text, not a list",
		`payload.list[3]`:           "payload.list has 1 elements",
		`payload.list.x`:            "payload.list is a list, not an object",
		`table.state[payload.key]`:  `table.state has no "q"`,
		`mqtt.user.other`:           `the message has no user property "other"`,
		`payload.a.c ?? payload.x`:  `payload.a has no "c"; it has: b, text`,
		`payload.list == 1 ? 1:nil`: "the expression gives nothing",
	} {
		x := parse(t, text)
		var s expression.Scope
		s.Begin(d, nil)
		if v, err := x.Eval(&s); v != nil || err != nil || s.Missing() != want {
			t.Errorf("%s: %v, %v, %q, want %q", text, v, err, s.Missing(), want)
		}
		direct(&s, d)
		if it, err := x.Item(&s); !it.Missing() || err != nil || s.Missing() != want {
			t.Errorf("%s on items: %v, %v, %q, want %q", text, it, err, s.Missing(), want)
		}
	}
}

func TestTrue(t *testing.T) {
	d := decode(t, `{"yes": true, "n": 1}`)
	for text, want := range map[string]string{"payload.yes": "true <nil>", "payload.no": "false <nil>", "not payload.no": "true <nil>",
		"payload.n": "false a number is not true or false"} {
		var s expression.Scope
		s.Begin(d, nil)
		ok, err := parse(t, text).True(&s)
		if got := fmt.Sprint(ok, err); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// The work of all evaluations of a rule is bounded together, and a new rule begins with all of it.
func TestSpend(t *testing.T) {
	var s expression.Scope
	d := decode(t, `{}`)
	s.Begin(d, nil)
	if err := s.Spend(16 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := parse(t, `upper("a")`).Eval(&s); value.KindOf(err) != "too much work" {
		t.Errorf("%v", err)
	}
	s.Begin(d, nil)
	if v, err := parse(t, `upper("a")`).Eval(&s); v != "A" || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestRelease(t *testing.T) {
	var s expression.Scope
	x := parse(t, `upper(payload.a) + "x"`)
	for range 2 {
		s.Begin(decode(t, `{"a": "b"}`), nil)
		if v, err := x.Eval(&s); v != "Bx" || err != nil {
			t.Errorf("%v, %v", v, err)
		}
		s.Release()
	}
}

func TestFunctions(t *testing.T) {
	all := expression.Functions()
	for _, want := range []string{"uuid", "any", "trimSuffix"} {
		if !slices.Contains(all, want) {
			t.Errorf("no %s in %v", want, all)
		}
	}
	if !expression.IsName("a_1") || expression.IsName("1a") || expression.IsName("a-b") || expression.IsName("") {
		t.Error("IsName")
	}
}
