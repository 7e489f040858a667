package source

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A flowScanner reads lines of rules as they look to who wrote them, which YAML does not: a comma
// ends a value in { } only if a key follows, and brackets within an expression belong to it.
type flowScanner struct {
	indent  string
	dashes  string   // of list elements
	key     *written // nil: the value stands alone
	comment string

	text  []rune // from the first line on
	at    int
	first int  // number of the first line
	mode  mode // of the value
}

// A mode says what values are.
type mode int

const (
	modeRules     mode = iota // keys of a configuration, which decide about what is below them
	modeData                  // text, numbers, and expressions behind =
	modeBare                  // an expression without =
	modeCondition             // the same, and no list
	modeBares                 // an expression without =, or a mapping of such
	modeRoutes                // a text, or a mapping of conditions
)

// bare reports whether a value is an expression without =.
func (m mode) bare() bool { return m == modeBare || m == modeCondition || m == modeBares }

// below returns what is under the key.
func (m mode) below(key string) mode {
	switch m {
	case modeData, modeBare, modeCondition:
		return m
	case modeBares:
		return modeBare
	case modeRoutes:
		return modeCondition
	}
	switch key {
	case "content", "value", "payload", "user", "expect", "tables":
		return modeData
	case "when", "allow":
		return modeCondition
	case "key":
		return modeBare
	case "let", "each":
		return modeBares
	case "queue":
		return modeRoutes
	}
	return modeRules
}

var (
	// lineHead matches what stands before the value in a line.
	lineHead = regexp.MustCompile(`^( *)((?:- +)*)(?:([^\s:,{}\[\]"'#&*!|>%@][^:,{}\[\]"'#]*|"[^"\\]*"|'[^']*'):(?: +|$))?`)
	// flowKey matches a key in { }, with its colon.
	flowKey = regexp.MustCompile(`^(?:[^\s:,{}\[\]"'#&*!|>%@()=][^:,{}\[\]"'()#\n]*:(?:[\s,}]|$)|"[^"\\\n]*":|'[^'\n]*':)`)
)

// notScalar matches what is YAML's own, an expression of another program, or what goes on in the next
// line.
var notScalar = regexp.MustCompile("^(?:[\\s,|>&*!%@`]|[-?](?:\\s|$)|\\{\\{|\\$\\{|\"[^\"\n]*(?:\n|$)|'[^'\n]*(?:\n|$))")

// bracketed matches what begins as a list or mapping, list what is one as a whole.
var (
	bracketed = regexp.MustCompile(`^[\[{]`)
	list      = regexp.MustCompile(`^[\[{].*[\]}]$`)
)

// capture matches the beginning of a topic, which YAML takes for a mapping.
var capture = regexp.MustCompile(`^\{\w+(?:\.\.\.)?\}`)

// scanner returns a scanner that stands before the value of the first line, and reads up to the last
// line and beyond; false when nothing is there that could reach the last line.
func (f *File) scanner(first, last int) (*flowScanner, bool) {
	m := lineHead.FindStringSubmatch(f.lines[first-1])
	value := f.lines[first-1][len(m[0]):]
	if value == "" || first < last && value[0] != '{' && value[0] != '[' {
		return nil, false
	}
	text := []rune(strings.Join(f.lines[first-1:min(len(f.lines), last+maxRewriteLines)], "\n"))
	s := &flowScanner{indent: m[1], dashes: m[2], text: text[:min(len(text), maxRewriteText)], first: first, mode: f.modeAbove(first)}
	s.at = min(utf8.RuneCountInString(m[0]), len(s.text))
	if m[3] != "" {
		s.key = s.scalarAt(len(m[1] + m[2]))
		s.key.text = m[3]
		s.mode = s.mode.below(strings.Trim(m[3], `"'`))
	}
	return s, true
}

const maxLinesAbove = 200 // that are looked at for keys

// modeAbove returns what the keys above the line, under which it is indented, say about it.
func (f *File) modeAbove(line int) mode {
	var keys []string
	within := len(lineHead.FindStringSubmatch(f.lines[line-1])[1])
	for i := line - 2; i >= max(0, line-maxLinesAbove) && within > 0; i-- {
		m := lineHead.FindStringSubmatch(f.lines[i])
		if m[3] == "" || len(m[1]) >= within || len(m[1]+m[2]) > within {
			continue
		}
		keys = append(keys, strings.Trim(m[3], `"'`))
		within = len(m[1])
	}
	mode := modeRules
	for _, key := range slices.Backward(keys) {
		mode = mode.below(key)
	}
	return mode
}

// top reads the value, and the comment behind it.
func (s *flowScanner) top() (*written, bool) {
	w, ok := s.value(s.mode, "")
	if !ok {
		return nil, false
	}
	if key, _, colon := strings.Cut(w.text, ": "); s.key != nil && colon && takesKeys.MatchString(s.key.text+": "+key) {
		return nil, false
	}
	s.blanks()
	end := s.at
	for end < len(s.text) && s.text[end] != '\n' {
		end++
	}
	s.comment, s.at = strings.TrimSpace(string(s.text[s.at:end])), end
	return w, true
}

// value reads a value up to one of the stops; without stops, up to the end of the line.
func (s *flowScanner) value(m mode, stops string) (*written, bool) {
	start := s.at
	for _, read := range []func(mode) (*written, bool){s.mapping, s.list, s.quoted} {
		if w, ok := read(m); ok && s.ended(stops) {
			return w, true
		}
		s.at = start
	}
	rest := string(s.text[start:])
	if notScalar.MatchString(rest) || bracketed.MatchString(rest) && !m.bare() && !capture.MatchString(rest) {
		return nil, false
	}
	w, ok := s.scalar(m.bare(), stops)
	return w, ok && !(m == modeCondition && list.MatchString(w.text))
}

// ended reports whether nothing more belongs to the value that was read.
func (s *flowScanner) ended(stops string) bool {
	s.blanks()
	if stops != "" && s.at < len(s.text) && s.text[s.at] == '\n' {
		s.space()
	}
	switch {
	case s.at == len(s.text):
		return stops == ""
	case stops == "" && s.text[s.at] == ',' && (s.at+1 == len(s.text) || s.text[s.at+1] == '\n'):
		s.at++ // as in JSON, and meaningless
		return true
	case stops == "":
		return s.text[s.at] == '\n' || s.text[s.at] == '#' && s.text[s.at-1] == ' '
	}
	return strings.ContainsRune(stops, s.text[s.at])
}

// mapping reads { }.
func (s *flowScanner) mapping(m mode) (*written, bool) {
	if m == modeBare || m == modeCondition || !s.skip('{') {
		return nil, false
	}
	w := s.scalarAt(s.at - 1)
	w.kind = yaml.MappingNode
	for s.space(); !s.skip('}'); s.space() {
		key := flowKey.FindString(string(s.text[s.at:]))
		if key == "" {
			return nil, false
		}
		k := s.scalarAt(s.at)
		k.text = strings.TrimSpace(key[:strings.LastIndexByte(key, ':')])
		k.quoted = strings.ContainsAny(k.text[:1], `"'`)
		s.at += len([]rune(key[:strings.LastIndexByte(key, ':')+1]))
		s.space()
		v, ok := s.value(m.below(strings.Trim(k.text, `"'`)), ",}")
		if !ok {
			return nil, false
		}
		w.keys, w.values = append(w.keys, *k), append(w.values, *v)
		s.skip(',')
	}
	return w, true
}

// list reads [ ].
func (s *flowScanner) list(m mode) (*written, bool) {
	if m.bare() || !s.skip('[') {
		return nil, false
	}
	w := s.scalarAt(s.at - 1)
	w.kind = yaml.SequenceNode
	for s.space(); !s.skip(']'); s.space() {
		v, ok := s.value(m, ",]")
		if !ok || v.text == "" && v.kind == yaml.ScalarNode {
			return nil, false
		}
		w.values = append(w.values, *v)
		s.skip(',')
	}
	return w, true
}

// quoted reads a scalar in quotes of YAML.
func (s *flowScanner) quoted(mode) (*written, bool) {
	if s.at == len(s.text) || s.text[s.at] != '"' && s.text[s.at] != '\'' {
		return nil, false
	}
	w := s.scalarAt(s.at)
	w.quoted = true
	for quote := s.text[s.at]; ; {
		s.at++
		switch {
		case s.at >= len(s.text) || s.text[s.at] == '\n':
			return nil, false
		case quote == '"' && s.text[s.at] == '\\':
			s.at++
		case s.text[s.at] != quote:
		case quote == '\'' && s.at+1 < len(s.text) && s.text[s.at+1] == quote:
			s.at++
		default:
			start := w.column - 1 + s.lineStart(w.line)
			s.at++
			w.text = string(s.text[start:s.at])
			return w, true
		}
	}
}

// scalar reads a text, or an expression if it is bare or begins with =, in which brackets and quotes
// belong together.
func (s *flowScanner) scalar(bare bool, stops string) (*written, bool) {
	start := s.at
	w := s.scalarAt(start)
	expr := bare || s.at < len(s.text) && s.text[s.at] == '='
	var open []rune // the brackets that will close
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\n' && stops == "", len(open) == 0 && s.stops(stops):
			w.text = strings.Join(strings.Fields(string(s.text[start:s.at])), " ")
			if stops == "" {
				w.text = strings.TrimSpace(string(s.text[start:s.at]))
			}
			return w, len(open) == 0
		case c == '#' && s.at > 0 && s.text[s.at-1] == ' ' && len(open) == 0:
			w.text = strings.TrimSpace(string(s.text[start:s.at]))
			return w, stops == ""
		case expr && (c == '"' || c == '\'' || c == '`'):
			if !s.passText(c) {
				return nil, false
			}
		case c == '(' && expr, c == '[', c == '{':
			open = append(open, map[rune]rune{'(': ')', '[': ']', '{': '}'}[c])
		case c == ')' && expr, c == ']', c == '}':
			if len(open) == 0 || open[len(open)-1] != c {
				return nil, false
			}
			open = open[:len(open)-1]
		}
	}
	w.text = strings.TrimSpace(string(s.text[start:]))
	return w, stops == "" && len(open) == 0
}

// stops reports whether one of the stops stands here; a comma in { }, only if a key follows it.
func (s *flowScanner) stops(stops string) bool {
	if !strings.ContainsRune(stops, s.text[s.at]) {
		return false
	}
	if s.text[s.at] != ',' || stops != ",}" {
		return true
	}
	rest := strings.TrimLeft(string(s.text[s.at+1:]), " \n")
	return strings.HasPrefix(rest, "}") || flowKey.MatchString(rest)
}

// passText passes a text of an expression, up to its closing quote.
func (s *flowScanner) passText(quote rune) bool {
	for s.at++; s.at < len(s.text) && s.text[s.at] != quote; s.at++ {
		if s.text[s.at] == '\n' {
			return false
		}
		if s.text[s.at] == '\\' && quote != '`' {
			s.at++
		}
	}
	return s.at < len(s.text)
}

// scalarAt returns an empty scalar whose place is the i-th character.
func (s *flowScanner) scalarAt(i int) *written {
	before := string(s.text[:i])
	line := s.first + strings.Count(before, "\n")
	return &written{kind: yaml.ScalarNode, line: line, column: i - s.lineStart(line) + 1}
}

// lineStart returns the index of the first character of the line.
func (s *flowScanner) lineStart(line int) int {
	start := 0
	for i := 0; i < len(s.text) && line > s.first; i++ {
		if s.text[i] == '\n' {
			start, line = i+1, line-1
		}
	}
	return start
}

func (s *flowScanner) skip(c rune) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *flowScanner) blanks() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t') {
		s.at++
	}
}

// space passes blanks and line ends.
func (s *flowScanner) space() {
	for s.at < len(s.text) && strings.ContainsRune(" \t\n", s.text[s.at]) {
		s.at++
	}
}
