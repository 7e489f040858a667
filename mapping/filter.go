package mapping

import "strings"

// A Filter is one MQTT topic filter to subscribe to.
type Filter struct {
	Topic        string
	SkipRetained bool // every rule under it skips retained messages
}

// Filters returns the topic filters to subscribe to, in the order of the rules. Together they match every topic that a rule
// matches, and no two of them match the same topic, so that a broker that sends one copy for each matching subscription
// sends one copy. Of rules whose topics overlap only partly, the narrowest filter around both is taken.
func (m *Mapper) Filters() []Filter {
	var set []filter
	for _, r := range m.rules {
		set = addDisjoint(set, r.pattern.filter)
	}
	filters := make([]Filter, len(set))
	for i, f := range set {
		filters[i] = Filter{Topic: f.String(), SkipRetained: true}
		for _, r := range m.rules {
			if r.deliver && f.covers(r.pattern.filter) {
				filters[i].SkipRetained = false
			}
		}
	}
	return filters
}

// A filter is an MQTT topic filter as its levels.
type filter []string

func (f filter) String() string { return strings.Join(f, "/") }

// normal returns the one form of filters that match the same topics: +/# is #.
func (f filter) normal() filter {
	if len(f) > 1 && f[0] == "+" && f[1] == "#" {
		return f[1:]
	}
	return f
}

// addDisjoint adds f to a set of filters of which no two match the same topic, and keeps it so.
func addDisjoint(set []filter, f filter) []filter {
	for i, g := range set {
		if !f.intersects(g) {
			continue
		}
		joined := f.join(g)
		if joined.String() == g.String() {
			return set
		}
		// The join may reach further than either and meet others of the set.
		return addDisjoint(append(set[:i:i], set[i+1:]...), joined)
	}
	return append(set, f)
}

// hidden reports whether the wildcard at the first level does not reach the other filter's first level:
// MQTT 5, 4.7.2: topics that begin with $.
func hidden(wildcard, other string) bool {
	return (wildcard == "+" || wildcard == "#") && strings.HasPrefix(other, "$")
}

// covers reports whether f matches every topic that g matches.
func (f filter) covers(g filter) bool {
	if hidden(f[0], g[0]) {
		return false
	}
	for i, l := range f {
		switch {
		case l == "#":
			return true
		case i == len(g) || g[i] == "#" || l != "+" && l != g[i]:
			return false
		}
	}
	return len(f) == len(g)
}

// intersects reports whether there is a topic that both match.
func (f filter) intersects(g filter) bool {
	if hidden(f[0], g[0]) || hidden(g[0], f[0]) {
		return false
	}
	for i := range max(len(f), len(g)) {
		switch {
		case i < len(f) && f[i] == "#" || i < len(g) && g[i] == "#":
			return true
		case i == len(f) || i == len(g):
			return false
		case f[i] != g[i] && f[i] != "+" && g[i] != "+":
			return false
		}
	}
	return true
}

// join returns the narrowest filter that covers both f and g, which intersect.
func (f filter) join(g filter) filter {
	var joined filter
	for i := range max(len(f), len(g)) {
		if i == len(f) || i == len(g) || f[i] == "#" || g[i] == "#" {
			return append(joined, "#").normal()
		}
		if f[i] == g[i] {
			joined = append(joined, f[i])
		} else {
			joined = append(joined, "+")
		}
	}
	return joined
}
