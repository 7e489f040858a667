package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mqtt-stomp-bridge/mapping"
)

// contentRule makes a rule whose content is what the YAML says.
func contentRule(content, keys string) string {
	return `
rules:
  - name: e
    topic: t
    queue: /queue/message
    fields:
      conversation_id: ` + idA + `
      channel_id: ` + idA + `
      message: {id: ` + idA + `, delivery_state: PENDING, sender_type: app_user, content: ` + content + `}
` + keys
}

// content returns the content of the first output.
func content(t *testing.T, r mapping.Result) string {
	t.Helper()
	if len(r.Outputs) == 0 {
		t.Fatalf("no output: %v", r.Rejections)
	}
	var body struct{ Message struct{ Content string } }
	if err := json.Unmarshal(r.Outputs[0].Body, &body); err != nil {
		t.Fatal(err)
	}
	return body.Message.Content
}

// A content that came as JSON goes out as it came, whatever way it takes through the rule.
func TestContentKeepsItsBytes(t *testing.T) {
	const m = `{ "z": 1.0, "a": [ ], "e": 1e2, "big": 12345678901234567890, "t": "\u00e4" }`
	payload := `{"m": ` + m + `, "l": [ ` + m + ` , {"z":0.0}], "n": 1.50, "key": "m", "text": ` + jsonText(m) + `}`
	tests := []struct{ name, content, keys, want string }{
		{"a path", "=payload.m", "", m},
		{"a path to a number", "=payload.n", "", "1.50"},
		{"a default", "=payload.edited ?? payload.m", "", m},
		{"a condition", "'=payload.n > 1 ? payload.m : nil'", "", m},
		{"a number of a condition", "'=payload.n == 1.5 ? payload.n : nil'", "", "1.50"},
		{"a name within the expression", "=let x = payload.m; x", "", m},
		{"a computed key", "'=payload[payload.key]'", "", m},
		{"first", "=first(payload.l)", "", m},
		{"last", "=last(payload.l)", "", `{"z":0.0}`},
		{"an index from the end", "'=payload.l[-2]'", "", m},
		{"find", "'=find(payload.l, .z == 1)'", "", m},
		{"an element of filter", "'=filter(payload.l, .z == 1)[0]'", "", m},
		{"filter", "'=filter(payload.l, .z < 5)'", "", "[" + m + `,{"z":0.0}]`},
		{"a part of a list", "'=payload.l[:1]'", "", "[" + m + "]"},
		{"let", "=x", "    let: {x: payload.edited ?? payload.m}\n", m},
		{"a path into let", "=x.m", "    let: {x: payload}\n", m},
		{"an element", "=item", "    each: payload.l\n", m},
		{"an element of what is no plain path", "=item", "    each: filter(payload.l, true)\n", m},
		{"a part of an element", "=item.a", "    each: payload.l\n", "[ ]"},
		{"an element of a level", "=m", "    each: {l: '[payload.l]', m: l}\n", m},
		{"in a content that is built", "{original: =payload.m, l: [=first(payload.l), '=payload.n + 1']}", "", `{"original":` + m + `,"l":[` + m + `,2.5]}`},
		{"in an object of the expression", `'={"b": payload.m, "a": payload.n}'`, "", `{"a":1.50,"b":` + m + "}"},
		{"toJSON", "=toJSON(payload.m)", "", m},
		{"toJSON in a text", "'=toJSON(payload.l[0]) + \"!\"'", "", m + "!"},
		{"JSON in a text", "=fromJSON(payload.text)", "", m},
		{"a part of JSON in a text", "=fromJSON(payload.text).a", "", "[ ]"},
		{"the payload", "=payload ?? payload", "", payload},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := content(t, mapper(t, contentRule(tt.content, tt.keys)).Map(event("t", " "+payload+"\n"))); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

func jsonText(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// Payloads that are not JSON have no bytes to keep, and the second event no text of the first.
func TestContentWithoutText(t *testing.T) {
	m := mapper(t, contentRule("=payload ?? payload", "    payload: form\n"))
	if got, want := content(t, m.Map(event("t", "b=1&a=2"))), `{"a":"2","b":"1"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	m = mapper(t, contentRule("=payload.m ?? payload", ""))
	for _, payload := range []string{`{ "a" : 1 }`, `{"m": {"b" :2}}`, `{"m": {"c" : [ ]}}`} {
		want := strings.TrimSuffix(strings.TrimPrefix(payload, `{"m": `), "}")
		if !strings.Contains(payload, `"m"`) {
			want = payload
		}
		if got := content(t, m.Map(event("t", payload))); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Finding the texts of a payload is work, once an event.
func TestContentOfManyObjects(t *testing.T) {
	m := mapper(t, contentRule("=item", "    each: filter(payload.l, true)\n"))
	object := `{"a" : {}, "b" : []},`
	payload := `{"l":[` + strings.TrimSuffix(strings.Repeat(object, 1000), ",") + `],"x":[` + strings.Repeat("[],", 300_000) + "0]}"
	var r mapping.Result
	used := cost(func() { r = m.Map(event("t", payload)) })
	used.check(t, 128<<20)
	if len(r.Outputs) != 1000 || content(t, r) != strings.TrimSuffix(object, ",") {
		t.Errorf("%d outputs, %v", len(r.Outputs), r.Rejections)
	}
}

// A table is no part of the payload, and has no bytes of its own.
func TestContentOfATable(t *testing.T) {
	m := mapper(t, "tables: {t: {b: x, a: y}}"+contentRule("=table.t", ""))
	if got, want := content(t, m.Map(event("t", `{"p": 1}`))), `{"a":"y","b":"x"}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
