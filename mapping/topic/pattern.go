package topic

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Pattern is a topic filter in which + may be written {name}, and # {name...}. It is safe for
// concurrent use.
type Pattern struct {
	text   string
	levels []level
	filter string
	names  []string
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

// A Mistake is one mistake in the text of a pattern: Width characters from Offset.
type Mistake struct {
	Offset, Width int
	Message, Hint string
}

var captureName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ParsePattern parses a pattern and returns every mistake in it. A pattern with mistakes is good
// for Names alone.
func ParsePattern(text string) (*Pattern, []Mistake) {
	p := &Pattern{text: text}
	var mistakes []Mistake
	if text == "" {
		return p, []Mistake{{0, 1, "the topic is empty", "write a topic filter, such as chat/{channel_id}/message"}}
	}
	if m := CheckText(text); m != nil {
		m.Message = "the topic " + m.Message
		return p, []Mistake{*m}
	}
	parts := strings.Split(text, "/")
	var filter []string
	offset := 0
	for i, part := range parts {
		width := len([]rune(part))
		l, name, mistake := parseLevel(part, i == len(parts)-1)
		if mistake == nil && name != "" && slices.Contains(p.names, name) {
			mistake = &Mistake{Message: fmt.Sprintf("{%s} appears twice in the topic", name), Hint: "give the two levels different names"}
		}
		if mistake != nil {
			mistake.Offset, mistake.Width = offset, max(1, width)
			mistakes = append(mistakes, *mistake)
		}
		if name != "" {
			p.names = append(p.names, name)
		}
		p.levels = append(p.levels, l)
		filter = append(filter, l.String())
		offset += width + 1
	}
	p.filter = normal(strings.Join(filter, "/"))
	return p, mistakes
}

func parseLevel(part string, last bool) (level, string, *Mistake) {
	inner, braced := strings.CutPrefix(part, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	switch {
	case braced && closed && !strings.ContainsAny(inner, "{}"):
		return parseCapture(inner, last)
	case captureName.MatchString(strings.TrimSuffix(inner, "...")) && braced != closed:
		return level{}, "", &Mistake{Message: "a brace is missing", Hint: "write {" + inner + "}"}
	case strings.ContainsAny(part, "{}"):
		return level{}, "", &Mistake{Message: "a {name} takes a whole topic level", Hint: `split it in the expression: split(topic.x, "-")`}
	case part == "#" && !last:
		return level{}, "", &Mistake{Message: "# must be the last level", Hint: "+ stands for one level"}
	case part == "+" || part == "#":
		return level{wild: part[0]}, "", nil
	case strings.ContainsAny(part, "+#"):
		return level{}, "", &Mistake{Message: "+ and # take a whole topic level", Hint: "match the whole level, and test its text in when"}
	}
	return level{literal: part}, "", nil
}

func parseCapture(inner string, last bool) (level, string, *Mistake) {
	name, rest := strings.CutSuffix(inner, "...")
	switch {
	case !captureName.MatchString(name):
		return level{}, "", &Mistake{
			Message: fmt.Sprintf("{%s} is not a name", inner), Hint: "a name is made of letters, digits and _, such as {device_id}",
		}
	case rest && !last:
		return level{}, name, &Mistake{
			Message: fmt.Sprintf("{%s...} must be the last level", name), Hint: fmt.Sprintf("{%s} stands for one level", name),
		}
	case rest:
		return level{wild: '#', named: true}, name, nil
	}
	return level{wild: '+', named: true}, name, nil
}

// String returns the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Filter returns the topic filter that matches the same topics.
func (p *Pattern) Filter() string { return p.filter }

// Names returns the names of the captures, in the order of their levels. It must not be changed.
func (p *Pattern) Names() []string { return p.names }

// Match reports whether the pattern matches the topic, whose levels are given too, and appends what
// it captures, in the order of Names.
func (p *Pattern) Match(topic string, levels []string, captures []string) ([]string, bool) {
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

// AppendLevels appends the levels of the topic.
func AppendLevels(levels []string, topic string) []string {
	for {
		level, rest, more := strings.Cut(topic, "/")
		levels = append(levels, level)
		if !more {
			return levels
		}
		topic = rest
	}
}

// rest returns what follows the levels in the topic.
func rest(topic string, levels []string) string {
	n := 0
	for _, l := range levels {
		n += len(l) + 1
	}
	return topic[min(n, len(topic)):]
}
