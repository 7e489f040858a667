package mapping_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
)

// sentContent returns the content of the message that a rule with that payload makes of the bytes,
// or the reason why there is none.
func sentContent(t *testing.T, kind, content, bytes string) string {
	t.Helper()
	m := mapper(t, `
rules:
  - name: r
    topic: a
    payload: `+kind+`
    queue: /queue/message
    fields: {conversation_id: `+idA+`, channel_id: `+idB+`, message: {id: `+idC+`, content: '`+content+`', delivery_state: PENDING, sender_type: app_user}}
`)
	r := m.Map(event("a", bytes))
	if len(r.Rejections) > 0 {
		return r.Rejections[0].Stage + ": " + r.Rejections[0].Reason
	}
	_, rest, _ := strings.Cut(string(r.Outputs[0].Body), `"content":"`)
	text, _, _ := strings.Cut(rest, `","delivery_state"`)
	return strings.ReplaceAll(text, `\"`, `"`)
}

func TestPayloadKinds(t *testing.T) {
	cbor, _ := hex.DecodeString("a3626964016474657874626869626e784200ff")
	pack, _ := hex.DecodeString("83a2696401a474657874a26869a26e78c40200ff")
	for _, tt := range []struct{ kind, content, bytes, want string }{
		{"json", "=payload", "\ufeff{\"a\": 1.0}", `{"a": 1.0}`},
		{"text", "=payload", "\ufeffa", `a`},
		{"{json: lenient}", "=payload", "{\"a\": 1.0, \"b\": nan, // no\n}", `{"a": 1.0, "b": null       \n}`},
		{"{json: lenient}", "=payload.b", `{"b": [1.50, NaN,]}`, `[1.50, null ]`},
		{"json", "=payload", `{"b": [1.50, NaN]}`, `decode: the payload is not JSON: b[1] is NaN, at byte 14 of 18, and JSON has no such number: it allows null there (payload: {json: lenient} would take it)`},
		{"auto", "=payload", `{"a": 1.0}`, `{"a": 1.0}`}, {"auto", `=payload.state ?? payload`, "online", "online"}, {"auto", `=payload.state ?? payload`, `{"state":"online"}`, "online"},
		{"form", "=payload", "Body=Gr%C3%BC%C3%9Fe+%26&Body=b", `{"Body":["Grüße &","b"]}`}, {"form", "=payload.Body", "Body=a%2Bb", "a+b"},
		{"cbor", "=payload", string(cbor), `{"id":1,"nx":"AP8=","text":"hi"}`}, {"msgpack", "=payload", string(pack), `{"id":1,"nx":"AP8=","text":"hi"}`},
		{"cbor", "=payload.text", string(cbor), `hi`}, {"cbor", "=payload", "\xff", `decode: the payload is not CBOR: unexpected "break" code`},
		{"csv", "=payload[1][0]", "a,b\nc,d", `c`}, {`{csv: {header: true, comma: ";"}}`, "=payload[0].b", "a;b\n1;2", `2`},
		{"{protobuf: event.proto, message: test.Event}", "=payload", "\x0a\x04\x0a\x02\x00\xff\x10\x05", `{"n":5,"part":{"id":"AP8="}}`},
		{"{protobuf: event.proto, message: test.Event}", "=payload", "\x10\x05", `{"n":5}`}, {"{protobuf: ./protos/../event.proto, message: test.Event}", "=payload.n", "\x10\x05", `5`},
		{"{protobuf: event.proto, message: test.Event}", "=payload", "\x10", `decode: the payload is not a message test.Event: it ends within a field`},
		{"{protobuf: protos/up.proto, message: test.Up}", "=payload", "\x12\x08\x0a\x06\x08\xa0\xf3\xc4\x80\x06", `{"deep":{"at":"2021-01-27T10:00:00.000Z"}}`},
		{"bytes", "=toHex(payload)", "\x00\xff", `00ff`}, {"bytes", "=payload", "Gr\u00fc\u00dfe", "Grüße"}, {"bytes", "={\"n\": uint16be(payload, 0)}", "\x01\x02\xff", `{"n":258}`},
		{`{csv: {comma: tab}}`, "=payload[0]", "1,5\t2", `["1,5","2"]`}, {`{csv: {comma: "\t"}}`, "=payload[0]", "1\t2", `["1","2"]`}, {`{csv: {}}`, "=payload[0]", "1,2", `["1","2"]`},
	} {
		if got := sentContent(t, tt.kind, tt.content, tt.bytes); got != tt.want {
			t.Errorf("payload: %s, %s of %q:\n got %s\nwant %s", tt.kind, tt.content, tt.bytes, got, tt.want)
		}
	}
}

// A payload is decoded once for all rules whose encodings have the same options.
func TestEqualEncodingsDouble(t *testing.T) {
	rule := `
  - name: NAME
    topic: a
    payload: KIND
    queue: /queue/unread-count
    fields: {conversation_id: ` + idA + `, unread_message_count: 1}
`
	for kinds, want := range map[[2]string]bool{
		{"csv", "{csv: {header: false}}"}: true, {`{csv: {comma: ";"}}`, `{csv: {header: false, comma: ";"}}`}: true,
		{"{protobuf: event.proto, message: test.Event}", "{protobuf: ./event.proto, message: test.Event}"}: true,
		{"csv", `{csv: {comma: ";"}}`}: false, {"json", "{json: lenient}"}: false, {"{json: lenient}", "{json: lenient}"}: true,
	} {
		text := "rules:" + strings.NewReplacer("NAME", "one", "KIND", kinds[0]).Replace(rule) + strings.NewReplacer("NAME", "two", "KIND", kinds[1]).Replace(rule)
		_, report := compile("rules.yaml", text)
		if got := len(report.Problems()) == 1 && strings.Contains(report.Problems()[0].Message, "twice"); got != want || report.Err() != nil {
			t.Errorf("%q double: %t, want %t: %v", kinds, got, want, report.Problems())
		}
	}
}

// Tests take payloads as YAML, as text, in base64, and from a file.
func TestBinaryTestPayloads(t *testing.T) {
	const rules = `
rules:
  - name: r
    topic: a
    payload: cbor
    queue: /queue/unread-count
    fields: {conversation_id: ` + idA + `, unread_message_count: =payload.a, timestamp: 1611741600}
tests:
  - {topic: a, file: frame.cbor, expect: &one {/queue/unread-count: {conversation_id: ` + idA + `, unread_message_count: 1, timestamp: '2021-01-27T10:00:00.000Z'}}}
  - topic: a
    base64: |
      omFh
      AWFiQgD/
    expect: *one
  - {topic: a, base64: '', expect: filtered}
  - {topic: a, base64: '/w==', expect: {rejected: unexpected}}
`
	for _, r := range mapper(t, rules).Test() {
		if r.Problem != nil {
			t.Errorf("%s: %s", r.Name, r.Diff)
		}
	}
	if got := base64.StdEncoding.EncodeToString([]byte("\xa2\x61a\x01\x61b\x42\x00\xff")); got != "omFhAWFiQgD/" {
		t.Fatalf("the frame is %s", got)
	}
	_, report := compileWith("rules.yaml", rules, mapping.Options{})
	want := []string{`rules.yaml:9:22: file: "frame.cbor": no file can be read here`}
	var got []string
	for _, p := range report.Problems() {
		got = append(got, p.Error())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
