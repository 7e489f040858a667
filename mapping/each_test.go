package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
)

// countRule makes a rule for topic t whose outputs tell of the elements: the text of the expression
// is the name of a channel.
func countRule(name, keys string) string {
	return `
rules:
  - name: r
    topic: t
    queue: /queue/channel/connected
    fields: {id: ` + idA + `, name: '=` + strings.ReplaceAll(name, "'", "''") + `', source: s, source_channel_id: c}
` + keys
}

// told tells what the rule has made of an event: the names of the outputs, and what else there is
// of it.
func told(r mapping.Result) (told []string) {
	output, rejection := 0, 0
	for _, o := range r.Outcomes {
		switch o.What {
		case mapping.Mapped:
			name, _, _ := strings.Cut(string(r.Outputs[output].Body), `","source"`)
			_, name, _ = strings.Cut(name, `"name":"`)
			told = append(told, name)
			output++
		case mapping.Rejected:
			if rejection < len(r.Rejections) { // of elements that are left there is one
				told = append(told, strings.TrimPrefix(r.Rejections[rejection].String(), `rule "r" `))
			}
			rejection++
		default:
			told = append(told, o.Why)
		}
	}
	return told
}

const levels = `    each: {a: payload.as, b: a.bs, c: b.x.cs}
`

func TestLevels(t *testing.T) {
	const name = `string(a.n) + string(b.n) + string(c) + "#" + string(index)`
	tests := []struct {
		name, rule, payload string
		want                []string
	}{
		{"elements of all lists", countRule(name, levels),
			`{"as":[{"n":1,"bs":[{"n":1,"x":{"cs":["x","y"]}},{"n":2,"x":{"cs":["z"]}}]},{"n":2,"bs":[{"n":3,"x":{"cs":["w"]}}]}]}`,
			[]string{"11x#0", "11y#1", "12z#2", "23w#3"}},
		{"lists that are missing, null and empty", countRule(name, levels),
			`{"as":[{},{"bs":null},{"bs":[]},{"bs":[{},{"x":{"cs":[]}}]},{"n":1,"bs":[{"n":1,"x":{"cs":["x"]}}]}]}`, []string{"11x#0"}},
		{"no element at all", countRule(name, levels), `{"as":[{},{"bs":[{"n":1}]}]}`, []string{"items"}},
		{"no list at all", countRule(name, levels), `{}`, []string{"items"}},
		{"a payload without parts", countRule(name, levels), `5`, []string{"items"}},
		{"what is no list", countRule(name, levels),
			`{"as":[{"bs":7},{"bs":{"k":1}},{"n":1,"bs":[{"n":1,"x":{"cs":"text"}},{"n":2,"x":{"cs":["x"]}}]}]}`,
			[]string{"element as[0] (rules.yaml:7): each b: a.bs is a number, not a list",
				"element as[1] (rules.yaml:7): each b: a.bs is an object, not a list; to go through its keys write keys(a.bs)",
				"element as[2].bs[0] (rules.yaml:7): each c: b.x.cs is text, not a list", "12x#0"}},
		{"only what is no list", countRule(name, levels), `{"as":{"bs":7}}`,
			[]string{"(rules.yaml:7): each a: payload.as is an object, not a list; to go through its keys write keys(payload.as)"}},
		{"an element that is rejected", countRule("c.x", levels), `{"as":[{"bs":[{}]},{"bs":[{"x":{"cs":[{"x":"a"},{"x":[]}]}}]}]}`,
			[]string{"a", "element as[1].bs[0].x.cs[1] field name (rules.yaml:6): a list is not text"}},
		{"levels that are no plain paths", countRule("c.x", `    each: {a: 'filter(payload.as, .ok)', b: a.bs, c: 'first(b.x)["cs"]', d: keys(c)}`+"\n"),
			`{"as":[{},{"ok":true,"bs":[{"x":[{"cs":[{"k":1}]}]}]}]}`,
			[]string{`element a[0].bs[0] c[0] d[0] field name (rules.yaml:6): no value: c has no "x"; it has: k`}},
		{"levels beside each other", countRule(`a + b`, `    each: {a: payload.as, b: 'payload["the bs"]'}`+"\n"), `{"as":["x","y"],"the bs":["1",2]}`,
			[]string{"x1", `element as[0] ["the bs"][1] field name (rules.yaml:6): + joins two texts or adds two numbers, not text and a number; write string(…)`,
				"y1", `element as[1] ["the bs"][1] field name (rules.yaml:6): + joins two texts or adds two numbers, not text and a number; write string(…)`}},
		{"the payload itself", countRule(`b.x`, `    each: {a: payload, b: a}`+"\n"), `[[{"x":"1"}],[{}]]`,
			[]string{"1", `element a[1][0] field name (rules.yaml:6): no value: b has no "x"; it has: nothing`}},
		{"keys of an object", countRule(`k + "=" + payload.o[k]`, "    each: {k: keys(payload.o)}\n"), `{"o":{"b":"2","a":"1"}}`, []string{"a=1", "b=2"}},
		{"an error in a list", countRule(`b`, `    each: {a: payload.as, b: 'split(a, ",")'}`+"\n"), `{"as":["x,y",7]}`,
			[]string{"x", "y", "element as[1] (rules.yaml:7): each b: split takes two texts, not a number and text"}},
		{"when of the event", countRule("a", "    each: {a: payload.as}\n    when: payload.ok\n"), `{"as":["x","y"]}`, []string{"when"}},
		{"when of an outer level", countRule("b", "    each: {a: payload.as, b: a.bs}\n    when: a.ok\n"),
			`{"as":[{"bs":["x","y"]},{"ok":true,"bs":["z"]}]}`, []string{"when", "when", "z"}},
		{"when of the number", countRule("b", "    each: {a: payload.as, b: a}\n    when: index == 2\n"), `{"as":[["x","y"],["z"]]}`,
			[]string{"when", "when", "z"}},
		{"when of a let of an element", countRule("a", "    let: {second: index == 1, also: second}\n    each: {a: payload.as}\n    when: also\n"),
			`{"as":["x","y"]}`, []string{"when", "y"}},
		{"when of a let of the event", countRule("a", "    let: {no: payload.no}\n    each: {a: payload.as}\n    when: no\n"),
			`{"as":["x","y"]}`, []string{"when"}},
		{"a list of a let", countRule("b", "    let: {good: 'filter(payload.as, .ok)', bs: a.bs}\n    each: {a: good, b: bs}\n"),
			`{"as":[{"bs":["x"]},{"ok":true,"bs":["y","z"]}]}`, []string{"y", "z"}},
		{"one list without a name", countRule("item", "    each: payload.as\n"), `{"as":["x",[]]}`,
			[]string{"x", "item 1 field name (rules.yaml:6): a list is not text"}},
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

// What an each may go through is bounded for each list and for all elements of an event together.
func TestLevelsBounds(t *testing.T) {
	m := mapper(t, countRule("string(index)", "    each: {a: payload, b: a}\n"))
	lists := func(n, elements int) string {
		list := "[" + strings.TrimSuffix(strings.Repeat("1,", elements), ",") + "]"
		return "[" + strings.TrimSuffix(strings.Repeat(list+",", n), ",") + "]"
	}
	tests := []struct {
		name, payload string
		outputs       int
		last          string // outcome or rejection
	}{
		{"as many as are allowed", lists(10, 100), 1000, "999"},
		{"one more", strings.TrimSuffix(lists(10, 100), "]") + ",[1]]", 1000,
			"element a[10] (rules.yaml:7): each b: more than 1000 elements in all are not allowed; these and those after them were not mapped"},
		{"a long list of lists", lists(1001, 1), 0, "(rules.yaml:7): each a: 1001 elements; at most 1000 are allowed"},
		{"a long list and a short one", "[[1" + strings.Repeat(",1", 1000) + "],[1]]", 1, "0"},
		{"a thousand lists without elements", lists(1000, 0), 0, "items"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r mapping.Result
			used := cost(func() { r = m.Map(event("t", tt.payload)) })
			used.check(t, 64<<20)
			got := told(r)
			if len(r.Outputs) != tt.outputs || got[len(got)-1] != tt.last {
				t.Errorf("%d outputs, the last of %d is %s", len(r.Outputs), len(got), got[len(got)-1])
			}
		})
	}
}

// A million lists within lists are a bounded work: what is left of them is rejected together.
func TestWorkOfLevels(t *testing.T) {
	m := mapper(t, countRule("c", "    each: {a: payload, b: payload, c: payload, d: a.none}\n"))
	payload := "[1" + strings.Repeat(",1", 999) + "]"
	var r mapping.Result
	used := cost(func() { r = m.Map(event("t", payload)) })
	used.check(t, 256<<20)
	want := "this element and those after it were not mapped: the rule does too much work on this event"
	if len(r.Outcomes) != 1 || len(r.Rejections) != 1 || r.Rejections[0].Reason != want {
		t.Errorf("%d outcomes, %+v", len(r.Outcomes), r.Rejections)
	}
}

// Whatever stands in the place of lists, what is told of it is bounded.
func TestHostileLevels(t *testing.T) {
	ones := "[1" + strings.Repeat(",1", 999) + "]"
	for name, payload := range map[string]string{
		"no lists":        `{"l":[` + strings.TrimSuffix(strings.Repeat(ones+",", 500), ",") + "]}",
		"empty lists":     `{"l":[` + strings.TrimSuffix(strings.Repeat("["+strings.Repeat("[],", 300)+"[]],", 500), ",") + "]}",
		"lists of no use": `{"l":[` + strings.TrimSuffix(strings.Repeat("["+strings.Repeat("{},", 300)+"{}],", 500), ",") + "]}",
		"deep lists":      strings.Repeat(`{"l":[`, 30) + strings.Repeat("]}", 30),
	} {
		m := mapper(t, countRule("c", "    each: {a: payload.l, b: a, c: b.x ?? b}\n"))
		var r mapping.Result
		var trace mapping.Trace
		cost(func() { r = m.Map(event("t", payload)) }).check(t, 128<<20)
		cost(func() { trace = m.Explain(event("t", payload)) }).check(t, 128<<20)
		if len(r.Rejections) > 1000 || len(r.Outcomes) > 1000 || len(r.Outcomes) == 0 || len(trace.Rules) > 2001 {
			t.Errorf("%s: %d rejections, %d outcomes, a trace of %d lines", name, len(r.Rejections), len(r.Outcomes), len(trace.Rules))
		}
		if name == "no lists" && !strings.HasSuffix(r.Rejections[len(r.Rejections)-1].Reason,
			"each c: b.x ?? b is a number, not a list; after 1000 such lists, no more were mapped") {
			t.Errorf("last %s", r.Rejections[len(r.Rejections)-1])
		}
	}
}

func TestLevelsExplained(t *testing.T) {
	m := mapper(t, countRule("c", levels))
	for payload, want := range map[string][]string{
		`{"bs":1}`:             {`no: each a (payload.as) has no elements: payload has no "as"; it has: bs`},
		`{"as":[]}`:            {`no: each a (payload.as) has no elements`},
		`{"as":[{"bs":[{}]}]}`: {"each a (payload.as): a list of 1", "as[0]: each b (a.bs): a list of 1", `as[0].bs[0]: no: each c (b.x.cs) has no elements: b has no "x"; it has: nothing`},
		`{"as":[{},{"bs":[{"x":{"cs":[]}}]}]}`: {"each a (payload.as): a list of 2", "as[1]: each b (a.bs): a list of 1",
			`as[1].bs[0]: each c (b.x.cs) has no elements`, `as[0]: no: each b (a.bs) has no elements: a has no "bs"; it has: nothing`},
		`{"as":[{},{"bs":[{"x":{"cs":["x"]}}]}]}`: {"each a (payload.as): a list of 2", "as[1]: each b (a.bs): a list of 1",
			`as[1].bs[0]: each c (b.x.cs): a list of 1`, "as[1].bs[0].x.cs[0]: ", `as[0]: each b (a.bs) has no elements: a has no "bs"; it has: nothing`},
	} {
		var got []string
		for _, r := range m.Explain(event("t", payload)).Rules {
			line := r.Note
			if r.Element != "" {
				line = r.Element + ": " + line
			}
			if r.Missing != "" {
				line += ": " + r.Missing
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", payload, diff)
		}
	}
}

func TestRejectionElement(t *testing.T) {
	m := mapper(t, countRule("b.x", "    each: {a: payload.as, b: a.bs}\n"))
	for i, r := range m.Map(event("t", `{"as":[{"bs":[{"x":"fine"},{}]},{"bs":1}]}`)).Rejections {
		want := []string{"as[0].bs[1] 1", "as[1] -1"}[i]
		if got := fmt.Sprint(r.Element, " ", r.Item); got != want {
			t.Errorf("rejection %d is of %q, want %q", i, got, want)
		}
	}
}
