package mapping_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// A house runs rules over events in sequence, with a store, as the bridge does.
type house struct {
	m     *mapping.Mapper
	store *memory.Store
	now   time.Time
}

func newHouse(t testing.TB, rules string) *house {
	t.Helper()
	h := &house{m: mapper(t, rules), store: memory.New(), now: received}
	h.store.Configure(h.m.Memories())
	return h
}

// event maps an event and says what came: outputs, changes and what else became of it.
func (h *house) event(e mapping.Event) (mapping.Result, []string) {
	tx := h.store.Begin(h.now)
	e.Received, e.State = h.now, tx
	trace := h.m.Explain(e)
	tx.Commit()
	return trace.Result, came(trace.Result)
}

func came(r mapping.Result) (lines []string) {
	for _, o := range r.Outputs {
		lines = append(lines, string(o.Body))
	}
	for _, c := range r.Changes {
		lines = append(lines, c.String())
	}
	for _, j := range r.Rejections {
		lines = append(lines, j.Stage+": "+j.Reason)
	}
	for _, o := range r.Outcomes {
		if o.What == mapping.Duplicate {
			lines = append(lines, "duplicate")
		}
	}
	return lines
}

// silent makes rules that only remember and forget; each text is the rest of a rule, without its
// name.
func silent(memories string, rules ...string) string {
	var b strings.Builder
	b.WriteString("memory: {" + memories + "}\nrules:\n")
	for i, r := range rules {
		b.WriteString("  - name: r" + string(rune('0'+i)) + "\n    " + strings.ReplaceAll(r, "\n", "\n    ") + "\n")
	}
	return b.String()
}

// One event after another: what each rule remembers and forgets is what the next one sees.
func TestRemember(t *testing.T) {
	const count = "topic: in/{c}\nlet: {n: '(memory.unread[topic.c] ?? 0) + 1'}\nremember: {unread: {key: =topic.c, value: =n}}"
	const read = "topic: read/{c}\nforget: {unread: =topic.c}"
	const list = "topic: list\neach: payload\nremember: {unread: {key: =item.k, value: '=(memory.unread[item.k] ?? 0) + 1'}}"
	type step struct {
		topic, payload string
		want           []string
	}
	for _, tt := range []struct {
		name, rules string
		steps       []step
	}{
		{"counts and resets", silent("unread", count, read), []step{
			{"in/a", `{}`, []string{`remembers unread["a"]: 1`}},
			{"in/a", `{}`, []string{`remembers unread["a"]: 1 -> 2`}},
			{"in/b", `{}`, []string{`remembers unread["b"]: 1`}},
			{"read/a", `{}`, []string{`forgets unread["a"]: 2`}},
			{"read/a", `{}`, []string{`forgets unread["a"]`}},
			{"in/a", `{}`, []string{`remembers unread["a"]: 1`}},
		}},
		{"a rule sees memory as it was before it, the next rule as it is after", silent("unread", count, count+"\nwhen: n == 2"), []step{
			{"in/a", `{}`, []string{`remembers unread["a"]: 1`, `remembers unread["a"]: 1 -> 2`}},
			{"in/a", `{}`, []string{`remembers unread["a"]: 2 -> 3`}},
		}},
		{"an element sees what the one before has changed", silent("unread", list), []step{
			{"list", `[{"k":"a"},{"k":"b"},{"k":"a"}]`, []string{`remembers unread["a"]: 1`, `remembers unread["b"]: 1`, `remembers unread["a"]: 1 -> 2`}},
		}},
		{"so does a when, and a let that depends on no element", silent("last",
			"topic: list\neach: payload\nlet: {before: 'memory.last[\"k\"]'}\nwhen: before == nil or before < 3\nremember: {last: {key: k, value: =item}}"), []step{
			{"list", `[1,2,3,4]`, []string{`remembers last["k"]: 1`, `remembers last["k"]: 1 -> 2`, `remembers last["k"]: 2 -> 3`}},
		}},
		{"a rejected element changes nothing", silent("unread", list+"\nlet: {ok: 'int(item.v)'}\nwhen: ok == 1 or ok == 2"), []step{
			{"list", `[{"k":"a","v":1},{"k":"a","v":"x"},{"k":"a","v":2}]`, []string{
				`remembers unread["a"]: 1`, `remembers unread["a"]: 1 -> 2`, `when: let ok: "x" is not a number`}},
		}},
		{"several keys, as a whole", silent("a, b",
			"topic: swap\nremember:\n  a: [{key: x, value: '=memory.b[\"x\"] ?? 1'}, {key: 7, value: seven}]\n  b: {key: x, value: '=memory.a[\"x\"] ?? 2'}"), []step{
			{"swap", `{}`, []string{`remembers a["x"]: 1`, `remembers a["7"]: "seven"`, `remembers b["x"]: 2`}},
			{"swap", `{}`, []string{`remembers a["x"]: 1 -> 2`, `remembers a["7"]: "seven" -> "seven"`, `remembers b["x"]: 2 -> 1`}},
		}},
		{"a number and its digits are one key", silent("n", "topic: t\nremember: {n: {key: =payload.k, value: '=(memory.n[payload.k] ?? 0) + 1'}}"), []step{
			{"t", `{"k":7}`, []string{`remembers n["7"]: 1`}},
			{"t", `{"k":"7"}`, []string{`remembers n["7"]: 1 -> 2`}},
			{"t", `{"k":7.0}`, []string{`remembers n["7"]: 2 -> 3`}},
			{"t", `{"k":7.5}`, []string{"remember: remember n: key: 7.5 has a fraction or an exponent, and text takes whole numbers; write string(…) if it is meant"}},
			{"t", `{"k":true}`, []string{"remember: remember n: key: true or false is not text"}},
			{"t", `{}`, []string{`remember: remember n: the key has no value: payload has no "k"; it has: nothing`}},
			{"t", `{"k":"` + strings.Repeat("k", 1025) + `"}`, []string{"remember: remember n: the key is 1025 bytes; at most 1024 are allowed"}},
		}},
		{"values of every kind, their bytes as they came", silent("v", "topic: t\nremember: {v: {key: k, value: =payload.v}}"), []step{
			{"t", `{"v":{"b": 1.50, "a":[1e2 ,null]}}`, []string{`remembers v["k"]: {"b": 1.50, "a":[1e2 ,null]}`}},
			{"t", `{"v":"ü\u0000"}`, []string{`remembers v["k"]: {"b": 1.50, "a":[1e2 ,null]} -> "ü\u0000"`}},
			{"t", `{"v":9007199254740993}`, []string{`remembers v["k"]: "ü\u0000" -> 9007199254740993`}},
			{"t", `{"v":false}`, []string{`remembers v["k"]: 9007199254740993 -> false`}},
			{"t", `{"v":null}`, []string{`remember: remember v: value: no value: payload.v is null; to take a key away write forget`}},
			{"t", `{"v":"` + strings.Repeat("x", 64<<10-1) + `"}`, []string{"remember: remember v: value: its JSON text is 65537 bytes; at most 65536 are allowed"}},
			{"t", `{"v":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, []string{"remembers v[\"k\"]: false -> " + strings.Repeat("[", 64) + strings.Repeat("]", 56) + "…"}},
		}},
		{"what is built nests no deeper than what is read", silent("v", "topic: t\nremember: {v: {key: k, value: [=payload]}}"), []step{
			{"t", strings.Repeat("[", 64) + strings.Repeat("]", 64), []string{"remember: remember v: value: nests deeper than 64 levels"}},
			{"t", `[]`, []string{`remembers v["k"]: [[]]`}},
		}},
		{"written as a content", silent("v", "topic: t\nremember: {v: {key: k, value: {n: 1, t: '1', x: =payload.x, y?: =payload.y, l: [true, =received]}}}"), []step{
			{"t", `{"x":null}`, []string{`remembers v["k"]: {"n":1,"t":"1","x":null,"l":[true,"2026-03-04T05:06:07.890Z"]}`}},
		}},
		{"a number stays one", silent("v", "topic: t\nremember: {v: {key: k, value: 5}}", "topic: t\nwhen: memory.v[\"k\"] == 5\nforget: {v: k}"), []step{
			{"t", `{}`, []string{`remembers v["k"]: 5`, `forgets v["k"]: 5`}},
		}},
		{"one key twice", silent("v", "topic: t\nremember: {v: [{key: =payload.a, value: 1}, {key: =payload.b, value: 2}]}\nforget: {v: =payload.c}"), []step{
			{"t", `{"a":1,"b":2,"c":3}`, []string{`remembers v["1"]: 1`, `remembers v["2"]: 2`, `forgets v["3"]`}},
			{"t", `{"a":1,"b":2,"c":"1"}`, []string{`forget: forget v: the rule changes the key "1" twice`}},
			{"t", `{"a":1,"b":1,"c":3}`, []string{`remember: remember v: the rule changes the key "1" twice`}},
		}},
		{"dedupe", silent("n", "topic: t\ndedupe: {key: payload.id, window: 1h}\nwhen: payload.ok\nremember: {n: {key: k, value: '=(memory.n[\"k\"] ?? 0) + 1'}}"), []step{
			{"t", `{"id":1,"ok":false}`, nil},
			{"t", `{"id":1,"ok":true}`, []string{`remembers n["k"]: 1`}},
			{"t", `{"id":1,"ok":true}`, []string{"duplicate"}},
			{"t", `{"ok":true}`, []string{`remembers n["k"]: 1 -> 2`}},
			{"t", `{"ok":true}`, []string{`remembers n["k"]: 2 -> 3`}},
		}},
		{"a key that cannot be there", silent("n", "topic: t\nwhen: memory.n[payload.k] == nil\nremember: {n: {key: k, value: 1}}"), []step{
			{"t", `{"k":"` + strings.Repeat("k", 2000) + `"}`, []string{`remembers n["k"]: 1`}},
			{"t", `{"k":"k"}`, nil},
			{"t", `{"k":{}}`, []string{"when: the key of memory.n: an object is not text"}},
			{"t", `{}`, []string{`remembers n["k"]: 1 -> 1`}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, tt.rules)
			for i, s := range tt.steps {
				if _, got := h.event(event(s.topic, s.payload)); !cmp.Equal(s.want, got) {
					t.Errorf("step %d (-want +got):\n%s", i, cmp.Diff(s.want, got))
				}
			}
		})
	}
}

// A rule with forgotten is for a key whose time is up: it sees the key, what was remembered and when
// its time was up, and changes memory as any other rule.
func TestForgotten(t *testing.T) {
	h := newHouse(t, `
memory: {seen: {for: 10m}, gone: {}}
rules:
  - {name: seen, topic: 'seen/{id}', remember: {seen: {key: =topic.id, value: =payload}}}
  - name: gone
    forgotten: seen
    let: {again: '(memory.gone[key] ?? 0) + 1'}
    when: value.on
    remember: {gone: {key: =key, value: =again}}
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", key)', unread_message_count: =value.n + again}
  - {name: once more, forgotten: seen, when: not value.on, remember: {seen: {key: =key, value: {on: true, n: 0, was: '=memory.seen[key]'}}}}
`)
	h.event(event("seen/a", `{"on":true,"n":5}`))
	h.event(event("seen/b", `{"on":false,"n":5}`))
	h.now = h.now.Add(time.Hour)
	var got []string
	for x, ok := h.store.Due(h.now); ok; x, ok = h.store.Due(h.now) {
		tx := h.store.Begin(x.At)
		tx.Expire(x)
		r := h.m.Forgotten(x, tx, nil)
		tx.Commit()
		got = append(append(got, x.Key), came(r)...)
	}
	body := func(kind, n, at string) string {
		return `{"conversation_id":"` + kind + `","unread_message_count":` + n + `,"timestamp":"2026-03-04T05:` + at + `:07.890Z"}`
	}
	const a, b = "6c7e9b5d-07f5-5485-9513-ee51e981480d", "c153ade1-85e0-5102-a031-95816b3ed7db"
	want := []string{
		"a", body(a, "6", "16"), `remembers gone["a"]: 1`,
		"b", `remembers seen["b"]: {"on":true,"n":0,"was":null}`,
		"b", body(b, "1", "26"), `remembers gone["b"]: 1`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Without a State rules know nothing and what they would remember is told; dedupe drops nothing.
func TestRememberWithoutState(t *testing.T) {
	m := mapper(t, silent("n", "topic: t\ndedupe: {key: payload.id, window: 1h}\nremember: {n: {key: k, value: '=(memory.n[\"k\"] ?? 0) + 1'}}"))
	for range 2 {
		r := m.Map(event("t", `{"id":1}`))
		want := mapping.Result{
			Changes:  []mapping.Change{{Rule: "r0", Item: -1, Memory: "n", Key: "k", After: "1"}},
			Outcomes: []mapping.Outcome{{Rule: "r0", Item: -1, What: mapping.Mapped, Silent: true}},
		}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// An output that would be too long a message is rejected, and what its rule would have remembered
// is not; at the limit itself it is sent.
func TestTooLongAMessageIsNotRemembered(t *testing.T) {
	const rules = `
memory: {n: {}}
rules:
  - name: r
    topic: t
    dedupe: {key: '"k"', window: 1h}
    remember: {n: {key: k, value: '=(memory.n["k"] ?? 0) + 1'}}
    queue: /queue/channel/connected
    fields: {id: ` + idA + `, name: =payload, source: s, source_channel_id: c}
`
	around := len(`{"id":"` + idA + `","name":"","source":"s","source_channel_id":"c"}`)
	m, report := compileWith("rules.yaml", rules, mapping.Options{MaxMessage: 8 << 10})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	h := &house{m: m, store: memory.New(), now: received}
	h.store.Configure(m.Memories())
	fits := strings.Repeat("x", 8<<10-1<<10-around)
	if _, got := h.event(event("t", `"`+fits+`x"`)); !cmp.Equal(got, []string{"message: becomes a message of 8193 bytes, server.limits.message is 8192"}) {
		t.Errorf("too long: %q", got)
	}
	if r, got := h.event(event("t", `"`+fits+`"`)); len(r.Outputs) != 1 || got[1] != `remembers n["k"]: 1` {
		t.Errorf("at the limit: %q", got)
	}
}

// What one event remembers is bounded: by the work of its rule, whatever the elements are.
func TestHostileRemember(t *testing.T) {
	changes := make([]string, 32)
	for i := range changes {
		changes[i] = "{key: =string(index) + \"/" + strings.Repeat("k", i) + "\", value: =payload.v}"
	}
	h := newHouse(t, silent("v: {max_bytes: 1MiB}", "topic: t\neach: payload.l\nremember: {v: ["+strings.Join(changes, ", ")+"]}"))
	payload := `{"v":"` + strings.Repeat("x", 60<<10) + `","l":[1` + strings.Repeat(",1", 999) + `]}`
	var r mapping.Result
	cost(func() {
		tx := h.store.Begin(received)
		e := event("t", payload)
		e.State = tx
		r = h.m.Map(e)
		tx.Commit()
		for len(h.store.Evict(1000)) > 0 {
		}
	}).check(t, 128<<20)
	if n := len(r.Changes); n == 0 || n > 300 || len(r.Rejections) == 0 || r.Rejections[len(r.Rejections)-1].Kind != "too much work" {
		t.Errorf("%d changes, %d rejections", n, len(r.Rejections))
	}
	if c := h.store.Counts()[0]; c.Bytes > 1<<20 {
		t.Errorf("%d bytes remembered", c.Bytes)
	}
}

// Rules says which memories a rule reads, also through its lets, and which it changes.
func TestMemoriesOfRules(t *testing.T) {
	m := mapper(t, silent("a, b, c",
		"topic: x\nlet: {seen: 'memory.a[payload]'}\nwhen: seen == nil && memory.b[payload] == nil\nremember: {c: {key: =payload, value: 1}}\nforget: {a: =payload}",
		"forgotten: c\nremember: {b: {key: =key, value: '=memory.b[key] ?? value'}}"))
	type uses struct{ Recalls, Changes []string }
	var got []uses
	for _, r := range m.Rules() {
		got = append(got, uses{r.Recalls, r.Changes})
	}
	want := []uses{{[]string{"a", "b"}, []string{"c", "a"}}, {[]string{"b"}, []string{"b"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("memories (-want +got):\n%s", diff)
	}
}
