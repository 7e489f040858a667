package mapping_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
)

// What a bridge has put on a dead-letter topic is not mapped again, whatever its base topic; what
// merely looks like it is.
func TestDeadLettersAreNotMapped(t *testing.T) {
	old := map[string]string{"reason": "no", "rule": "x", "stage": "fields", "line": "a.yaml:1", "topic": "a/b"} // before letters had a mark
	without := func(name string) map[string]string {
		some := map[string]string{"extra": "y"}
		for n, v := range old {
			if n != name {
				some[n] = v
			}
		}
		return some
	}
	m := mapper(t, rulesFor("{base...}"))
	for _, tt := range []struct {
		name, topic string
		user        map[string]string
		letter      bool
	}{
		{"another bridge's", "other/dead-letter/x", map[string]string{mapping.DeadLetterProperty: mapping.DeadLetterMark}, true},
		{"one whose values were cut to fit", "other/dead-letter/x", map[string]string{mapping.DeadLetterProperty: ""}, true},
		{"one that a program has sent on", "a/b/c", map[string]string{mapping.DeadLetterProperty: mapping.DeadLetterMark, "reason": "no"}, true},
		{"an older version's", "other/dead-letter/x", old, true},
		{"an older version's, through a bridge between brokers", "site/other/dead-letter/x", old, true},
		{"published again without its properties", "other/dead-letter/x", nil, false},
		{"published again to its own topic, by its reason only", "a/b/c", map[string]string{"reason": "no"}, false},
		{"another program's words elsewhere", "a/b/c", old, false},
		{"another program's dead letter", "other/dead-letter/x", without("stage"), false},
		{"another rule's name", "other/dead-letter/y", old, false},
	} {
		e := event(tt.topic, "")
		e.User = tt.user
		got := m.Map(e)
		mapped := slices.ContainsFunc(got.Outcomes, func(o mapping.Outcome) bool { return o.What == mapping.Mapped })
		if len(got.Outcomes) == 0 || mapped == tt.letter || got.DeadLetter != tt.letter {
			t.Errorf("%s: letter %t, outcomes %v", tt.name, got.DeadLetter, got.Outcomes)
		}
		for _, o := range got.Outcomes {
			if tt.letter && (o.What != mapping.Filtered || o.Why != "dead letter") {
				t.Errorf("%s: %v", tt.name, o)
			}
		}
	}
}

// try says so.
func TestExplainDeadLetter(t *testing.T) {
	e := event("other/dead-letter/x", "")
	e.User = map[string]string{mapping.DeadLetterProperty: mapping.DeadLetterMark}
	got := mapper(t, rulesFor("+/dead-letter/+")).Explain(e).Rules
	want := []mapping.RuleTrace{{Rule: "r0", Item: -1, Note: "no: a bridge's dead letter, which no rule maps"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
