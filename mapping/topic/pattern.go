package topic

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Pattern is a topic filter in which + may be written {name}, and # {name...}. The latter may also
// stand before the last level, where it matches one or more levels. A Pattern is safe for concurrent
// use.
type Pattern struct {
	text   string
	levels []level
	rest   int    // which level is # or {name...}; len(levels): none
	filter string // see Filter
	names  []string
}

type level struct {
	wild    byte   // '+', '#', or 0 for literal
	literal string // when wild is 0
	name    string // of the capture; "": none
}

// levelsOf returns the levels of a topic filter.
func levelsOf(filter string) []level {
	var levels []level
	for l := range strings.SplitSeq(normal(filter), "/") {
		if l == "+" || l == "#" {
			levels = append(levels, level{wild: l[0]})
		} else {
			levels = append(levels, level{literal: l})
		}
	}
	return levels
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
	p.rest = len(parts)
	offset := 0
	for i, part := range parts {
		l, mistake := parseLevel(part, i == len(parts)-1)
		if mistake == nil {
			mistake = p.repeats(l)
		}
		if mistake != nil {
			mistake.Offset, mistake.Width = offset, max(1, utf8.RuneCountInString(part))
			mistakes = append(mistakes, *mistake)
		}
		p.add(l)
		offset += utf8.RuneCountInString(part) + 1
	}
	p.filter = normal(shape(p.levels[:min(p.rest+1, len(p.levels))]))
	return p, mistakes
}

// repeats says what l repeats of the levels before it.
func (p *Pattern) repeats(l level) *Mistake {
	switch {
	case l.name != "" && slices.Contains(p.names, l.name):
		return &Mistake{Message: fmt.Sprintf("{%s} appears twice in the topic", l.name), Hint: "give the two levels different names"}
	case l.wild == '#' && p.rest < len(p.levels):
		return &Mistake{
			Message: fmt.Sprintf("the topic has {%s...} already, and only one of its levels may stand for several", p.levels[p.rest].name),
			Hint:    "{name} and + stand for one level",
		}
	}
	return nil
}

func (p *Pattern) add(l level) {
	if l.wild == '#' && p.rest > len(p.levels) {
		p.rest = len(p.levels)
	}
	if l.name != "" {
		p.names = append(p.names, l.name)
	}
	p.levels = append(p.levels, l)
}

// shape returns the levels without their names, as in a topic filter.
func shape(levels []level) string {
	texts := make([]string, len(levels))
	for i, l := range levels {
		texts[i] = l.literal
		if l.wild != 0 {
			texts[i] = string(l.wild)
		}
	}
	return strings.Join(texts, "/")
}

func parseLevel(part string, last bool) (level, *Mistake) {
	inner, braced := strings.CutPrefix(part, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	switch {
	case braced && closed && !strings.ContainsAny(inner, "{}"):
		return parseCapture(inner)
	case captureName.MatchString(strings.TrimSuffix(inner, "...")) && braced != closed:
		return level{}, &Mistake{Message: "a brace is missing", Hint: "write {" + inner + "}"}
	case strings.ContainsAny(part, "{}") && strings.ContainsAny(part, ",|"):
		return level{}, &Mistake{Message: "a {name} takes a whole topic level", Hint: "write several topics as a list, each on a line with a -"}
	case strings.ContainsAny(part, "{}"):
		return level{}, &Mistake{Message: "a {name} takes a whole topic level", Hint: `split it in the expression: split(topic.x, "-")`}
	case part == "#" && !last:
		return level{}, &Mistake{Message: "# must be the last level", Hint: "write + for one level here, or {name...} for one or more"}
	case part == "+" || part == "#":
		return level{wild: part[0]}, nil
	case strings.ContainsAny(part, "+#"):
		return level{}, &Mistake{Message: "+ and # take a whole topic level", Hint: "match the whole level, and test its text in when"}
	}
	return level{literal: part}, nil
}

func parseCapture(inner string) (level, *Mistake) {
	name, rest := strings.CutSuffix(inner, "...")
	if !captureName.MatchString(name) {
		hint := "a name is made of letters, digits and _, such as {device_id}"
		if several := strings.Trim(inner, ".*…#+"); several != inner && captureName.MatchString(several) {
			hint = "for one or more levels write {" + several + "...}"
		}
		return level{}, &Mistake{Message: fmt.Sprintf("{%s} is not a name", inner), Hint: hint}
	}
	if rest {
		return level{wild: '#', name: name}, nil
	}
	return level{wild: '+', name: name}, nil
}

// String returns the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Filter returns the narrowest topic filter that covers the pattern. It matches the same topics,
// unless {name...} stands before the last level.
func (p *Pattern) Filter() string { return p.filter }

// Names returns the names of the captures, in the order of their levels. It must not be changed.
func (p *Pattern) Names() []string { return p.names }

// Shape returns the pattern without its names. Patterns of the same shape match the same topics.
func (p *Pattern) Shape() string {
	if !p.Middle() {
		return p.filter
	}
	return shape(p.levels)
}

// Middle reports whether {name...} stands before the last level.
func (p *Pattern) Middle() bool { return p.rest < len(p.levels)-1 }

// tail returns the levels behind the one that stands for several.
func (p *Pattern) tail() []level { return p.levels[min(p.rest+1, len(p.levels)):] }

// least returns how many levels a topic must have to match.
func (p *Pattern) least() int {
	if p.rest == len(p.levels)-1 {
		return max(1, p.rest) // MQTT 5, 4.7.1.2: # matches the parent level too
	}
	return len(p.levels)
}

// Captures returns what the pattern captures of a topic that it matches, whose levels are given
// too: for each of the names, which are those of the pattern in any order. It uses the space of
// captures.
func (p *Pattern) Captures(captures []string, names []string, topic string, levels []string) []string {
	captures = append(captures[:0], names...)
	after := len(levels) - len(p.tail()) // where the tail begins
	next := 0                            // of names: mostly they are in the order of the levels
	for i, l := range p.levels {
		if l.name == "" {
			continue
		}
		text := ""
		switch {
		case i == p.rest:
			text = between(topic, levels[:i], levels[after:])
		case i > p.rest:
			text = levels[after+i-p.rest-1]
		default:
			text = levels[i]
		}
		if names[next] != l.name {
			next = slices.Index(names, l.name)
		}
		captures[next] = text
		next = (next + 1) % len(names)
	}
	return captures
}

// Covers reports whether p matches every topic that q matches.
func (p *Pattern) Covers(q *Pattern) bool {
	open, openQ := p.rest < len(p.levels), q.rest < len(q.levels)
	switch {
	case hidden(p.filter, q.filter), q.least() < p.least(), openQ && !open, !open && len(p.levels) != len(q.levels):
		return false
	case !open:
		return coversEach(p.levels, q.levels)
	case !openQ:
		tail := p.tail()
		return coversEach(p.levels[:p.rest], q.levels[:p.rest]) && coversEach(tail, q.levels[len(q.levels)-len(tail):])
	}
	// What stands in the middle of a topic of q is anything: behind its head, and before its tail.
	tail, tailQ := p.tail(), q.tail()
	same := min(len(tail), len(tailQ))
	head := min(p.rest, q.rest)
	return coversEach(p.levels[:head], q.levels) && coversAll(p.levels[head:p.rest]) &&
		coversEach(tail[len(tail)-same:], tailQ[len(tailQ)-same:]) && coversAll(tail[:len(tail)-same])
}

// coversEach reports whether each of the levels matches whatever the level of the same index in
// others, which are no fewer, matches.
func coversEach(levels, others []level) bool {
	for i, l := range levels {
		if l.wild == 0 && (others[i].wild != 0 || others[i].literal != l.literal) {
			return false
		}
	}
	return true
}

// coversAll reports whether each of the levels matches everything.
func coversAll(levels []level) bool {
	return !slices.ContainsFunc(levels, func(l level) bool { return l.wild == 0 })
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

// between returns what stands in the topic between its first levels and its last.
func between(topic string, first, last []string) string {
	from, to := 0, len(topic)
	for _, l := range first {
		from += len(l) + 1
	}
	for _, l := range last {
		to -= len(l) + 1
	}
	return topic[min(from, to):to]
}
