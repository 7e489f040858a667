package mapping_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// exprRule makes a rule that sends the JSON text of an expression as a message's content; nothing
// is "null".
func exprRule(expression string) string {
	quoted := strings.ReplaceAll(expression, "'", "''")
	return `
tables:
  state: {sent: DELIVERED, "1": one, "true": yes}
rules:
  - name: e
    topic: t/{device}/{rest...}
    queue: /queue/message
    fields:
      conversation_id: ` + idA + `
      channel_id: ` + idB + `
      message: {id: ` + idC + `, delivery_state: PENDING, sender_type: app_user, content: {v: '=` + quoted + `'}}
`
}

// evaluate returns the JSON text of the expression for the event, or "rejected: " with the reason.
func evaluate(t *testing.T, expression string, e mapping.Event) string {
	t.Helper()
	m, report := compile("rules.yaml", exprRule(expression))
	if err := report.Err(); err != nil {
		return "load: " + err.Error()
	}
	content := sent(m.Map(e), "message.content")
	if reason, ok := strings.CutPrefix(content, "rejected: "); ok {
		return "rejected: " + strings.TrimPrefix(reason, "="+expression+": ")
	}
	var text string
	if err := json.Unmarshal([]byte(content), &text); err != nil {
		return content
	}
	return strings.TrimSuffix(strings.TrimPrefix(text, `{"v":`), "}")
}

// Hostile payloads end in a rejection, soon, and without much memory.
func TestHostilePayloads(t *testing.T) {
	m := mapper(t, `
rules:
  - {name: r, topic: r, queue: /queue/message, fields: {conversation_id: `+idA+`, channel_id: `+idA+`,
     message: {id: `+idA+`, content: =payload, delivery_state: PENDING, sender_type: app_user}}}
  - {name: n, topic: n, queue: /queue/unread-count, fields: {conversation_id: `+idA+`, unread_message_count: =payload}}
`)
	keys := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"":0`)
		for i := range n {
			fmt.Fprintf(&b, `,"%d":0`, i)
		}
		return b.String() + "}"
	}
	const mib = 1 << 20
	tests := []struct{ name, topic, payload, want string }{
		{"16 MiB of [", "r", strings.Repeat("[", 16*mib), "r rejected (too large)"},
		{"1 MiB of [", "r", strings.Repeat("[", mib), "r rejected (not JSON)"},
		{"256 KiB of nested lists", "r", strings.Repeat("[", 128<<10) + strings.Repeat("]", 128<<10), "r rejected (not JSON)"},
		{"9000 nested lists", "r", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "r rejected (too deep)"},
		{"9000 nested objects", "r", strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000), "r rejected (too deep)"},
		{"1 MiB of empty lists", "r", "[" + strings.Repeat("[],", mib/3-1) + "0]", "r mapped"},
		{"1 MiB of empty objects", "r", "[" + strings.Repeat("{},", mib/3-1) + "0]", "r mapped"},
		{"1 MiB of numbers", "r", "[" + strings.Repeat("1,", mib/2-2) + "0]", "r mapped"},
		{"90,000 keys", "r", keys(90_000), "r mapped"},
		{"1 MiB of one number", "n", strings.Repeat("9", mib), "n rejected (not a count)"},
		{"1 MiB of zeros", "n", "0." + strings.Repeat("0", mib-2), "n mapped"},
		{"an exponent without end", "n", "1e" + strings.Repeat("9", mib-2), "n rejected (not a count)"},
		{"1 MiB of escapes", "r", `"` + strings.Repeat(`\u0000`, mib/6-1) + `"`, "r mapped"},
		{"half a surrogate pair", "r", `"\ud83d"`, "r mapped"},
		{"the wrong half", "r", `{"\udc00\ud83d":"\udead"}`, "r mapped"},
		{"an unfinished escape", "r", `"\`, "r rejected (not JSON)"},
		{"an unfinished object", "r", `{"a"`, "r rejected (not JSON)"},
		{"only white space", "r", " \n", "r rejected (not JSON)"},
		{"a second byte order mark", "r", "\uFEFF\uFEFF{}", "r rejected (not JSON)"},
		{"a zero byte", "r", "{}\x00", "r rejected (not JSON)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			used := cost(func() { got = outcomes(m.Map(event(tt.topic, tt.payload))) })
			if got != tt.want {
				t.Errorf("outcomes %s, want %s", got, tt.want)
			}
			used.check(t, 128<<20)
		})
	}
}

// Expressions that would grow without bound, or run for long, are refused at load or end in a
// rejection.
func TestHostileExpressions(t *testing.T) {
	elements := make([]string, 1000)
	for i := range elements {
		elements[i] = fmt.Sprint(i)
	}
	list := "[" + strings.Join(elements, ",") + "]"
	text := strings.Repeat("a", 256<<10)
	payload := `{"p":` + list + `,"text":"` + text + `","long":[` + strings.Repeat("0,", 5000) + `0],"again":"` + text +
		`","digits":` + strings.Repeat("9", 128<<10) + `,"umlauts":"` + strings.Repeat("ü", 40<<10) + `","cut":"` + strings.Repeat("é", 40<<10) + `ü"}`
	nested := func(condition string) string { return "count(payload.p, count(payload.p, " + condition + ") > 0)" }
	const overload = "the rule does too much work on this event"
	tests := []struct{ name, expression, want string }{
		{"a range", `map(1..1000000000, #)`, "ranges are not allowed"},
		{"reduce", `reduce(payload.p, #acc + #acc, "x")`, "reduce is not a function"},
		{"repeat", `repeat(repeat("x", 900000), 900000)`, "unknown name repeat"},
		{"nested conditions", `all(payload.p, {all(payload.p, {all(payload.p, {true})})})`, "may not contain a third"},
		{"parentheses", strings.Repeat("(", 4000) + "1" + strings.Repeat(")", 4000), "longer than 4096 bytes"},
		{"parentheses that fit", strings.Repeat("(", 2000) + "1" + strings.Repeat(")", 2000), ""},
		{"negations", strings.Repeat("!", 4000) + "payload.x", ""},
		{"a pattern from an event", `payload.text matches payload.text`, "matches takes a pattern that is written in the rule"},
		{"a slow pattern", `payload.text matches "(a+)+$"`, ""},
		{"a slow pattern often", strings.TrimSuffix(strings.Repeat(`payload.text matches "(a+)+b" or `, 60), " or "), overload},
		{"a slow pattern for each", `count(payload.p, payload.text matches "(a+)+b")`, overload},
		{"doubling", `let a = payload.text + payload.text; let b = a + a; let c = b + b; let d = c + c; d`, "gives more than 1048576 bytes"},
		{"adding", strings.TrimSuffix(strings.Repeat("payload.text+", 300), "+"), "gives more than 1048576 bytes"},
		{"replace by itself", `replace(payload.text, "a", payload.text)`, "gives more than 1048576 bytes"},
		{"replace nothing", `replace(payload.text, "", "aaaaaaaa")`, "gives more than 1048576 bytes"},
		{"join", `join(split(payload.text[:1000], ""), payload.text)`, "gives more than 1048576 bytes"},
		{"split", `split(payload.text, "")`, "split gives more than 1000 parts"},
		{"a long list", `filter(payload.long, true)`, "filter goes through 5001 elements; at most 1000 are allowed"},
		{"large comparisons", `count(payload.p, payload.long == payload.long)`, ""},
		{"more large comparisons", nested("payload.long == payload.long"), overload},
		{"large searches", `count(payload.p, -1 in payload.long)`, ""},
		{"large lists", `map(payload.p, payload.text)`, "the JSON text is longer than 1048576 bytes"},
		{"large texts", `map(payload.p, upper(payload.text))`, overload},
		{"JSON in JSON", `map(payload.p, json(toJSON(payload.long)))`, overload},
		{"lists in lists", `[payload, payload, payload, payload, payload, payload]`, "the JSON text is longer than 1048576 bytes"},
		{"a huge power", `payload.p[999] ** 1000000`, "** has no numeric result"},
		{"nested conditions of many operators", nested(strings.Repeat("#+1>0 and ", 300) + "true"), overload},
		{"long texts compared", nested("payload.text == payload.again"), overload},
		{"long texts ordered", nested("payload.text <= payload.again"), overload},
		{"long texts in a list", nested("payload.text in [payload.again, payload.again]"), overload},
		{"long keys", nested("payload[payload.text] == nil"), overload},
		{"long numbers compared", nested("payload.digits > #"), overload},
		{"long numbers in lists", nested("min([payload.digits]) == 0"), overload},
		{"long numbers sorted", nested("sort([payload.digits, payload.digits]) != nil"), overload},
		{"long kinds of ids", nested(`uuid(payload.text, "x") == "y"`), overload},
		{"long layouts", nested(`time("2021", ["2006" + payload.text, "2006"]) == nil`), overload},
		{"long names of zones", `formatTime(1611741600, "2006", payload.text)`, "is not a time zone"},
		{"many characters to trim", `len(trim(payload.umlauts, payload.cut))`, ""},
		{"a pattern of many groups", `capture(payload.text[:20000], "` + strings.Repeat("(a?)", 500) + `b")`, overload},
		{"a sort that does not end", `payload.p[9999999999999]`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			used := cost(func() { got = evaluate(t, tt.expression, event("t/a/b", payload)) })
			if bad := strings.Contains(got, "rejected: ") || strings.Contains(got, "load: "); bad != (tt.want != "") || !strings.Contains(got, tt.want) {
				t.Errorf("gives %.200s, want %q", got, tt.want)
			}
			used.check(t, 256<<20)
		})
	}
}

// The work of an each is bounded over all its elements; those that are left are rejected together,
// and each is counted.
func TestWorkOfEach(t *testing.T) {
	m := mapper(t, `
rules:
  - name: large
    topic: t
    each: payload.items
    queue: /queue/message
    fields:
      conversation_id: `+idA+`
      channel_id: `+idA+`
      message: {id: '=uuid("m", item)', content: =payload.text, delivery_state: PENDING, sender_type: app_user}
`)
	payload := `{"items":[1` + strings.Repeat(",1", 999) + `],"text":"` + strings.Repeat("x", 500<<10) + `"}`
	var r mapping.Result
	used := cost(func() { r = m.Map(event("t", payload)) })
	used.check(t, 256<<20)
	if len(r.Outcomes) != 1000 || len(r.Outputs) == 0 || len(r.Outputs) > 40 || len(r.Rejections) > 2 {
		t.Errorf("%d outcomes, %d outputs, %d rejections", len(r.Outcomes), len(r.Outputs), len(r.Rejections))
	}
	last := r.Rejections[len(r.Rejections)-1]
	if last.Kind != "too much work" || !strings.Contains(last.Reason, "to 999 were not mapped") {
		t.Errorf("rejection %s", last)
	}
}

// What is remembered may be larger than the event, and costs by its own size.
func TestHostileMemory(t *testing.T) {
	m := mapper(t, `
memory: {a: {}}
rules:
  - name: compared
    topic: t
    payload: text
    let: {l: 'memory.a["l"]', x: 'memory.a["x"]', y: 'memory.a["y"]'}
    remember: {a: {key: z, value: '=count(l, count(l, x == y) > 0)'}}
  - name: missing
    topic: t
    payload: text
    let: {l: 'memory.a["l"]'}
    remember: {a: {key: z, value: '=count(l, count(l, memory.a[payload] != nil) > 0)'}}
`)
	store := memory.New()
	store.Configure(m.Memories())
	list := "[1" + strings.Repeat(",1", 999) + "]"
	large := "[" + list + strings.Repeat(","+list, 30) + "]" // nearly 64 KiB
	tx := store.Begin(received)
	tx.Apply([]memory.Change{{Memory: "a", Key: "l", Text: list}, {Memory: "a", Key: "x", Text: large}, {Memory: "a", Key: "y", Text: large}})
	e := event("t", "none")
	e.State = tx
	var got string
	used := cost(func() { got = outcomes(m.Map(e)) })
	if got != "compared rejected (too much work), missing rejected (too much work)" {
		t.Error(got)
	}
	used.check(t, 256<<20)
}

// A heapState remembers one text under every key. It looks at the heap when it is asked for "look".
type heapState struct {
	mapping.State
	text  string
	heaps []uint64
}

func (s *heapState) Recall(_, key string) (string, bool) {
	if key == "look" {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		s.heaps = append(s.heaps, stats.HeapAlloc)
	}
	return s.text, true
}

// What rules recall does not add up from one to the next.
func TestRecalledIsForgotten(t *testing.T) {
	rules := "memory: {a: {}}\nrules:\n"
	for i := range 5 {
		rules += fmt.Sprintf("  - {name: r%d, topic: t, each: 'memory.a[\"look\"] != nil ? payload.l : nil', queue: /queue/message, fields: {conversation_id: '%s', "+
			"channel_id: '%s', message: {id: '=uuid(\"m\", toJSON(memory.a[item]) != nil ? item : nil)', delivery_state: PENDING, sender_type: app_user, content: '=payload.x ?? 1'}}}\n", i, idA, idB)
	}
	state := &heapState{text: "[1" + strings.Repeat(",1", 30_000) + "]"}
	e := event("t", `{"x": { "n": 1.0 }, "l": [1`+strings.Repeat(",1", 39)+"]}")
	e.State = state
	r := mapper(t, rules).Map(e)
	if len(r.Outputs) != 200 || len(r.Rejections) > 0 {
		t.Fatalf("%d outputs, %v", len(r.Outputs), r.Rejections)
	}
	for _, o := range r.Outputs {
		if !strings.Contains(string(o.Body), `"content":"{ \"n\": 1.0 }"`) {
			t.Fatalf("%s", o.Body)
		}
	}
	if most := state.heaps[0] + 60<<20; state.heaps[4] > most {
		t.Errorf("heaps %d", state.heaps)
	}
}

// What a rejection says is bounded too, whatever the event holds.
func TestHostileRejections(t *testing.T) {
	m := mapper(t, `
rules:
  - name: missing
    topic: t
    each: payload.items
    queue: /queue/message
    fields:
      conversation_id: =payload.a
      channel_id: =payload.b
      message: {id: =payload.text, content: =payload.o, delivery_state: =payload.text, sender_type: =payload.d, sent_at: =payload.text}
`)
	var keys strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&keys, `,"k%d":0`, i)
	}
	payload := `{"items":[1` + strings.Repeat(",1", 999) + `],"text":"` + strings.Repeat("ü", 100<<10) + `"` + keys.String() + `,"o":{}}`
	var r mapping.Result
	used := cost(func() { r = m.Map(event("t", payload)) })
	used.check(t, 256<<20)
	if len(r.Outcomes) != 1000 {
		t.Errorf("%d outcomes", len(r.Outcomes))
	}
	for _, j := range r.Rejections {
		if len(j.Reason) > 2000 {
			t.Errorf("a reason of %d bytes: %.200s", len(j.Reason), j.Reason)
		}
	}
}

// Rules come from the operator's file; but a file that is wrong must not take the process down
// either.
func TestHostileRules(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	rule := func(content string) string {
		return "rules:\n  - {name: r, topic: r, queue: /queue/message, fields: {conversation_id: " + idA + ", channel_id: " + idA +
			", message: {id: " + idA + ", delivery_state: PENDING, sender_type: app_user, content: " + content + "}}}\n"
	}
	tests := []struct{ name, text, want string }{
		{"aliases that multiply", bomb + rule("*j"), "this holds more than 10000 values"},
		{"an alias of itself", rule("&a [*a]"), "nests deeper than 64 levels"},
		{"deep", rule(strings.Repeat("[", 100) + strings.Repeat("]", 100)), "nests deeper than 64 levels"},
		{"fields that hold themselves", "rules:\n  - {name: r, topic: r, queue: /queue/message, fields: &f {message: *f}}\n", "unknown field"},
		{"fields of an unknown queue that hold themselves", "rules:\n  - {name: r, topic: r, queue: x, fields: &f {message: &g [*f, *g]}}\n", "no queue"},
		{"tests with the payload of itself", "tests:\n  - {topic: t, payload: &p [*p], expect: filtered}\n", "nests deeper than 64 levels"},
		{"a long topic", "rules:\n  - {name: r, topic: " + strings.Repeat("a/", 40000) + ", queue: x, fields: {}}\n", "the topic has 80000 bytes, and MQTT takes at most 65535"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			used := cost(func() {
				_, report := compile("rules.yaml", tt.text)
				err = report.Err()
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Err() = %v, want %q in it", err, tt.want)
			}
			used.check(t, 256<<20)
		})
	}
}
