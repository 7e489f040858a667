package source

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A Problem is one mistake in a file, or one doubtful place when Warning is set.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // in characters, from 1
	Width   int    `json:"width"`  // characters under the caret, at least 1
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to write instead
	Warning bool   `json:"warning,omitempty"`

	Rewrite Rewrite `json:"rewrite,omitzero"`

	Text string `json:"-"` // the source line, without secrets
}

// Error returns the position and the message on one line.
func (p Problem) Error() string {
	kind := ""
	if p.Warning {
		kind = "warning: "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Column, kind, p.Message)
}

// String returns the message, the source line, a caret under the span, the hint, and what to write
// instead.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Error() + "\n")
	if p.Text != "" {
		fmt.Fprintf(&b, "%6d | %s\n", p.Line, p.Text)
		fmt.Fprintf(&b, "       | %s%s\n", indentTo(p.Text, p.Column), strings.Repeat("^", max(1, p.Width)))
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "       = %s\n", p.Hint)
	}
	if p.Rewrite.Text != "" {
		b.WriteString(p.Rewrite.String())
	}
	return b.String()
}

// indentTo returns white space as wide as text before column, tabs kept so that the caret stands
// below its place.
func indentTo(text string, column int) string {
	var b strings.Builder
	for _, r := range text {
		if column--; column < 1 {
			break
		}
		if r == '\t' {
			b.WriteRune('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// A Report collects problems. The zero value is ready to use; it is not safe for concurrent use.
type Report struct {
	problems []Problem
	known    map[Problem]bool // those of problems, without hint and rewrite
	searched int              // mistakes for which a Rewrite was looked for
}

// Errorf reports a mistake at the node n of f; hint may be empty.
func (r *Report) Errorf(f *File, n *yaml.Node, hint, format string, args ...any) {
	r.mistake(f, n, at(f, n, hint, fmt.Sprintf(format, args...)))
}

// maxSearched is for how many mistakes a Rewrite is looked for. Each takes a while, and a large file
// that is nothing but mistakes would take minutes.
const maxSearched = 200

// mistake adds p, which is at n, with what n was probably meant to be.
func (r *Report) mistake(f *File, n *yaml.Node, p Problem) {
	if r.searched++; r.searched <= maxSearched {
		p.Rewrite = f.rewriteOf(n)
	}
	if p.Rewrite.Text != "" && p.Hint == "" {
		p.Hint = "YAML reads this line in another way than it looks"
	}
	r.add(f, p)
}

// Warnf reports a doubtful place at the node n of f; hint may be empty.
func (r *Report) Warnf(f *File, n *yaml.Node, hint, format string, args ...any) {
	p := at(f, n, hint, fmt.Sprintf(format, args...))
	p.Warning = true
	r.add(f, p)
}

// ErrorAt reports a mistake within the scalar n of f: width characters from the offset-th character
// of its value. The place is exact for plain and simply quoted scalars on one line; elsewhere it
// falls back to the scalar's start.
func (r *Report) ErrorAt(f *File, n *yaml.Node, offset, width int, hint, format string, args ...any) {
	r.mistake(f, n, within(f, n, offset, width, hint, fmt.Sprintf(format, args...)))
}

// WarnAt is ErrorAt for a doubtful place.
func (r *Report) WarnAt(f *File, n *yaml.Node, offset, width int, hint, format string, args ...any) {
	p := within(f, n, offset, width, hint, fmt.Sprintf(format, args...))
	p.Warning = true
	r.add(f, p)
}

func within(f *File, n *yaml.Node, offset, width int, hint, message string) Problem {
	p := at(f, n, hint, message)
	if line, column, ok := f.within(n, offset); ok {
		p.Line, p.Column, p.Width = line, column, max(1, width)
	}
	return p
}

// within finds the place of the offset-th character of the scalar n's value.
func (f *File) within(n *yaml.Node, offset int) (line, column int, ok bool) {
	switch {
	case n.Style&yaml.FoldedStyle != 0 || n.Line < 1 || n.Line > len(f.lines):
		return 0, 0, false
	case n.Style&yaml.LiteralStyle != 0:
		return f.withinLiteral(n, offset)
	}
	start := n.Column
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		start++
	}
	raw := []rune(f.lines[n.Line-1])
	if start-1 > len(raw) || !strings.HasPrefix(string(raw[start-1:]), n.Value) {
		return 0, 0, false // escapes, doubled quotes or several lines: the columns do not map
	}
	return n.Line, start + offset, true
}

// withinLiteral is within for a block scalar with |, whose lines stand below n as they are, further
// to the right.
func (f *File) withinLiteral(n *yaml.Node, offset int) (line, column int, ok bool) {
	lines := strings.Split(n.Value, "\n")
	for i, l := range lines {
		at := n.Line + 1 + i
		if offset > utf8.RuneCountInString(l) {
			offset -= utf8.RuneCountInString(l) + 1
			continue
		}
		if at > len(f.lines) || !strings.HasSuffix(f.lines[at-1], l) {
			break
		}
		return at, utf8.RuneCountInString(f.lines[at-1]) - utf8.RuneCountInString(l) + 1 + offset, true
	}
	return 0, 0, false
}

func at(f *File, n *yaml.Node, hint, message string) Problem {
	p := Problem{File: f.Name, Line: n.Line, Column: n.Column, Width: 1, Message: message, Hint: hint}
	switch {
	case Tagged(n):
		p.Width = utf8.RuneCountInString(n.Tag)
	case n.Kind == yaml.ScalarNode && n.Value != "" && !strings.Contains(n.Value, "\n"):
		p.Width = utf8.RuneCountInString(n.Value)
	}
	return p
}

func (r *Report) add(f *File, p Problem) {
	p.Text = f.line(p.Line)
	p.Width = max(1, min(p.Width, utf8.RuneCountInString(p.Text)-p.Column+1))
	key := p
	key.Hint, key.Rewrite = "", Rewrite{} // which depend on what came before
	if r.known[key] {                     // an anchor may stand for the same mistake in many places
		return
	}
	if r.known == nil {
		r.known = map[Problem]bool{}
	}
	r.known[key] = true
	r.problems = append(r.problems, p)
}

// Problems returns what was reported, ordered by file (in order of first report) and position.
func (r *Report) Problems() []Problem {
	order := map[string]int{} // file name -> rank
	for _, p := range r.problems {
		if _, ok := order[p.File]; !ok {
			order[p.File] = len(order)
		}
	}
	sorted := slices.Clone(r.problems)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return sorted
}

// Err joins the mistakes, each a Problem in the order of Problems; nil when there are only warnings
// or nothing.
func (r *Report) Err() error {
	var errs []error
	for _, p := range r.Problems() {
		if !p.Warning {
			errs = append(errs, p)
		}
	}
	return errors.Join(errs...)
}
