package mapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What tests expect is brought up to date as it was written; nothing else of the file changes.
func TestUpdateTests(t *testing.T) {
	const payload = `{conversation_id: ` + idA + `, unread_message_count: `
	const received = `topic: batch, received: '2021-01-27T10:00:00Z', `
	tests := []struct{ name, before, after string }{
		{"a number", `
  - topic: batch   # the newest
    received: '2021-01-27T10:00:00Z'
    payload: [{c: ` + idA + `, n: 3}]
    expect:
      /queue/unread-count:
        # from the source
        conversation_id:   ` + idA + `
        unread_message_count: 2 # changes
        timestamp: "2021-01-27T10:00:00.000Z"

# the end
`, `
  - topic: batch   # the newest
    received: '2021-01-27T10:00:00Z'
    payload: [{c: ` + idA + `, n: 3}]
    expect:
      /queue/unread-count:
        # from the source
        conversation_id:   ` + idA + `
        unread_message_count: 3 # changes
        timestamp: "2021-01-27T10:00:00.000Z"

# the end
`},
		{"quotes as they are", `
  - {topic: texts/7, content_type: 'a: b, c', text: "it's", expect: {/queue/channel/connected: {id: 5, name: 'x', source: y, source_channel_id: "8"}}}
`, `
  - {topic: texts/7, content_type: 'a: b, c', text: "it's", expect: {/queue/channel/connected: {id: 4af7ed1b-e802-5284-b6a6-a2e2e1bf3595, name: 'it''s', source: 'a: b, c', source_channel_id: "7"}}}
`},
		{"a field more", `
  - topic: batch
    received: '2021-01-27T10:00:00Z'
    payload: [{c: ` + idA + `, n: 3}]
    expect:
      /queue/unread-count:
        conversation_id: ` + idA + `
        unread_message_count: 3 # the newest
    # above what comes next
  - {topic: elsewhere, payload: 1, expect: filtered}
`, `
  - topic: batch
    received: '2021-01-27T10:00:00Z'
    payload: [{c: ` + idA + `, n: 3}]
    expect:
      /queue/unread-count:
        conversation_id: ` + idA + `
        unread_message_count: 3
        timestamp: '2021-01-27T10:00:00.000Z' # the newest
    # above what comes next
  - {topic: elsewhere, payload: 1, expect: filtered}
`},
		{"another number of payloads", `
  - {` + received + `payload: [{c: ` + idA + `, n: 3}, {c: ` + idA + `, n: 4}], expect: {/queue/unread-count: {}}}
`, `
  - {` + received + `payload: [{c: ` + idA + `, n: 3}, {c: ` + idA + `, n: 4}], expect: {/queue/unread-count: [` + payload + `3, timestamp: '2021-01-27T10:00:00.000Z'}, ` + payload + `4, timestamp: '2021-01-27T10:00:00.000Z'}]}}
`},
		{"another queue, and a rejection as expected", `
  - topic: batch
    received: '2021-01-27T10:00:00Z'
    payload: [{c: ` + idA + `, n: 3}, {c: x, n: 1}]
    expect:
      /queue/message: {id: x}
      rejected: item 1
`, `
  - topic: batch
    received: '2021-01-27T10:00:00Z'
    payload: [{c: ` + idA + `, n: 3}, {c: x, n: 1}]
    expect:
      /queue/unread-count:
        conversation_id: ` + idA + `
        unread_message_count: 3
        timestamp: '2021-01-27T10:00:00.000Z'
      rejected: item 1
`},
		{"text in lines of its own", `
  - topic: texts/7
    content_type: y
    text: |
      one
      two
    expect:
      /queue/channel/connected:
        id: 4d1b5d9b-6e5b-5b8c-b40d-8a3b6f0e5a11
        name: |
          one
        source: y
        source_channel_id: '7'
`, `
  - topic: texts/7
    content_type: y
    text: |
      one
      two
    expect:
      /queue/channel/connected:
        id: c1cbf2dd-9bcf-5c2a-b6ca-bb692905f049
        name: |
          one
          two
        source: y
        source_channel_id: '7'
`},
		{"beside an audience", `
  - {topic: private, received: '2021-01-27T10:00:00Z', payload: [{c: ` + idA + `, to: ada}], expect: {/queue/unread-count: {audience: {users: ada, groups: boss}, conversation_id: x, unread_message_count: 1, timestamp: '2021-01-27T10:00:00.000Z'}}}
`, `
  - {topic: private, received: '2021-01-27T10:00:00Z', payload: [{c: ` + idA + `, to: ada}], expect: {/queue/unread-count: {audience: {users: ada, groups: boss}, conversation_id: ` + idA + `, unread_message_count: 1, timestamp: '2021-01-27T10:00:00.000Z'}}}
`},
		{"another audience", `
  - {topic: private, payload: [{c: ` + idA + `, to: ada}], expect: {/queue/unread-count: {audience: {users: bob}, conversation_id: x}}}
`, ""},
		{"a rejection by surprise", `
  - {topic: batch, payload: [{c: x, n: 1}], expect: {/queue/unread-count: {conversation_id: x}}}
`, ""},
		{"filtered by surprise", `
  - {topic: elsewhere, payload: 1, expect: {/queue/unread-count: {conversation_id: x}}}
`, ""},
		{"a payload by surprise", `
  - {topic: batch, payload: [{c: ` + idA + `, n: 3}], expect: filtered}
`, ""},
		{"an anchor", `
  - {topic: batch, payload: [{c: ` + idA + `, n: 3}], expect: &shared {/queue/unread-count: {conversation_id: x}}}
`, ""},
		{"a merge key", `
  - &base {topic: batch, payload: [{c: ` + idA + `, n: 3}], expect: {/queue/unread-count: {conversation_id: x}}}
  - {<<: *base, payload: [{c: ` + idA + `, n: 4}]}
`, ""},
		{"the same test again", `
  - &base {topic: batch, payload: [{c: ` + idA + `, n: 3}], expect: {/queue/unread-count: {conversation_id: x}}}
  - *base
`, ""},
		{"an alias", `
  - {topic: batch, payload: [{c: &c ` + idA + `, n: 3}], expect: {/queue/unread-count: {conversation_id: *c}}}
`, ""},
	}
	for _, test := range tests {
		for name, form := range map[string]func(string) string{
			"":                 func(s string) string { return s },
			", lines end CRLF": func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
			", with umlauts":   func(s string) string { return strings.ReplaceAll(s, "# the", "# Grüße 🙂, the") },
		} {
			t.Run(test.name+name, func(t *testing.T) {
				text := form(testedRules + test.before)
				updates, err := mapper(t, text).UpdateTests(func(string) ([]byte, error) { return []byte(text), nil })
				if err != nil {
					t.Fatal(err)
				}
				want, got := form(test.after), ""
				for _, u := range updates {
					if u.File != "rules.yaml" || u.Tests != 1 {
						t.Errorf("%d tests of %s, want 1", u.Tests, u.File)
					}
					got = strings.TrimPrefix(string(u.Text), form(testedRules))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("(-want +got):\n%s", diff)
				}
				if len(updates) == 0 {
					return
				}
				for _, r := range mapper(t, string(updates[0].Text)).Test() {
					if r.Problem != nil {
						t.Errorf("it still fails: %s", r.Diff)
					}
				}
			})
		}
	}
}

// The events of a sequence are brought up to date each by itself, with what came of it in its place.
func TestUpdateSequences(t *testing.T) {
	const before = sequenceRules + `
  - name: counts
    memory: {unread: {a: 6}}
    events:
      - topic: in/a
        payload: {id: 1}
        expect: {/queue/unread-count: {conversation_id: 6c7e9b5d-07f5-5485-9513-ee51e981480d, unread_message_count: 1, timestamp: '2026-01-01T00:00:00.000Z'}} # first
      - {topic: in/a, payload: {id: 1}, expect: filtered}
      - topic: in/a
        payload: {id: 2}
        expect: {/queue/unread-count: {conversation_id: 6c7e9b5d-07f5-5485-9513-ee51e981480d, unread_message_count: 8, timestamp: '2026-01-01T00:00:00.000Z'}}
      - after: 10m # silent
        expect: {/queue/unread-count: {unread_message_count: 0}}
`
	after := strings.NewReplacer("unread_message_count: 1,", "unread_message_count: 7,", "{unread_message_count: 0}",
		"{conversation_id: 6c7e9b5d-07f5-5485-9513-ee51e981480d, unread_message_count: 8, timestamp: '2026-01-01T00:10:00.000Z'}").Replace(before)
	m := mapper(t, before)
	updates, err := m.UpdateTests(func(string) ([]byte, error) { return []byte(before), nil })
	if err != nil || len(updates) != 1 || updates[0].Tests != 1 {
		t.Fatalf("%v, %+v", err, updates)
	}
	got := strings.ReplaceAll(string(updates[0].Text), `"2026-01-01T00:10:00.000Z"`, `'2026-01-01T00:10:00.000Z'`)
	if diff := cmp.Diff(after, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, r := range mapper(t, got).Test() {
		if r.Problem != nil {
			t.Errorf("%v\n%s", r.Problem, r.Diff)
		}
	}
}
