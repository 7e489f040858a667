package mapping

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/topic"
)

// A placedTopic is one of the topics of a rule, with its place.
type placedTopic struct {
	rule    *rule
	pattern *topic.Pattern
	file    *source.File
	node    *yaml.Node
}

// A topicGroup are topics that match the same, of different rules.
type topicGroup struct {
	all   []placedTopic
	broad []placedTopic // whose rules send something for every event
}

// A topicComparison compares each topic with those before it.
type topicComparison struct {
	report *source.Report
	groups []*topicGroup
	shapes map[string]*topicGroup // by topic.Pattern.Shape
	index  topic.Index            // of the filters of groups
	told   map[string]bool        // filters that the comparison has come to
}

// compareTopics warns about rules that send the same thing twice, and about topics that overlap
// only partly. One warning of a kind is enough for a topic.
func (c *compiler) compareTopics() {
	t := &topicComparison{report: c.report, shapes: map[string]*topicGroup{}, told: map[string]bool{}}
	for _, r := range c.rules {
		for i, p := range r.rule.topics {
			t.add(placedTopic{r.rule, p, r.file, r.topics[i]})
		}
	}
}

func (t *topicComparison) add(b placedTopic) {
	f := b.pattern.Filter()
	var before []*topicGroup
	for _, i := range t.index.Intersecting(nil, f) {
		before = append(before, t.groups[i])
	}
	t.findDoubles(b, before)
	t.findCovered(b, before)
	if !t.told[f] {
		t.told[f] = true
		t.findOverlap(b, before)
	}
	g := t.shapes[b.pattern.Shape()]
	if g == nil {
		g = new(topicGroup)
		t.shapes[b.pattern.Shape()] = g
		t.index.AddFilter(f, len(t.groups))
		t.groups = append(t.groups, g)
	}
	g.all = append(g.all, b)
	if b.rule.doubles(b.rule) {
		g.broad = append(g.broad, b)
	}
}

// findDoubles warns where one of two rules sends all that the other sends.
func (t *topicComparison) findDoubles(b placedTopic, before []*topicGroup) {
	doubled, doubles := false, false
	for _, g := range before {
		wider := !doubled && g.all[0].pattern.Covers(b.pattern)
		narrower := !doubles && b.pattern.Covers(g.all[0].pattern)
		if !wider && !narrower {
			continue
		}
		others := g.broad
		if b.rule.doubles(b.rule) {
			others = g.all
		}
		for _, a := range others {
			switch {
			case a.rule == b.rule:
			case wider && !doubled && a.rule.doubles(b.rule):
				doubled = true
				t.report.Warnf(b.file, b.node, "give one of the two a when",
					"what this rule sends goes to %s twice: rule %q (%s:%d) sends every event of the topic there",
					b.rule.routes[0].queue, a.rule.name, a.rule.file, a.rule.line)
			case narrower && !doubles && b.rule.doubles(a.rule):
				doubles = true
				t.report.Warnf(b.file, b.node, "give one of the two a when",
					"what rule %q (%s:%d) sends goes to %s twice: this rule sends every event of that topic there",
					a.rule.name, a.rule.file, a.rule.line, a.rule.routes[0].queue)
			}
		}
	}
}

// findCovered warns about a topic that can never be the first of its rule to match.
func (t *topicComparison) findCovered(b placedTopic, before []*topicGroup) {
	if len(b.rule.topics) == 1 {
		return
	}
	for _, g := range before {
		a := g.all[len(g.all)-1]
		if a.rule == b.rule && a.pattern.Covers(b.pattern) {
			t.report.Warnf(b.file, b.node, "leave it out: of the topics that match, the first gives the names their texts",
				"the rule has this topic without it: %s (line %d) matches all that it matches", a.pattern, a.node.Line)
			return
		}
	}
}

// findOverlap warns about a subscription that is wider than the topics.
func (t *topicComparison) findOverlap(b placedTopic, before []*topicGroup) {
	f := b.pattern.Filter()
	for _, group := range before {
		a := group.all[0]
		g := a.pattern.Filter()
		if topic.Covers(f, g) || topic.Covers(g, f) {
			continue
		}
		other, as := fmt.Sprintf("that of rule %q (%s:%d), %s,", a.rule.name, a.rule.file, a.rule.line, a.pattern), ""
		if a.rule == b.rule {
			other = a.pattern.String()
		}
		if a.pattern.Middle() || b.pattern.Middle() {
			as = fmt.Sprintf(" for the broker, as %s and %s", f, g)
		}
		t.report.Warnf(b.file, b.node, "nothing is wrong, but the broker sends more than the rules need",
			"this topic and %s overlap%s: the bridge subscribes to %s, which covers both", other, as, topic.Join(f, g))
		return
	}
}
