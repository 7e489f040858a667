package source

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Rewrite is what can be written in place of some lines, so that YAML reads them as they were
// meant: in block style, with quotes where they are needed. The zero value is none.
type Rewrite struct {
	First int    `json:"first"` // the lines, from 1
	Last  int    `json:"last"`
	Text  string `json:"text"` // without a line end behind the last line
}

// Bounds of what is looked at and shown.
const (
	maxRewriteLines = 20
	maxRewriteText  = 4096 // characters
)

// rewriteOf returns what n, in which a mistake is, was probably meant to be, if YAML reads its lines
// in another way than they look.
func (f *File) rewriteOf(n *yaml.Node) Rewrite {
	if n.Line < 1 {
		return Rewrite{}
	}
	w, r := f.rewrite(n.Line)
	if w == nil || n.Line == r.First && n.Column < w.column || w.holds(n) || !parses(r.Text) {
		return Rewrite{}
	}
	return r
}

// rewrite returns what the lines look like to which the line belongs, and these lines in block style;
// nil if that is not clear, or if a secret is among them.
func (f *File) rewrite(line int) (*written, Rewrite) {
	for first := max(1, line-maxRewriteLines); first <= line && first <= len(f.lines); first++ {
		s, ok := f.scanner(first, line)
		if !ok {
			continue
		}
		w, ok := s.top()
		last := first + strings.Count(string(s.text[:s.at]), "\n")
		if !ok || last < line {
			continue
		}
		text := w.block(s)
		if strings.Count(text, "\n") >= maxRewriteLines || text == strings.Join(f.lines[first-1:last], "\n") || f.hidden(first, last) {
			return nil, Rewrite{}
		}
		return w, Rewrite{first, last, text}
	}
	return nil, Rewrite{}
}

// hidden reports whether a secret is on one of the lines.
func (f *File) hidden(first, last int) bool {
	for line := first; line <= last; line++ {
		if _, ok := f.redacted[line]; ok {
			return true
		}
	}
	return false
}

// repairs reports whether YAML reads the file further with r than without it.
func (f *File) repairs(r Rewrite) bool {
	lines := append(append(append([]string{}, f.lines[:r.First-1]...), r.Text), f.lines[r.Last:]...)
	var doc yaml.Node
	err := yaml.Load([]byte(strings.Join(lines, "\n")), &doc, yaml.WithUniqueKeys(false))
	line, _ := placeOf(err)
	return err == nil || line > r.First+strings.Count(r.Text, "\n")
}

// parses reports whether the text is YAML.
func parses(text string) bool {
	var n yaml.Node
	return yaml.Load([]byte(text), &n, yaml.WithUniqueKeys(false)) == nil
}

// A written is a value as it looks to who wrote it.
type written struct {
	kind         yaml.Kind
	line, column int
	text         string // of a scalar, as it stands there
	quoted       bool
	keys         []written // of a mapping
	values       []written
}

// holds reports whether n is one of the values of w, so that YAML reads it as it looks. What goes on
// in the next line is longer.
func (w *written) holds(n *yaml.Node) bool {
	if w.line == n.Line && w.column == n.Column {
		return w.kind == n.Kind && (w.kind != yaml.ScalarNode || w.quoted || w.text == n.Value || len(n.Value) > len(w.text))
	}
	for i := range w.keys {
		if w.keys[i].holds(n) {
			return true
		}
	}
	for i := range w.values {
		if w.values[i].holds(n) {
			return true
		}
	}
	return false
}

// block returns the lines of s, which are w, in block style.
func (w *written) block(s *flowScanner) string {
	var lines []string
	switch indent := s.indent + strings.Repeat(" ", len(s.dashes)); {
	case s.key == nil:
		lines = w.lines(indent)
	case w.kind == yaml.ScalarNode || len(w.values) == 0:
		lines = []string{indent + strings.TrimRight(s.key.text+": "+w.inline(), " ")}
	default:
		lines = append([]string{indent + s.key.text + ":"}, w.lines(indent+"  ")...)
	}
	lines[0] = s.indent + s.dashes + strings.TrimPrefix(lines[0], s.indent+strings.Repeat(" ", len(s.dashes)))
	if s.comment != "" {
		lines[0] += " " + s.comment
	}
	return strings.Join(lines, "\n")
}

// lines returns w in block style, each line behind the indent.
func (w *written) lines(indent string) []string {
	if w.kind == yaml.ScalarNode || len(w.values) == 0 {
		return []string{indent + w.inline()}
	}
	var lines []string
	for i := range w.values {
		v := &w.values[i]
		below := v.kind != yaml.ScalarNode && len(v.values) > 0
		switch {
		case w.kind == yaml.SequenceNode:
			inner := v.lines(indent + "  ")
			inner[0] = strings.TrimRight(indent+"- "+strings.TrimPrefix(inner[0], indent+"  "), " ")
			lines = append(lines, inner...)
		case below:
			lines = append(append(lines, indent+w.keys[i].text+":"), v.lines(indent+"  ")...)
		default:
			lines = append(lines, strings.TrimRight(indent+w.keys[i].text+": "+v.inline(), " "))
		}
	}
	return lines
}

// quotedExpression matches an expression in quotes.
var quotedExpression = regexp.MustCompile(`^(?:"=[^\\]+"|'=.+')$`)

// inline returns a value that stands on one line.
func (w *written) inline() string {
	switch {
	case w.kind == yaml.MappingNode:
		return "{}"
	case w.kind == yaml.SequenceNode:
		return "[]"
	case w.quoted || w.text == "" || plain(w.text):
		return w.text
	}
	text := w.text
	if quotedExpression.MatchString(text) {
		text = text[1 : len(text)-1] // the quotes within it have ended those around it
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// plain reports whether YAML reads the text as a value of a key without quotes.
func plain(text string) bool {
	var n yaml.Node
	if yaml.Load([]byte("k: "+text), &n) != nil || n.Kind != yaml.DocumentNode || n.Content[0].Kind != yaml.MappingNode {
		return false
	}
	v := n.Content[0].Content[1]
	return v.Kind == yaml.ScalarNode && v.Value == text && v.Style == 0 && v.Anchor == ""
}

// String returns the lines as a problem shows them.
func (r Rewrite) String() string {
	where := ""
	if r.First != r.Last {
		where = fmt.Sprintf(" of lines %d to %d", r.First, r.Last)
	}
	return fmt.Sprintf("       = write instead%s:\n       | %s\n", where, strings.ReplaceAll(r.Text, "\n", "\n       | "))
}
