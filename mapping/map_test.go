package mapping_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
)

// outcomes tells a result in words: "rule item end why".
func outcomes(r mapping.Result) string {
	var words []string
	for _, o := range r.Outcomes {
		w := o.Rule
		if o.Item >= 0 {
			w += fmt.Sprintf("[%d]", o.Item)
		}
		w += " " + o.What.String()
		if o.Why != "" {
			w += " (" + o.Why + ")"
		}
		words = append(words, w)
	}
	return strings.Join(words, ", ")
}

// channelFields are valid fields of a channel.
const channelFields = `{id: ` + idA + `, name: n, source: s, source_channel_id: =mqtt.topic}`

func TestOutcomes(t *testing.T) {
	m := mapper(t, `
rules:
  - {name: plain, topic: plain/#, queue: /queue/channel/connected, fields: `+channelFields+`}
  - {name: text, topic: text, payload: text, queue: /queue/channel/connected, fields: `+channelFields+`}
  - {name: empty, topic: '+', payload: empty, queue: /queue/channel/disconnected, fields: `+channelFields+`}
  - {name: ignore, topic: ignore, payload: ignore, queue: /queue/channel/connected, fields: `+channelFields+`}
  - {name: deliver, topic: deliver, retained: deliver, queue: /queue/channel/connected, fields: `+channelFields+`}
  - {name: when, topic: when, when: payload.ok, queue: /queue/channel/connected, fields: `+channelFields+`}
  - {name: first, topic: first, when: 'mqtt.content_type == "a" and payload.ok', queue: /queue/channel/connected, fields: `+channelFields+`}
  - {name: queues, topic: queues, queue: {/queue/channel/connected: payload.on, /queue/channel/disconnected: =payload.off}, fields: `+channelFields+`}
  - {name: field, topic: field, queue: /queue/channel/connected, fields: {id: =payload.id, name: =payload.name, source: s, source_channel_id: c}}
`)
	tests := []struct {
		name string
		e    mapping.Event
		want string
	}{
		{"no rule", event("none/x", "{}"), ""},
		{"json", event("plain/a", "{}"), "plain mapped"},
		{"a bare value", event("plain/a", " 5 "), "plain mapped"},
		{"not JSON, though no field looks at it", event("plain/a", "online"), "plain rejected (not JSON)"},
		{"bytes behind the value", event("plain/a", "{} {}"), "plain rejected (not JSON)"},
		{"not UTF-8", event("plain/a", "\"\xff\""), "plain rejected (not UTF-8)"},
		{"a key twice", event("plain/a", `{"a": {"b": 1, "\u0062": 2}}`), "plain rejected (duplicate key)"},
		{"deepest", event("plain/a", strings.Repeat("[", 65)+strings.Repeat("]", 65)), "plain mapped"},
		{"too deep", event("plain/a", strings.Repeat("[", 66)+strings.Repeat("]", 66)), "plain rejected (too deep)"},
		{"largest", event("plain/a", `"`+strings.Repeat("x", 1<<20-2)+`"`), "plain mapped"},
		{"too large", event("plain/a", `"`+strings.Repeat("x", 1<<20-1)+`"`), "plain rejected (too large)"},
		{"empty for json", event("plain/a", ""), "plain filtered (payload)"},
		{"empty for empty", event("plain", ""), "plain filtered (payload), empty mapped"},
		{"white space is not empty", event("plain", " "), "plain rejected (not JSON), empty filtered (payload)"},
		{"text", event("text", "online"), "text mapped, empty filtered (payload)"},
		{"text of JSON", event("text", "{"), "text mapped, empty filtered (payload)"},
		{"text not UTF-8", event("text", "\xff"), "text rejected (not UTF-8), empty filtered (payload)"},
		{"ignored bytes", event("ignore", "\xff"), "empty filtered (payload), ignore mapped"},
		{"ignored nothing", event("ignore", ""), "empty mapped, ignore mapped"},
		{"retained skipped", mapping.Event{Topic: "plain/a", Payload: []byte("{}"), Retained: true}, "plain filtered (retained)"},
		{"retained delivered", mapping.Event{Topic: "deliver", Payload: []byte("{}"), Retained: true}, "empty filtered (retained), deliver mapped"},
		{"when true", event("when", `{"ok": true}`), "empty filtered (payload), when mapped"},
		{"when false", event("when", `{"ok": false}`), "empty filtered (payload), when filtered (when)"},
		{"when nothing", event("when", `{}`), "empty filtered (payload), when filtered (when)"},
		{"when of another type", event("when", `{"ok": 1}`), "empty filtered (payload), when rejected (not a condition)"},
		{"when of a payload that is none", event("when", `{`), "empty filtered (payload), when rejected (not JSON)"},
		{"when that need not look", event("first", `{`), "empty filtered (payload), first filtered (when)"},
		{"queue one", event("queues", `{"on": true, "off": true}`), "empty filtered (payload), queues mapped"},
		{"queue none", event("queues", `{}`), "empty filtered (payload), queues filtered (queue)"},
		{"queue of another type", event("queues", `{"on": "yes"}`), "empty filtered (payload), queues rejected (not a condition)"},
		{"field", event("field", `{"id": "x"}`), "empty filtered (payload), field rejected (not a UUID)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := m.Map(tt.e)
			if diff := cmp.Diff(tt.want, outcomes(r)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
			mapped, rejected := 0, 0
			for _, o := range r.Outcomes {
				switch o.What {
				case mapping.Mapped:
					mapped++
				case mapping.Rejected:
					rejected++
				}
			}
			if len(r.Outputs) != mapped || len(r.Rejections) != rejected {
				t.Errorf("%d outputs, %d rejections; outcomes: %s", len(r.Outputs), len(r.Rejections), outcomes(r))
			}
		})
	}
}

func TestQueueConditions(t *testing.T) {
	m := mapper(t, `
rules:
  - {name: q, topic: q, queue: {/queue/channel/connected: payload.on, /queue/channel/disconnected: true}, fields: `+channelFields+`}
`)
	for payload, want := range map[string]string{`{"on": true}`: contract.QueueChannelConnected, `{}`: contract.QueueChannelDisconnected} {
		r := m.Map(event("q", payload))
		if len(r.Outputs) != 1 || r.Outputs[0].Queue != want {
			t.Errorf("%s: %+v, want one output for %s", payload, r, want)
		}
	}
}

const batchRules = `
rules:
  - name: batch
    topic: batch/{tenant}
    when: payload.kind == "batch"
    each: payload.events
    queue: /queue/message
    fields:
      conversation_id: =item.conversation
      channel_id: =uuid("tenant", topic.tenant)
      message:
        id: =item.id ?? uuid("batch", string(index))
        content: =item.content
        delivery_state: =item.state ?? "DELIVERED"
        sender_type: =item.sender
  - name: some
    topic: batch/{tenant}
    each: filter(payload.events, .ok) 
    when: payload.kind == "some" and item.n > 1
    queue: /queue/unread-count
    fields: {conversation_id: ` + idA + `, unread_message_count: =item.n}
`

func TestEach(t *testing.T) {
	m := mapper(t, batchRules)
	good := `{"conversation":"` + idA + `","content":{"b":1.0,"a":2},"sender":"app_user"}`
	bad := `{"conversation":"nope","content":"x","sender":"bot"}`
	tests := []struct{ name, payload, want string }{
		{"all good", `{"kind":"batch","events":[` + good + `,` + good + `]}`, "batch[0] mapped, batch[1] mapped, some filtered (items)"},
		{"one bad", `{"kind":"batch","events":[` + good + `,` + bad + `,` + good + `]}`, "batch[0] mapped, batch[1] rejected (not a UUID), batch[2] mapped, "},
		{"not for it, and no list either", `{"kind":"other"}`, "batch filtered (when), some filtered (items)"},
		{"no list", `{"kind":"batch","events":{"a":1}}`, "batch rejected (not a list), some rejected (expression)"},
		{"missing", `{"kind":"batch"}`, "batch filtered (items), some filtered (items)"},
		{"null", `{"kind":"batch","events":null}`, "batch filtered (items), some filtered (items)"},
		{"empty", `{"kind":"batch","events":[]}`, "batch filtered (items), some filtered (items)"},
		{"too many", `{"kind":"batch","events":[0` + strings.Repeat(",0", 1000) + `]}`, "batch rejected (too many items), some rejected (too large)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := outcomes(m.Map(event("batch/acme", tt.payload)))
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("outcomes %s, want %s", got, tt.want)
			}
		})
	}

	r := m.Map(event("batch/acme", `{"kind":"some","events":[{"n":1,"ok":true},{"n":2},{"n":3,"ok":true}]}`))
	if want := "batch filtered (when), some[0] filtered (when), some[1] mapped"; outcomes(r) != want {
		t.Errorf("outcomes %s, want %s", outcomes(r), want)
	}
}

// The content of an element keeps its own bytes, the good elements around a bad one are sent, and
// the rejection names all fields that failed.
func TestEachKeepsBytes(t *testing.T) {
	m := mapper(t, batchRules)
	r := m.Map(event("batch/acme", `{"kind":"batch", "events": [
		{"conversation":"`+idA+`","content": {"z": 1.50, "a" : "]}"} ,"sender":"app_user"},
		{"conversation":"nope","content":"x","sender":"bot"},
		{"conversation":"`+idB+`","content":[ 1 ],"sender":"source_user"}]}`))
	var got []string
	for _, o := range r.Outputs {
		var content string
		if _, after, ok := strings.Cut(string(o.Body), `"content":`); ok {
			content, _, _ = strings.Cut(after, `,"delivery_state"`)
		}
		got = append(got, content)
	}
	if diff := cmp.Diff([]string{`"{\"z\": 1.50, \"a\" : \"]}\"}"`, `"[ 1 ]"`}, got); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	want := []mapping.Rejection{{
		Rule: "batch", Stage: "fields", Queue: contract.QueueMessage, Field: "conversation_id", Item: 1, File: "rules.yaml", Line: 9, Kind: "not a UUID",
		Reason: `conversation_id: "nope" is not a UUID; derive one with uuid("a name for this kind of id", …); ` +
			`message.sender_type: "bot" is not one of source_contact, source_user, app_user`,
		Fields: []mapping.FieldError{
			{Field: "conversation_id", Source: "=item.conversation", File: "rules.yaml", Line: 9, Kind: "not a UUID",
				Reason: `"nope" is not a UUID; derive one with uuid("a name for this kind of id", …)`},
			{Field: "message.sender_type", Source: "=item.sender", File: "rules.yaml", Line: 15, Kind: "not one of the values",
				Reason: `"bot" is not one of source_contact, source_user, app_user`},
		},
	}}
	if diff := cmp.Diff(want, r.Rejections); diff != "" {
		t.Errorf("rejections (-want +got):\n%s", diff)
	}
}

func TestRejections(t *testing.T) {
	m := mapper(t, `
tables:
  sender: {customer: source_contact}
rules:
  - name: message
    topic: m/{x}
    when: payload.n > 0
    queue: /queue/message
    fields:
      conversation_id: `+idA+`
      channel_id: `+idA+`
      message:
        id: =uuid("m", payload.id)
        content: {v: '=payload.n + payload.text'}
        delivery_state: PENDING
        sender_type: =table.sender[payload.from.role]
  - name: list
    topic: l
    each: payload.items
    queue: /queue/unread-count
    fields: {conversation_id: =item.a, unread_message_count: '=item.b[1].c'}
  - name: number
    topic: n
    payload: text
    queue: /queue/unread-count
    fields: {conversation_id: =mqtt.user.id, unread_message_count: =payload}
`)
	tests := []struct{ topic, payload, want string }{
		{"m/x", `{}`, `rule "message" (rules.yaml:7): > compares two numbers, texts or times, not nothing and a number: payload has no "n"; it has: nothing`},
		{"m/x", `[]`, `rule "message" (rules.yaml:7): > compares two numbers, texts or times, not nothing and a number: payload is a list, not an object`},
		{"m/x", `nope`, `rule "message" (rules.yaml:5): the payload is not JSON: invalid character 'o' in literal null (expecting 'u'), at byte 2 of 4`},
		{"m/x", ``, ``},
		{"m/x", `{"n":1}`, `rule "message" (rules.yaml:13): message.id: no value: payload has no "id"; it has: n; message.sender_type: no value: payload has no "from"; it has: n`},
		{"m/x", `{"n":1,"id":1,"from":{"name":"G", "rôle":"x"},"text":"a"}`,
			`rule "message" (rules.yaml:14): message.content: =payload.n + payload.text: + joins two texts or adds two numbers, not a number and text; write string(…); ` +
				`message.sender_type: no value: payload.from has no "role"; it has: name, rôle`},
		{"m/x", `{"n":1,"id":1,"from":"G"}`, `rule "message" field message.sender_type (rules.yaml:16): no value: payload.from is text, not an object`},
		{"m/x", `{"n":1,"id":1,"from":null}`, `rule "message" field message.sender_type (rules.yaml:16): no value: payload.from is null`},
		{"m/x", `{"n":1,"id":1,"from":{"role":"bot"}}`, `rule "message" field message.sender_type (rules.yaml:16): no value: table.sender has no "bot"`},
		{"l", `{"items":[{"a":"` + idA + `"}]}`, `rule "list" item 0 field unread_message_count (rules.yaml:21): no value: item has no "b"; it has: a`},
		{"l", `{"items":[{"a":"` + idA + `","b":[1]}]}`, `rule "list" item 0 field unread_message_count (rules.yaml:21): no value: item.b has 1 elements`},
		{"l", `{"items":[{"a":"` + idA + `","b":[1,null]}]}`, `rule "list" item 0 field unread_message_count (rules.yaml:21): no value: item.b[1] is null`},
		{"l", `{"items":[{"a":"` + idA + `","b":{"c":1}}]}`, `rule "list" item 0 field unread_message_count (rules.yaml:21): no value: item.b is an object, not a list`},
		{"l", `{"items":{"a":1}}`,
			`rule "list" (rules.yaml:19): each: payload.items is an object, not a list; to go through its keys write keys(payload.items)`},
		{"l", `{"items":"x"}`, `rule "list" (rules.yaml:19): each: payload.items is text, not a list`},
		{"n", `7`, `rule "number" field conversation_id (rules.yaml:26): no value: the message has no user property "id"`},
	}
	for _, tt := range tests {
		r := m.Map(event(tt.topic, tt.payload))
		var got []string
		for _, r := range r.Rejections {
			got = append(got, r.String())
			if r.Kind == "" || strings.Contains(r.Kind, `"`) {
				t.Errorf("%s: kind %q", tt.payload, r.Kind)
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", tt.topic, tt.payload, diff)
		}
	}
}

func TestStamp(t *testing.T) {
	m := mapper(t, `
rules:
  - {name: default, topic: d, queue: /queue/unread-count, fields: {conversation_id: =payload.c, unread_message_count: =payload.n}}
  - {name: given, topic: g, queue: /queue/unread-count, fields: {conversation_id: =payload.c, unread_message_count: 1, timestamp: =payload.t}}
  - {name: message, topic: m, queue: /queue/message, fields: {conversation_id: `+idA+`, channel_id: `+idA+`,
     message: {id: `+idA+`, content: x, delivery_state: PENDING, sender_type: app_user}}}
`)
	var calls []string
	stamp := received.Add(time.Hour)
	stamped := func(topic, payload string) mapping.Event {
		e := event(topic, payload)
		e.Stamp = func(conversation string, at time.Time) time.Time {
			calls = append(calls, fmt.Sprint(conversation, at.Equal(received)))
			return stamp
		}
		return e
	}
	counted := `{"c":"` + idB + `","n":1,"t":1611741600}`
	for _, tt := range []struct {
		topic, payload, field, want string
		calls                       int
	}{
		{"d", counted, "timestamp", `"2026-03-04T06:06:07.890Z"`, 1},
		{"g", counted, "timestamp", `"2021-01-27T10:00:00.000Z"`, 0},
		{"m", counted, "message.sent_at", `"2026-03-04T05:06:07.890Z"`, 0},
		{"d", `{"c":"` + idB + `","n":-1}`, "timestamp", "rejected: -1 is not a whole number of 0 or more", 0},
	} {
		calls = nil
		if got := sent(m.Map(stamped(tt.topic, tt.payload)), tt.field); got != tt.want || len(calls) != tt.calls {
			t.Errorf("%s %s: %s with %d calls, want %s with %d", tt.topic, tt.payload, got, len(calls), tt.want, tt.calls)
		}
		if tt.calls == 1 && calls[0] != idB+"true" {
			t.Errorf("called with %s", calls[0])
		}
	}
	if got, want := sent(m.Map(event("d", counted)), "timestamp"), `"2026-03-04T05:06:07.890Z"`; got != want {
		t.Errorf("without a Stamp: %s, want %s", got, want)
	}
}

// A fault of our own within a rule is a rejection with a stack; other elements and rules go on.
func TestPanic(t *testing.T) {
	m := mapper(t, `
rules:
  - {name: before, topic: t, queue: /queue/channel/connected, fields: `+channelFields+`}
  - {name: broken, topic: t, each: payload, queue: /queue/unread-count, fields: {conversation_id: `+idA+`, unread_message_count: =item}}
  - {name: after, topic: t, queue: /queue/channel/connected, fields: `+channelFields+`}
`)
	mapping.BreakRule(m, "broken", 1)
	for range 2 {
		r := m.Map(event("t", "[0, 1, 2]"))
		if want := "before mapped, broken[0] mapped, broken[1] rejected (panic), broken[2] mapped, after mapped"; outcomes(r) != want {
			t.Fatalf("outcomes %s, want %s", outcomes(r), want)
		}
		got := r.Rejections[0]
		if got.Stage != "panic" || got.Item != 1 || !strings.Contains(got.Reason, "that panics") || !strings.Contains(got.Stack, "export_test.go") {
			t.Errorf("rejection %+v", got)
		}
	}
}

// However many rules look at a payload as a value, it is made once.
func TestDecodeOnce(t *testing.T) {
	rule := `
  - {name: r%d, topic: t, when: len(payload) == 0, queue: /queue/channel/connected, fields: ` + channelFields + `}`
	var rules strings.Builder
	for i := range 20 {
		fmt.Fprintf(&rules, rule, i)
	}
	e := event("t", `{"list":[`+strings.Repeat(`{"a":"b"},`, 200)+`0]}`)
	one, twenty := mapper(t, "rules:"+fmt.Sprintf(rule, 0)), mapper(t, "rules:"+rules.String())
	first := testing.AllocsPerRun(20, func() { one.Map(e) })
	all := testing.AllocsPerRun(20, func() { twenty.Map(e) })
	if all > 2*first {
		t.Errorf("%v allocations for one rule, %v for twenty", first, all)
	}
}

// Bodies are kept by the journal, which counts their bytes: they must not hold much more room than
// that.
func TestBodiesHaveTheirSize(t *testing.T) {
	m := mapper(t, `
rules:
  - {name: small, topic: s, queue: /queue/unread-count, fields: {conversation_id: `+idA+`, unread_message_count: =payload.n}}
  - {name: large, topic: l, queue: /queue/channel/connected, fields: {id: `+idA+`, name: =payload.n, source: s, source_channel_id: c}}
`)
	for range 2 {
		for topic, payload := range map[string]string{"s": `{"n":1}`, "l": `{"n":"` + strings.Repeat("x", 5000) + `"}`} {
			r := m.Map(event(topic, payload))
			if len(r.Outputs) != 1 {
				t.Fatalf("%+v", r)
			}
			if body := r.Outputs[0].Body; cap(body) > len(body)*5/4 {
				t.Errorf("topic %s: a body of %d bytes has room for %d", topic, len(body), cap(body))
			}
		}
	}
}

func TestConcurrentMap(t *testing.T) {
	m := mapper(t, strings.Replace(chatRules, "rules:", strings.TrimSpace(batchRules), 1))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				n := fmt.Sprint(g*1000 + i)
				id := "0f0e5b1c-6a0d-4c55-9b3e-" + fmt.Sprintf("%012d", g*1000+i)
				r := m.Map(event("chat/"+idA+"/"+idB+"/message", strings.ReplaceAll(strings.ReplaceAll(chatPayload, idC, id), `"unread":3`, `"unread":`+n)))
				if len(r.Outputs) != 2 || !strings.Contains(string(r.Outputs[0].Body), id) || !strings.Contains(string(r.Outputs[1].Body), `"unread_message_count":`+n) {
					t.Errorf("event %s: %+v", n, r)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Rules may stand in several files: names are unique over all of them, tables are for all of them.
func TestSeveralFiles(t *testing.T) {
	var report source.Report
	var sources []mapping.Source
	for name, text := range map[string]string{
		"b.yaml": "- {name: b, topic: b, queue: /queue/channel/connected, fields: {id: '=table.ids[payload]', name: n, source: s, source_channel_id: c}}",
		"a.yaml": "- {name: a, topic: a, queue: /queue/channel/connected, fields: " + channelFields + "}",
	} {
		f := source.Parse(name, []byte(text), &report)
		sources = append(sources, mapping.Source{File: f, Rules: f.Root})
	}
	tables := source.Parse("tables.yaml", []byte("ids: {x: "+idA+"}"), &report)
	sources = append(sources, mapping.Source{File: tables, Tables: tables.Root})
	m := mapping.Compile(sources, mapping.Options{}, &report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if got := outcomes(m.Map(event("b", `"x"`))); got != "b mapped" {
		t.Errorf("outcomes %s", got)
	}
	for _, r := range m.Rules() {
		want := mapping.RuleInfo{Name: r.Name, Topics: []string{r.Name}, Queues: []string{contract.QueueChannelConnected}, File: r.Name + ".yaml", Line: 1}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("rule (-want +got):\n%s", diff)
		}
	}

	report = source.Report{}
	mapping.Compile(append(sources, sources...), mapping.Options{}, &report)
	for _, want := range []string{`rule "a" already exists at a.yaml:1`, `table "ids" already exists in tables.yaml`} {
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Err() = %v, want %q in it", err, want)
		}
	}
}

// A mapper of broken rules, or of none, is never nil and maps nothing.
func TestCompileBroken(t *testing.T) {
	m, report := compile("rules.yaml", "rules: [{name: x, topic: '#', queue: /queue/message, fields: {}}]")
	if report.Err() == nil {
		t.Error("no mistake reported")
	}
	if got := m.Map(event("a", "{}")); len(got.Outcomes) != 0 {
		t.Errorf("outcomes %s", outcomes(got))
	}
	if got := mapping.Compile(nil, mapping.Options{}, new(source.Report)); len(got.Filters())+len(got.Rules())+len(got.Test()) != 0 {
		t.Error("rules out of nothing")
	}
}
