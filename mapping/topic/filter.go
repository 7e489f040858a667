// Package topic matches and compares MQTT topic filters.
//
// Filters and topic names are plain strings. Match, Covers and Intersects take filters that Check
// accepts, do not allocate, and obey MQTT 5, 4.7.2: a wildcard at the first level does not reach a
// topic that begins with $.
package topic

import (
	"fmt"
	"strings"
)

// Check says what is wrong with a topic filter (MQTT 5, 4.7.1 and 4.7.3); nil when a broker may be
// asked for it. A broker may end the connection for any of it.
func Check(filter string) error {
	if filter == "" || CheckText(filter) != nil {
		return fmt.Errorf("topic filter %.100q: must be 1 to %d bytes of UTF-8 without control characters", filter, MaxBytes)
	}
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if level != "+" && (level != "#" || more) && strings.ContainsAny(level, "+#") {
			return fmt.Errorf("topic filter %q: + and # must be a whole level, # the last", filter)
		}
	}
	return nil
}

// Match reports whether the filter matches the topic name (MQTT 5, 4.7).
func Match(filter, topic string) bool {
	if hidden(filter, topic) {
		return false
	}
	for {
		f, filterRest, moreFilter := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, topicRest, moreTopic := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		if !moreFilter || !moreTopic {
			// MQTT 5, 4.7.1.2: # matches the parent level too.
			return moreFilter == moreTopic || filterRest == "#"
		}
		filter, topic = filterRest, topicRest
	}
}

// Covers reports whether filter matches every topic that other, a filter or a topic name, matches.
func Covers(filter, other string) bool {
	filter, other = normal(filter), normal(other)
	if hidden(filter, other) {
		return false
	}
	for {
		f, filterRest, moreFilter := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		g, otherRest, moreOther := strings.Cut(other, "/")
		if g == "#" || f != "+" && f != g {
			return false
		}
		if !moreFilter || !moreOther {
			return moreFilter == moreOther || filterRest == "#"
		}
		filter, other = filterRest, otherRest
	}
}

// Intersects reports whether there is a topic that both filters match.
func Intersects(a, b string) bool {
	if hidden(a, b) || hidden(b, a) {
		return false
	}
	for {
		f, aRest, moreA := strings.Cut(a, "/")
		g, bRest, moreB := strings.Cut(b, "/")
		switch {
		case f == "#" || g == "#":
			return true
		case f != g && f != "+" && g != "+":
			return false
		case !moreA || !moreB:
			return moreA == moreB || aRest == "#" || bRest == "#"
		}
		a, b = aRest, bRest
	}
}

// Join returns the narrowest filter that covers both a and b, which intersect.
func Join(a, b string) string {
	var levels []string
	for moreA, moreB := true, true; moreA || moreB; {
		if !moreA || !moreB { // one goes on below the other's last level
			levels = append(levels, "#")
			break
		}
		var f, g string
		f, a, moreA = strings.Cut(a, "/")
		g, b, moreB = strings.Cut(b, "/")
		if f == "#" || g == "#" {
			levels = append(levels, "#")
			break
		}
		if f != g {
			f = "+"
		}
		levels = append(levels, f)
	}
	return normal(strings.Join(levels, "/"))
}

// normal returns the one form of filters that match the same topics: +/# is #.
func normal(filter string) string {
	if filter == "+/#" {
		return "#"
	}
	return filter
}

// hidden reports whether filter begins with a wildcard that does not reach other (MQTT 5, 4.7.2).
func hidden(filter, other string) bool {
	return (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) && strings.HasPrefix(other, "$")
}
