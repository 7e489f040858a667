package doctor

import "strings"

// isFilter reports whether wildcards have whole levels, and # the last one (MQTT 5, 4.7.1).
func isFilter(f string) bool {
	levels := strings.Split(f, "/")
	for i, l := range levels {
		if strings.ContainsAny(l, "+#") && (len(l) > 1 || l == "#" && i < len(levels)-1) {
			return false
		}
	}
	return true
}

// covers reports whether the topic filter f matches every topic that g, a filter or a topic, matches (MQTT 5, 4.7).
func covers(f, g string) bool {
	if hidden(f, g) {
		return false
	}
	fs, gs := strings.Split(f, "/"), strings.Split(g, "/")
	for i, l := range fs {
		switch {
		case l == "#":
			return true
		case i == len(gs) || gs[i] == "#" || l != "+" && l != gs[i]:
			return false
		}
	}
	return len(fs) == len(gs)
}

// intersects reports whether there is a topic that both filters match.
func intersects(f, g string) bool {
	if hidden(f, g) || hidden(g, f) {
		return false
	}
	fs, gs := strings.Split(f, "/"), strings.Split(g, "/")
	for i := range max(len(fs), len(gs)) {
		switch {
		case i < len(fs) && fs[i] == "#" || i < len(gs) && gs[i] == "#":
			return true
		case i == len(fs) || i == len(gs):
			return false
		case fs[i] != gs[i] && fs[i] != "+" && gs[i] != "+":
			return false
		}
	}
	return true
}

// hidden reports whether the wildcard that f begins with does not reach g (MQTT 5, 4.7.2: topics that begin with $).
func hidden(f, g string) bool {
	return (strings.HasPrefix(f, "+") || strings.HasPrefix(f, "#")) && strings.HasPrefix(g, "$")
}
