package mapping

import "mqtt-stomp-bridge/mapping/topic"

// A Filter is one MQTT topic filter to subscribe to.
type Filter struct {
	Topic        string
	SkipRetained bool // every rule under it skips retained messages
}

// Filters returns the topic filters to subscribe to, in the order of the rules. Together they match
// every topic that a rule matches, and no two of them match the same topic, so that a broker that
// sends one copy for each matching subscription sends one copy. Of rules whose topics overlap only
// partly, the narrowest filter around both is taken. A {name...} before the last level widens the
// filter to all that begins like the topic.
func (m *Mapper) Filters() []Filter {
	var all []string
	for _, t := range m.topics {
		all = append(all, t.pattern.Filter())
	}
	set := topic.Disjoint(all)
	var index topic.Index
	filters := make([]Filter, len(set))
	for i, f := range set {
		filters[i] = Filter{Topic: f, SkipRetained: true}
		index.AddFilter(f, i)
	}
	for _, f := range m.Retained() {
		for _, i := range index.Intersecting(nil, f) {
			filters[i].SkipRetained = false
		}
	}
	return filters
}

// Retained returns the topic filters whose retained messages a rule with `retained: deliver` maps.
// No two of them match the same topic.
func (m *Mapper) Retained() []string {
	var all []string
	for _, t := range m.topics {
		if m.rules[t.rule].deliver {
			all = append(all, t.pattern.Filter())
		}
	}
	return topic.Disjoint(all)
}
