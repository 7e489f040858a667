package mapping_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/audience"
)

// audienceRule is a rule with the audience on its line 6.
func audienceRule(audience string) string {
	return `
rules:
  - name: channel
    topic: channel/{id}
    queue: /queue/channel/connected
    audience: ` + audience + `
    fields: {id: =payload.id ?? topic.id, name: x, source: y, source_channel_id: z}
`
}

func TestAudience(t *testing.T) {
	list := func(n int, member string) string { return `{"a":[` + strings.Repeat(member+",", n-1) + member + `]}` }
	long := strings.Repeat("é", 128)
	for _, test := range []struct {
		name, audience, payload string
		want                    audience.Audience
	}{
		{"a user of the event", `=payload.a`, `{"a":"alice"}`, audience.Audience{"u:alice"}},
		{"a number is an id, exactly", `=payload.a`, `{"a":9007199254740993}`, audience.Audience{"u:9007199254740993"}},
		{"one beyond 64 bits", `=payload.a`, `{"a":123456789012345678901234567890}`, audience.Audience{"u:123456789012345678901234567890"}},
		{"a user of the rule", `admin`, `{}`, audience.Audience{"u:admin"}},
		{"a number of the rule", `7`, `{}`, audience.Audience{"u:7"}},
		{"a list of the event", `=payload.a`, `{"a":["bob","alice","bob",7]}`, audience.Audience{"u:7", "u:alice", "u:bob"}},
		{"a list of the rule", `[=payload.a, admin, =payload.b]`, `{"a":"bob","b":["alice","admin"]}`, audience.Audience{"u:admin", "u:alice", "u:bob"}},
		{"groups", `{groups: =payload.a}`, `{"a":"support"}`, audience.Audience{"g:support"}},
		{"both, apart", `{users: [=payload.a, support], groups: support}`, `{"a":"alice"}`, audience.Audience{"g:support", "u:alice", "u:support"}},
		{"an expression makes the list", `'=map(payload.a, .name)'`, `{"a":[{"name":"bob"},{"name":"alice"}]}`, audience.Audience{"u:alice", "u:bob"}},
		{"perhaps nobody, but somebody", `{users: '=payload.a ?? []', groups: support}`, `{}`, audience.Audience{"g:support"}},
		{"a prefix is a name", `=payload.a`, `{"a":"g:support"}`, audience.Audience{"u:g:support"}},
		{"the most members", `=payload.a`, list(1000, `"a"`), audience.Audience{"u:a"}},
		{"the longest name", `=payload.a`, `{"a":"` + long + `"}`, audience.Audience{"u:" + long}},
	} {
		r := mapper(t, audienceRule(test.audience)).Map(event("channel/"+idA, test.payload))
		if len(r.Outputs) != 1 || len(r.Rejections) != 0 {
			t.Errorf("%s: %+v", test.name, r)
			continue
		}
		if diff := cmp.Diff(test.want, r.Outputs[0].Audience); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// What does not say who may get an output never makes it everybody's.
func TestAudienceRejected(t *testing.T) {
	list := func(n int) string { return `{"a":["x"` + strings.Repeat(`,"x"`, n-1) + `]}` }
	for _, test := range []struct{ name, audience, payload, reason, kind string }{
		{"absent", `=payload.a`, `{"b":1}`, `no value: payload has no "a"; it has: b`, "missing"},
		{"null", `=payload.a`, `{"a":null}`, `no value: payload.a is null`, "missing"},
		{"absent, of several", `[=payload.a, admin]`, `{}`, `=payload.a: no value: payload has no "a"; it has: nothing`, "missing"},
		{"absent group", `{users: admin, groups: =payload.a}`, `{}`, `=payload.a: no value: payload has no "a"; it has: nothing`, "missing"},
		{"empty", `=payload.a`, `{"a":""}`, `the name is empty`, "no name"},
		{"an empty list", `=payload.a`, `{"a":[]}`, `the audience is an empty list: nobody could get this`, "nobody"},
		{"empty lists", `{users: =payload.a, groups: =payload.b}`, `{"a":[],"b":[]}`, `the audience is an empty list: nobody could get this`, "nobody"},
		{"an empty element", `=payload.a`, `{"a":["alice",""]}`, `element 1: the name is empty`, "no name"},
		{"a null element", `=payload.a`, `{"a":["alice",null]}`, `element 1: nothing is not text`, "not text"},
		{"a list in a list", `=payload.a`, `{"a":[["alice"]]}`, `element 0: a list is not text`, "not text"},
		{"an object", `=payload.a`, `{"a":{}}`, `an object is not text`, "not text"},
		{"true", `=payload.a`, `{"a":true}`, `true or false is not text`, "not text"},
		{"a fraction", `=payload.a`, `{"a":1.5}`, `1.5 has a fraction or an exponent, and text takes whole numbers; write string(…) if it is meant`, "not text"},
		{"a line break", `=payload.a`, `{"a":"a\nb"}`, `"a\nb" is not a name: it must be one line of UTF-8`, "no name"},
		{"a NUL", `=payload.a`, `{"a":"a\u0000b"}`, `"a\x00b" is not a name: it must be one line of UTF-8`, "no name"},
		{"too long", `=payload.a`, `{"a":"` + strings.Repeat("é", 128) + `x"}`, `"` + strings.Repeat("é", 40) + `…" is a name of 257 bytes; at most 256 are allowed`, "too large"},
		{"too many", `=payload.a`, list(1001), `element 1000: an audience has at most 1000 members`, "too large"},
		{"too many with those of the rule", `[=payload.a, admin]`, list(1000), `=payload.a: element 999: an audience has at most 1000 members`, "too large"},
		{"an expression that fails", `=upper(payload.a)`, `{"a":1}`, `upper takes text, not a number`, "expression"},
	} {
		r := mapper(t, audienceRule(test.audience)).Map(event("channel/"+idA, test.payload))
		if len(r.Outputs) != 0 || len(r.Rejections) != 1 {
			t.Errorf("%s: %+v", test.name, r)
			continue
		}
		got := r.Rejections[0]
		want := mapping.Rejection{
			Rule: "channel", Stage: "fields", Queue: "/queue/channel/connected", Field: "audience", Item: -1,
			File: "rules.yaml", Line: 6, Kind: test.kind, Reason: test.reason, Fields: got.Fields,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// A dead letter names the audience beside the fields that failed.
func TestAudienceRejectedWithFields(t *testing.T) {
	r := mapper(t, audienceRule("=payload.a")).Map(event("channel/x", `{}`))
	if len(r.Rejections) != 1 {
		t.Fatalf("%+v", r)
	}
	want := []mapping.FieldError{
		{Field: "audience", Source: "=payload.a", File: "rules.yaml", Line: 6, Kind: "missing", Reason: `no value: payload has no "a"; it has: nothing`},
		{Field: "id", Source: "=payload.id ?? topic.id", File: "rules.yaml", Line: 7, Kind: "not a UUID",
			Reason: `"x" is not a UUID; derive one with uuid("a name for this kind of id", …)`},
	}
	if diff := cmp.Diff(want, r.Rejections[0].Fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Each element of a list has an audience of its own, and one without takes no other along.
func TestAudienceOfItems(t *testing.T) {
	m := mapper(t, strings.Replace(audienceRule("{users: =item.to, groups: =payload.team}"), "=payload.id ?? topic.id", "=topic.id", 1)+"    each: payload.items\n")
	r := m.Map(event("channel/"+idA, `{"team":"sales","items":[{"to":"bob"},{},{"to":["alice","bob"]}]}`))
	var got []string
	for _, o := range r.Outputs {
		got = append(got, o.Audience.String())
	}
	if diff := cmp.Diff([]string{"group sales, user bob", "group sales, user alice, user bob"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Rejections) != 1 || r.Rejections[0].Item != 1 || r.Rejections[0].Field != "audience" {
		t.Errorf("rejections %+v", r.Rejections)
	}
}

// A stamp is not used up by an output that its audience loses.
func TestAudienceBeforeStamp(t *testing.T) {
	m := mapper(t, `
rules:
  - name: unread
    topic: unread/{c}
    queue: /queue/unread-count
    audience: =payload.to
    fields: {conversation_id: =topic.c, unread_message_count: =payload.n}
`)
	stamps := 0
	for _, payload := range []string{`{"n":1}`, `{"n":1,"to":"alice"}`} {
		e := event("unread/"+idA, payload)
		e.Stamp = func(_ string, received time.Time) time.Time { stamps++; return received }
		m.Map(e)
	}
	if stamps != 1 {
		t.Errorf("%d stamps for one output", stamps)
	}
}

// Members count as work, so that an each cannot multiply them without bound.
func TestAudienceWork(t *testing.T) {
	var members []string
	for i := range 1000 {
		members = append(members, fmt.Sprintf(`"%0250d"`, i))
	}
	payload := `{"to":[` + strings.Join(members, ",") + `],"items":[0` + strings.Repeat(",0", 999) + `]}`
	rules := strings.Replace(audienceRule("=payload.to"), "=payload.id ?? topic.id", "=topic.id", 1) + "    each: payload.items\n"
	for name, rules := range map[string]string{
		"of the event": rules,
		"of the rule":  strings.Replace(rules, "=payload.to", "["+strings.Join(members, ", ")+"]", 1),
	} {
		r := mapper(t, rules).Map(event("channel/"+idA, payload))
		size := 0
		for _, o := range r.Outputs {
			for _, token := range o.Audience {
				size += len(token)
			}
		}
		last := r.Rejections[len(r.Rejections)-1]
		if len(r.Outputs) == 0 || size > 17<<20 || last.Kind != "too much work" {
			t.Errorf("%s: %d outputs with %d bytes of members, then %q", name, len(r.Outputs), size, last.Kind)
		}
	}
}
