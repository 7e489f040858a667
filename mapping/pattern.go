package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A pattern is a rule's topic: an MQTT topic filter in which + may be written {name} and # {name...}.
type pattern struct {
	text   string
	levels []level
	filter filter   // the topics that it matches
	names  []string // of the captures, in the order of their levels
}

type level struct {
	wild    byte   // '+', '#', or 0 for literal
	literal string // when wild is 0
	named   bool   // the level is a capture
}

func (l level) String() string {
	if l.wild != 0 {
		return string(l.wild)
	}
	return l.literal
}

// A patternError is one mistake in a pattern: width characters from offset.
type patternError struct {
	offset, width int
	message, hint string
}

const maxTopic = 65535 // MQTT 5, 1.5.4: a string has a two-byte length

var captureName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parsePattern parses a rule's topic and returns every mistake in it.
func parsePattern(text string) (*pattern, []patternError) {
	p := &pattern{text: text}
	var errs []patternError
	switch {
	case text == "":
		return p, []patternError{{0, 1, "the topic is empty", "write a topic filter, such as chat/{channel_id}/message"}}
	case len(text) > maxTopic || strings.ContainsRune(text, 0):
		return p, []patternError{{0, 1, "no MQTT topic is longer than 65535 bytes or holds a zero byte", ""}}
	}
	parts := strings.Split(text, "/")
	offset := 0
	for i, part := range parts {
		width := len([]rune(part))
		l, name, err := parseLevel(part, i == len(parts)-1)
		if err == nil && name != "" && slices.Contains(p.names, name) {
			err = &patternError{message: fmt.Sprintf("{%s} stands twice in the topic", name), hint: "give the two levels different names"}
		}
		if err != nil {
			err.offset, err.width = offset, max(1, width)
			errs = append(errs, *err)
		}
		if name != "" {
			p.names = append(p.names, name)
		}
		p.levels = append(p.levels, l)
		p.filter = append(p.filter, l.String())
		offset += width + 1
	}
	p.filter = p.filter.normal()
	return p, errs
}

func parseLevel(part string, last bool) (level, string, *patternError) {
	inner, braced := strings.CutPrefix(part, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	switch {
	case braced && closed && !strings.ContainsAny(inner, "{}"):
		return parseCapture(inner, last)
	case captureName.MatchString(strings.TrimSuffix(inner, "...")) && braced != closed:
		return level{}, "", &patternError{message: "a brace is missing", hint: "write {" + inner + "}"}
	case strings.ContainsAny(part, "{}"):
		return level{}, "", &patternError{message: "a {name} takes a whole topic level", hint: `split it in the expression: split(topic.x, "-")`}
	case part == "#" && !last:
		return level{}, "", &patternError{message: "# must be the last level", hint: "+ stands for one level"}
	case part == "+" || part == "#":
		return level{wild: part[0]}, "", nil
	case strings.ContainsAny(part, "+#"):
		return level{}, "", &patternError{message: "+ and # take a whole topic level", hint: "match the whole level, and test its text in when"}
	}
	return level{literal: part}, "", nil
}

func parseCapture(inner string, last bool) (level, string, *patternError) {
	name, rest := strings.CutSuffix(inner, "...")
	switch {
	case !captureName.MatchString(name):
		return level{}, "", &patternError{message: fmt.Sprintf("{%s} is no name", inner), hint: "a name is made of letters, digits and _, such as {device_id}"}
	case rest && !last:
		return level{}, name, &patternError{message: fmt.Sprintf("{%s...} must be the last level", name), hint: fmt.Sprintf("{%s} stands for one level", name)}
	case rest:
		return level{wild: '#', named: true}, name, nil
	}
	return level{wild: '+', named: true}, name, nil
}

// match reports whether the pattern matches the topic, whose levels are given too, and appends what it captures.
func (p *pattern) match(topic string, levels []string, captures []string) ([]string, bool) {
	// MQTT 5, 4.7.2: a filter that begins with a wildcard does not match topics that begin with $.
	if p.levels[0].wild != 0 && strings.HasPrefix(topic, "$") {
		return captures, false
	}
	for i, l := range p.levels {
		if l.wild == '#' { // MQTT 5, 4.7.1.2: also the parent level
			if l.named {
				captures = append(captures, rest(topic, levels[:i]))
			}
			return captures, true
		}
		if i == len(levels) || l.wild == 0 && l.literal != levels[i] {
			return captures, false
		}
		if l.named {
			captures = append(captures, levels[i])
		}
	}
	return captures, len(levels) == len(p.levels)
}

// rest returns what follows the levels in the topic.
func rest(topic string, levels []string) string {
	n := 0
	for _, l := range levels {
		n += len(l) + 1
	}
	return topic[min(n, len(topic)):]
}
