package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
)

// rulesFor returns a rule for each topic, which puts what the topic's last capture holds into the
// channel's name.
func rulesFor(topics ...string) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i, topic := range topics {
		topic, retained, _ := strings.Cut(topic, " ")
		if retained == "" {
			retained = "skip"
		}
		fmt.Fprintf(&b, "  - {name: r%d, topic: '%s', retained: %s, payload: ignore, queue: /queue/channel/connected, "+
			"fields: {id: '=uuid(\"t\", mqtt.topic)', name: =mqtt.topic, source: a, source_channel_id: b}}\n", i, topic, retained)
	}
	return b.String()
}

func TestTopicMatch(t *testing.T) {
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"a/b", []string{"a/b"}, []string{"a", "a/b/c", "a/b/", "/a/b", "A/b"}},
		{"a/+", []string{"a/b", "a/"}, []string{"a", "a/b/c"}},
		{"+", []string{"a", ""}, []string{"/", "$SYS"}},
		{"+/+", []string{"/a", "a/", "/", "a/b"}, []string{"a", "$SYS/a"}},
		{"/+", []string{"/a"}, []string{"a", "a/b"}},
		{"a/#", []string{"a", "a/", "a/b", "a/b/c"}, []string{"b", "ab", ""}},
		{"#", []string{"a", "/", "a/b/c"}, []string{"$SYS", "$SYS/broker"}},
		{"+/b/#", []string{"a/b", "a/b/c"}, []string{"a", "$SYS/b"}},
		{"$SYS/#", []string{"$SYS", "$SYS/a/b"}, []string{"SYS", "a"}},
		{"$SYS/+/x", []string{"$SYS/a/x"}, []string{"$SYS/x"}},
		{"a/{x}/c", []string{"a/b/c", "a//c"}, []string{"a/c"}},
		{"a/{x...}", []string{"a/b/c", "a/b", "a"}, []string{"b"}},
		{"{x}", []string{"a"}, []string{"$a", "a/b"}},
		{"{x...}", []string{"a", "a/b"}, []string{"$a"}},
		{"a/{x...}/c", []string{"a/b/c", "a/b/b/c", "a//c", "a/c/c"}, []string{"a/c", "a/b/c/d", "b/b/c", "c"}},
		{"{x...}/c", []string{"a/c", "a/b/c", "/c"}, []string{"c", "$a/c", "$SYS/b/c"}},
		{"mqtt-stomp-bridge2/#", []string{"mqtt-stomp-bridge2/a"}, nil},
		// The bridge's own topics match nothing.
		{"#", nil, []string{"mqtt-stomp-bridge", "mqtt-stomp-bridge/dead-letter/r0"}},
		{"{x...}/state", nil, []string{"mqtt-stomp-bridge/state", "mqtt-stomp-bridge/dead-letter/state"}},
		{"+/state", nil, []string{"mqtt-stomp-bridge/state"}},
	}
	for _, tt := range tests {
		m := mapper(t, rulesFor(tt.pattern))
		for _, topic := range tt.yes {
			if got := len(m.Map(event(topic, "")).Outcomes); got != 1 {
				t.Errorf("%q does not match %q", tt.pattern, topic)
			}
		}
		for _, topic := range tt.no {
			if got := len(m.Map(event(topic, "")).Outcomes); got != 0 {
				t.Errorf("%q matches %q", tt.pattern, topic)
			}
		}
	}
}

func TestCaptures(t *testing.T) {
	m := mapper(t, `
rules:
  - name: c
    topic: a/{one}/+/{rest...}
    payload: ignore
    queue: /queue/channel/connected
    fields: {id: '=uuid("x", "y")', name: '=topic.one + "|" + topic.rest', source: =topic.one, source_channel_id: =topic.rest}
`)
	for topic, want := range map[string]string{
		"a/b/c/d/e": "b|d/e", "a/b/c": "b|", "a//c/": "|", "a/b/c//": "b|/", "a/ü/c/d": "ü|d",
	} {
		r := m.Map(event(topic, ""))
		if len(r.Outputs) != 1 || !strings.Contains(string(r.Outputs[0].Body), `"name":"`+want+`"`) {
			t.Errorf("topic %q: %+v, want the name %q", topic, r, want)
		}
	}
}

// Each topic of a list gives the names their texts, whatever their order, and the rule fires once.
func TestTopicList(t *testing.T) {
	m := mapper(t, `
rules:
  - name: before
    topic: ['c/{one}', 'a/{one...}']
    payload: ignore
    queue: /queue/unread-count
    fields: {conversation_id: '=uuid("x", mqtt.topic)', unread_message_count: 1}
  - name: list
    topic:
      - a/{one}/{two}
      - b/{two...}/{one}
      - a/{one}/{two...}
      - '{two}/x/{one}'
    payload: ignore
    queue: /queue/channel/connected
    fields: {id: '=uuid("x", "y")', name: '=topic.one + "|" + topic.two', source: s, source_channel_id: c}
`)
	for topic, want := range map[string]string{
		"a/1/2": "1|2", "b/1/2": "2|1", "b/1/2/3": "3|1/2", "a/1": "1|", "a/1/2/3": "1|2/3", "a/x/2": "x|2", "b/x/2": "2|x", "c/x/2": "2|c", "c/2": "", "d": "",
	} {
		r := m.Map(event(topic, ""))
		var got []string
		for _, o := range r.Outputs {
			if o.Rule == "list" {
				got = append(got, string(o.Body))
			}
		}
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0], `"name":"`+want+`"`)) {
			t.Errorf("topic %q: %q, want the name %q once", topic, got, want)
		}
	}
	if got := outcomes(m.Map(event("a/1/2", ""))); got != "before mapped, list mapped" {
		t.Errorf("outcomes %s, want those of both rules in their order", got)
	}
	notes := m.Explain(event("e", "")).Rules
	if len(notes) != 2 || notes[1].Note != "no: the topic does not match a/{one}/{two}, b/{two...}/{one}, a/{one}/{two...}, {two}/x/{one}" {
		t.Errorf("notes %+v", notes)
	}
	if diff := cmp.Diff([]string{"c/{one}", "a/{one...}"}, m.Rules()[0].Topics); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

func TestBaseTopic(t *testing.T) {
	m, report := compileWith("rules.yaml", rulesFor("#"), mapping.Options{BaseTopic: "own/topics"})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]int{"own/topics": 0, "own/topics/x": 0, "own": 1, "own/topicsx": 1, "mqtt-stomp-bridge/x": 1} {
		if got := len(m.Map(event(topic, "")).Outcomes); got != want {
			t.Errorf("topic %q matches %d rules, want %d", topic, got, want)
		}
	}
}

func TestFilters(t *testing.T) {
	tests := []struct {
		name   string
		topics []string
		want   string // filter:skip …
	}{
		{"none", nil, ""},
		{"apart", []string{"a/{x}", "b/{x} deliver"}, "a/+:true b/+:false"},
		{"the same", []string{"a/{x}", "a/+", "a/{y} deliver"}, "a/+:false"},
		{"covered", []string{"a/b/c", "a/{x...}", "a/b"}, "a/#:true"},
		{"covered before", []string{"a/#", "a/b deliver"}, "a/#:false"},
		{"several in the middle", []string{"a/{x...}/b", "a/{x...}/c/{y} deliver"}, "a/#:false"},
		{"several in the middle takes in another", []string{"a/{x}", "b", "a/{x...}/b"}, "b:true a/#:true"},
		{"several in the middle of others", []string{"a/{x...}/b", "+/c"}, "#:true"},
		{"several in front", []string{"{x...}/b deliver", "$SYS/a"}, "#:false $SYS/a:true"},
		{"parent level", []string{"a", "a/#"}, "a/#:true"},
		{"everything", []string{"a/b", "+/#", "c"}, "#:true"},
		{"not of $", []string{"#", "$SYS/a", "$SYS/#"}, "#:true $SYS/#:true"},
		{"plus not of $", []string{"+/a", "$x/a"}, "+/a:true $x/a:true"},
		{"crossing", []string{"a/+", "+/b"}, "+/+:true"},
		{"crossing in the middle", []string{"a/+/c", "a/b/+"}, "a/+/+:true"},
		{"crossing with the rest", []string{"a/#", "+/b"}, "#:true"},
		{"a join meets a third", []string{"a/+/c", "x/y", "a/b/+", "+/q/z"}, "x/y:true +/+/+:true"},
		{"other lengths are apart", []string{"+/+", "+/+/+", "+"}, "+/+:true +/+/+:true +:true"},
		{"a join takes in what was apart", []string{"a/x", "+/b", "a/+"}, "+/+:true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range mapper(t, rulesFor(tt.topics...)).Filters() {
				got = append(got, fmt.Sprintf("%s:%t", f.Topic, f.SkipRetained))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("filters of %q (-want +got):\n%s", tt.topics, diff)
			}
		})
	}
}

// Whatever topics the rules have: each topic is matched by exactly one filter when a rule matches
// it, and by at most one otherwise.
func TestFiltersDisjoint(t *testing.T) {
	levels := []string{"a", "b", "+", "$x"}
	var patterns, topics []string
	for _, one := range levels {
		patterns = append(patterns, one, one+"/#")
		for _, two := range levels[:3] {
			patterns = append(patterns, one+"/"+two)
			if one != "+" && two != "+" {
				topics = append(topics, one+"/"+two, one, one+"/"+two+"/a")
			}
		}
	}
	patterns = append(patterns, "#")
	for i := range patterns {
		for j := range patterns {
			set := []string{patterns[i], patterns[j], patterns[(i*7+j*3)%len(patterns)]}
			rules := mapper(t, rulesFor(set...))
			var only []*mapping.Mapper
			for _, f := range rules.Filters() {
				only = append(only, mapper(t, rulesFor(f.Topic)))
			}
			for _, topic := range topics {
				matching := 0
				for _, m := range only {
					matching += len(m.Map(event(topic, "")).Outcomes)
				}
				if wanted := len(rules.Map(event(topic, "")).Outcomes) > 0; matching > 1 || wanted && matching == 0 {
					t.Errorf("topic %q, rules %q: %d of the filters %v match", topic, set, matching, rules.Filters())
				}
			}
		}
	}
}
