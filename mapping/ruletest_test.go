package mapping_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testedRules = `
rules:
  - name: unread
    topic: inbox/{conversation}/unread
    retained: deliver
    when: payload != 0
    queue: /queue/unread-count
    fields: {conversation_id: =topic.conversation, unread_message_count: =payload, timestamp: =mqtt.user.at}
  - name: texts
    topic: texts/{n}
    payload: text
    queue: /queue/channel/connected
    fields: {id: '=uuid("t", payload)', name: =payload, source: =mqtt.content_type, source_channel_id: =topic.n, image_url: =mqtt.user.image}
  - name: batch
    topic: batch
    each: payload
    queue: /queue/unread-count
    fields: {conversation_id: =item.c, unread_message_count: =item.n}
  - name: private
    topic: private
    each: payload
    queue: /queue/unread-count
    audience: {users: =item.to, groups: boss}
    fields: {conversation_id: =item.c, unread_message_count: 1}
tests:
`

func TestTests(t *testing.T) {
	const at = `user: {at: '1611741600'}, `
	const timestamp = `, timestamp: '2021-01-27T10:00:00.000Z'}`
	const good = `{/queue/unread-count: {conversation_id: ` + idA + `, unread_message_count: 3` + timestamp + `}`
	const private = `topic: private, received: '2021-01-27T10:00:00Z', payload: [{c: ` + idA + `, to: ada}, {c: ` + idA + `, to: [ada, bob]}], expect: {/queue/unread-count: `
	const one = `{conversation_id: ` + idA + `, unread_message_count: 1, timestamp: '2021-01-27T10:00:00.000Z'`
	tests := []struct{ name, test, want string }{
		{"passes", `topic: inbox/` + idA + `/unread, ` + at + `payload: 3, expect: ` + good, ""},
		{"passes retained", `topic: inbox/` + idA + `/unread, ` + at + `retained: true, payload: 3, expect: ` + good, ""},
		{"passes as text", `topic: inbox/` + idA + `/unread, ` + at + `text: '3', expect: ` + good, ""},
		{"passes filtered", `topic: inbox/` + idA + `/unread, payload: 0, expect: filtered`, ""},
		{"passes filtered by topic", `topic: elsewhere, payload: 0, expect: filtered`, ""},
		{"passes rejected", `topic: inbox/x/unread, ` + at + `payload: 3, expect: {rejected: '"x" is not a UUID'}`, ""},
		{"passes rejected by field and place", `topic: inbox/x/unread, ` + at + `payload: 3, expect: {rejected: 'field conversation_id (rules.yaml:8)'}`, ""},
		{"passes with the default time", `topic: batch, payload: [{c: ` + idA + `, n: 1}],
			expect: {/queue/unread-count: {conversation_id: ` + idA + `, unread_message_count: 1, timestamp: '2026-01-01T00:00:00.000Z'}}`, ""},
		{"passes with a time of its own", `topic: batch, received: '2021-01-27T11:00:00+01:00', payload: [{c: ` + idA + `, n: 3}], expect: ` + good, ""},
		{"passes with several", `topic: batch, received: '2021-01-27T10:00:00Z', payload: [{c: ` + idA + `, n: 1}, {c: x, n: 1}, {c: ` + idA + `, n: 2}],
			expect: {/queue/unread-count: [{conversation_id: ` + idA + `, unread_message_count: 1` + timestamp + `, {conversation_id: ` + idA + `, unread_message_count: 2` + timestamp + `], rejected: [item 1]}`, ""},
		{"passes with all of an event", `topic: texts/7, qos: 2, content_type: text/plain, user: {image: i}, text: ' Grüße', expect: {/queue/channel/connected:
			{id: 88e8b15e-9dfd-57d0-b1cb-4ed17ea92e31, name: ' Grüße', source: text/plain, source_channel_id: '7', image_url: i}}`, ""},

		{"passes with its audience", private + `[` + one + `, audience: {users: ada, groups: [boss]}}, ` + one + `, audience: {users: [bob, ada], groups: boss}}]}`, ""},
		{"passes without", private + `[` + one + `}, ` + one + `}]}`, ""},
		{"another audience", private + `[` + one + `, audience: ada}, ` + one + `}]}`,
			"  /queue/unread-count, payload 1\n    - audience: user ada\n    + audience: group boss, user ada\n"},
		{"an audience of everybody's", `topic: batch, received: '2021-01-27T10:00:00Z', payload: [{c: ` + idA + `, n: 1}], expect: {/queue/unread-count: ` + one + `, audience: ada}}`,
			"  /queue/unread-count\n    - audience: user ada\n    + audience: everybody\n"},

		{"another value", `topic: inbox/` + idA + `/unread, ` + at + `payload: 4, expect: ` + good,
			"  /queue/unread-count\n    - unread_message_count: 3\n    + unread_message_count: 4\n"},
		{"a field too many and one too few", `topic: inbox/` + idA + `/unread, ` + at + `payload: 3, expect: {/queue/unread-count: {conversation_id: ` + idA + `, count: 3` + timestamp + `}`,
			"  /queue/unread-count\n    - count: 3\n    + unread_message_count: 3\n"},
		{"another type", `topic: inbox/` + idA + `/unread, ` + at + `payload: 3, expect: {/queue/unread-count: {conversation_id: ` + idA + `, unread_message_count: '3'` + timestamp + `}`,
			"  /queue/unread-count\n    - unread_message_count: \"3\"\n    + unread_message_count: 3\n"},
		{"not filtered", `topic: inbox/` + idA + `/unread, ` + at + `payload: 3, expect: filtered`,
			"  /queue/unread-count\n    + {\"conversation_id\":\"" + idA + "\",\"timestamp\":\"2021-01-27T10:00:00.000Z\",\"unread_message_count\":3}\n"},
		{"filtered", `topic: inbox/` + idA + `/unread, ` + at + `payload: 0, expect: ` + good,
			"  /queue/unread-count\n    - {\"conversation_id\":\"" + idA + "\",\"timestamp\":\"2021-01-27T10:00:00.000Z\",\"unread_message_count\":3}\n" +
				"  rule \"unread\"  no: when payload != 0 is false\n  rule \"texts\"  no: the topic does not match texts/{n}\n  rule \"batch\"  no: the topic does not match batch\n  rule \"private\"  no: the topic does not match private\n"},
		{"rejected", `topic: inbox/x/unread, ` + at + `payload: 3, expect: filtered`,
			"  rejected\n    + rule \"unread\" field conversation_id (rules.yaml:8): \"x\" is not a UUID; derive one with uuid(\"a name for this kind of id\", …)\n"},
		{"rejected for another reason", `topic: inbox/x/unread, ` + at + `payload: 3, expect: {rejected: no value}`,
			"  rejected\n    - …no value…\n    + rule \"unread\" field conversation_id (rules.yaml:8): \"x\" is not a UUID; derive one with uuid(\"a name for this kind of id\", …)\n"},
		{"one of two", `topic: batch, received: '2021-01-27T10:00:00Z', payload: [{c: ` + idA + `, n: 3}, {c: ` + idA + `, n: 4}], expect: ` + good,
			"  /queue/unread-count, payload 2\n    + {\"conversation_id\":\"" + idA + "\",\"timestamp\":\"2021-01-27T10:00:00.000Z\",\"unread_message_count\":4}\n"},
		{"a number and a text", `topic: inbox/` + idA + `/unread, ` + at + `payload: '0', expect: filtered`,
			"  /queue/unread-count\n    + {\"conversation_id\":\"" + idA + "\",\"timestamp\":\"2021-01-27T10:00:00.000Z\",\"unread_message_count\":0}\n" +
				"  rule \"unread\"  hint: payload is the text \"0\", 0 is a number: write payload != \"0\", or int(payload) != 0\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mapper(t, testedRules+"  - {name: it, "+tt.test+"}\n")
			results := m.Test()
			if len(results) != 1 || results[0].Name != "it" || results[0].File != "rules.yaml" || results[0].Line != 26 {
				t.Fatalf("results %+v", results)
			}
			if diff := cmp.Diff(tt.want, results[0].Diff); diff != "" {
				t.Errorf("difference (-want +got):\n%s", diff)
			}
			if p := results[0].Problem; (p == nil) != (tt.want == "") || p != nil && p.Error() != `rules.yaml:26:5: test "it" fails` {
				t.Errorf("problem %v", p)
			}
		})
	}
}

// The payload of a test is YAML: what it becomes is what JSON has for it, with the digits that
// stand there.
func TestPayloadOfTest(t *testing.T) {
	for yaml, want := range map[string]string{
		`{b: 1.50, a: [x, 'y', 0x10, 0123, 1e3], c: null, d: ~, e: , f: true, g: 'true', h: on, i: 2021-01-27, j: .5, k: -0}`: `{"b":1.50,"a":["x","y",16,83,1e3],` +
			`"c":null,"d":null,"e":null,"f":true,"g":"true","h":"on","i":"2021-01-27","j":0.5,"k":-0}`,
		`9007199254740993`: `9007199254740993`,
		`text`:             `"text"`,
		`"1"`:              `"1"`,
		`.inf`:             `".inf"`,
		`{}`:               `{}`,
		`[]`:               `[]`,
	} {
		m := mapper(t, `
rules:
  - name: r
    topic: t
    queue: /queue/message
    fields: {conversation_id: `+idA+`, channel_id: `+idA+`, message: {id: `+idA+`, content: =payload, delivery_state: PENDING, sender_type: app_user}}
tests:
  - topic: t
    payload: `+yaml+`
    expect: filtered
`)
		diff := m.Test()[0].Diff
		var body struct{ Message struct{ Content string } }
		if err := json.Unmarshal([]byte(diff[strings.IndexByte(diff, '+')+1:]), &body); err != nil {
			t.Fatalf("%v in %q", err, diff)
		}
		if got := body.Message.Content; got != want && got != strings.Trim(want, `"`) {
			t.Errorf("%s becomes %s, want %s", yaml, got, want)
		}
	}
}

// TestSeq gives what Test gives, as far as it is asked.
func TestTestSeq(t *testing.T) {
	m := mapper(t, testedRules+"  - {name: a, topic: x, payload: 1, expect: filtered}\n  - {name: b, topic: x, payload: 1, expect: {rejected: x}}\n")
	if diff := cmp.Diff(m.Test(), slices.Collect(m.TestSeq())); diff != "" || m.Tests() != 2 {
		t.Errorf("%d tests; (-Test +TestSeq):\n%s", m.Tests(), diff)
	}
	file := m.Test()[0].File
	if diff := cmp.Diff(m.Test(), slices.Collect(m.TestsIn(file))); diff != "" {
		t.Errorf("(-Test +TestsIn):\n%s", diff)
	}
	for r := range m.TestsIn(file + " of another") {
		t.Errorf("test %s is in no such file", r.Name)
	}
	for r := range m.TestSeq() {
		if r.Name != "a" {
			t.Errorf("test %s has run after the end", r.Name)
		}
		break
	}
}
