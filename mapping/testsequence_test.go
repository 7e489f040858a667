package mapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sequenceRules = `
memory:
  unread: {}
  seen: {for: 10m}
  few: {max_keys: 2}
rules:
  - name: unread
    topic: in/{c}
    let: {n: '(memory.unread[topic.c] ?? 0) + 1'}
    dedupe: {key: payload.id, window: 1h}
    remember: {unread: {key: =topic.c, value: =n}, seen: {key: =topic.c, value: {n: =n}}}
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", topic.c)', unread_message_count: =n}
  - {name: read, topic: 'read/{c}', forget: {unread: =topic.c}}
  - name: silent
    forgotten: seen
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("c", key)', unread_message_count: =value.n}
  - {name: few, topic: 'few/{k}', when: 'memory.few["x"] == nil', remember: {few: {key: =topic.k, value: true}}}
tests:
`

// Events in sequence, each with what should come of it: memory, dedupe and time are as in the
// bridge.
func TestSequences(t *testing.T) {
	unread := func(n, at string) string {
		return `{/queue/unread-count: {conversation_id: 6c7e9b5d-07f5-5485-9513-ee51e981480d, unread_message_count: ` + n + `, timestamp: '2026-01-01T` + at + `.000Z'}}`
	}
	in := func(id, expect string) string {
		return "{topic: in/a, payload: {id: " + id + "}, expect: " + expect + "}"
	}
	one, two := in("m1", unread("1", "00:00:00")), in("m2", unread("2", "00:00:00"))
	for _, tt := range []struct{ name, test, want string }{
		{"counts, and drops a repeat", `events: [` + one + `, ` + two + `, ` + in("m2", "filtered") + `], remembers: {unread: {a: 2}}`, ""},
		{"a repeat after the window", `events: [` + one + `, {after: 61m, topic: in/a, payload: {id: m1}, expect: {/queue/unread-count: [` +
			strings.TrimSuffix(strings.TrimPrefix(unread("1", "00:10:00"), "{/queue/unread-count: "), "}") + `, ` +
			strings.TrimSuffix(strings.TrimPrefix(unread("2", "01:01:00"), "{/queue/unread-count: "), "}") + `]}}]`, ""},
		{"remembers only", `events: [` + one + `, {topic: read/a, payload: 1, expect: remembered}], remembers: {unread: {}}`, ""},
		{"a key ends while time passes", `events: [` + one + `, {after: 9m59s}, {after: 1s, expect: ` + unread("1", "00:10:00") + `}], remembers: {seen: {}}`, ""},
		{"a key ends before the event", `events: [` + one + `, {received: '2026-01-01T01:00:00Z', topic: read/a, payload: 1, expect: ` + unread("1", "00:10:00") + `}]`, ""},
		{"memory at the start", `memory: {unread: {a: 4}, seen: {b: {n: 1}}}, topic: in/a, payload: {id: 1}, expect: ` + unread("5", "00:00:00") + `, remembers: {unread: {a: 5}, seen: {a: {n: 5}, b: {n: 1}}}`, ""},
		{"bounds", `events: [{topic: few/1, payload: 1, expect: remembered}, {topic: few/2, payload: 1, expect: remembered}, {topic: few/x, payload: 1, expect: remembered},
			{topic: few/3, payload: 1, expect: filtered}], remembers: {few: {'2': true, x: true}}`, ""},

		{"another count", `events: [` + one + `, ` + in("m2", unread("3", "00:00:00")) + `]`,
			"  event 2, line 21\n  /queue/unread-count\n    - unread_message_count: 3\n    + unread_message_count: 2\n"},
		{"another memory", `events: [` + one + `], remembers: {unread: {a: 2, b: 1}, seen: {}}`,
			"  memory seen at the end\n    + a: {\"n\":1}\n  memory unread at the end\n    - a: 2\n    + a: 1\n    - b: 1\n"},
		{"remembered although filtered", `topic: read/a, payload: 1, expect: filtered`, "  remembered\n    + forgets unread[\"a\"]\n    = write expect: remembered\n"},
		{"remembered, and nothing sent", `topic: few/1, payload: 1, expect: {/queue/unread-count: {}}`,
			"  /queue/unread-count\n    - {}\n  rule \"unread\"  no: the topic does not match in/{c}\n  rule \"read\"  no: the topic does not match read/{c}\n  rule \"few\"  yes\n    remembers few[\"1\"]: true\n"},
		{"filtered although remembered", `topic: few/1, memory: {few: {x: 1}}, payload: 1, expect: remembered`,
			"  nothing was remembered\n  rule \"unread\"  no: the topic does not match in/{c}\n  rule \"read\"  no: the topic does not match read/{c}\n  rule \"few\"  no: when memory.few[\"x\"] == nil is false\n"},
		{"a repeat", `events: [` + one + `, ` + in("m1", unread("2", "00:00:00")) + `]`,
			"  event 2, line 21\n  /queue/unread-count\n    - {\"conversation_id\":\"6c7e9b5d-07f5-5485-9513-ee51e981480d\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"unread_message_count\":2}\n" +
				"  rule \"unread\"  no: a duplicate, the key of its dedupe came less than 1h before\n  rule \"read\"  no: the topic does not match read/{c}\n  rule \"few\"  no: the topic does not match few/{k}\n"},
		{"what ends without being expected", `events: [` + one + `, {after: 10m}]`,
			"  event 2, line 21\n  /queue/unread-count\n    + {\"conversation_id\":\"6c7e9b5d-07f5-5485-9513-ee51e981480d\",\"timestamp\":\"2026-01-01T00:10:00.000Z\",\"unread_message_count\":1}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mapper(t, sequenceRules+"  - {name: it, "+tt.test+"}\n")
			results := m.Test()
			if diff := cmp.Diff(tt.want, results[0].Diff); len(results) != 1 || diff != "" {
				t.Errorf("difference (-want +got):\n%s", diff)
			}
			if again := m.Test(); again[0].Diff != results[0].Diff {
				t.Errorf("the second time:\n%s", again[0].Diff)
			}
		})
	}
}
