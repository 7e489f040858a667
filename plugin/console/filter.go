package console

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/mapping/topic"
)

// unmatched stands among outcomes for events whose topic no rule matches.
const unmatched = "unmatched"

// outcomes are those that events may be chosen by.
var outcomes = []string{string(commit.Mapped), string(commit.Silent), string(commit.Filtered), string(commit.Rejected), string(commit.Duplicate), unmatched}

// A Filter chooses events. The zero value chooses all.
type Filter struct {
	Topic   string // a topic filter
	Outcome string // of a rule, or unmatched
	Rule    string // with that outcome
	Text    string // in the topic, or in what became of the event; in whatever case
}

// filterOf reads the filter of a page or a stream.
func filterOf(query url.Values) (f Filter, err error) {
	f = Filter{Topic: query.Get("topic"), Outcome: query.Get("outcome"), Rule: query.Get("rule"), Text: strings.TrimSpace(query.Get("text"))}
	if f.Outcome != "" && !slices.Contains(outcomes, f.Outcome) {
		return f, fmt.Errorf("outcome is one of %s, not %q", strings.Join(outcomes, ", "), f.Outcome)
	}
	if f.Topic != "" {
		if err := topic.Check(f.Topic); err != nil {
			return f, err
		}
	}
	return f, nil
}

// Any reports whether the filter leaves out anything.
func (f Filter) Any() bool { return f != Filter{} }

// match reports whether the filter chooses the event.
func (f Filter) match(e *commit.TracedEvent) bool {
	switch {
	case f.Topic != "" && (e.Topic == "" || !topic.Match(f.Topic, e.Topic)):
		return false
	case f.Outcome == unmatched && len(e.Outcomes) > 0:
		return false
	case f.Text != "" && !f.inText(e):
		return false
	case f.Rule == "" && (f.Outcome == "" || f.Outcome == unmatched):
		return true
	}
	return slices.ContainsFunc(e.Outcomes, func(o commit.TracedOutcome) bool {
		return (f.Rule == "" || o.Rule == f.Rule) && (f.Outcome == "" || string(o.What) == f.Outcome)
	})
}

func (f Filter) inText(e *commit.TracedEvent) bool {
	text := strings.ToLower(f.Text)
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	return in(e.Topic) || in(e.Memory) || slices.ContainsFunc(e.Outcomes, func(o commit.TracedOutcome) bool {
		return in(o.Rule) || in(o.Queue) || in(o.Why) || in(o.Element)
	})
}
