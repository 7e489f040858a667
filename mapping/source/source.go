// Package source reads YAML files as nodes that know their place and collects what is wrong with
// them.
package source

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A File is one YAML file: its name as the user gave it, its lines, and its root node.
type File struct {
	Name string
	Root *yaml.Node // the document's content; nil when the file is empty or broken

	lines    []string
	redacted map[int]int // line number -> how many of its characters may be shown
	secret   map[*yaml.Node]bool
	next     map[*yaml.Node]*yaml.Node // node -> the one behind it in the text
}

// Parse reads data, which is in UTF-8, as one YAML document. A syntax error goes to report; the
// file is still returned, so that later problems can quote its lines.
func Parse(name string, data []byte, report *Report) *File {
	text := strings.TrimPrefix(string(data), mark)
	f := &File{Name: name, lines: Lines(text), redacted: map[int]int{}, secret: map[*yaml.Node]bool{}, next: map[*yaml.Node]*yaml.Node{}}
	if p := fault(name, data); p != nil {
		if utf16(data) {
			f.lines = nil // what they look like helps nobody
		}
		report.add(f, *p)
		return f
	}
	var doc yaml.Node
	// Duplicate keys are the walker's to report, all at once and with their place.
	err := yaml.Load(data, &doc, yaml.WithUniqueKeys(false))
	if err != nil {
		f.syntaxError(err, report)
		return f
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		f.Root = doc.Content[0]
	} else if doc.Kind != 0 && doc.Kind != yaml.DocumentNode {
		f.Root = &doc
	}
	if f.Root != nil {
		f.order(nil, f.Root)
	}
	return f
}

// order notes for the nodes at and below n, of which the text has last before it, what follows
// them; it returns the last of them.
func (f *File) order(last, n *yaml.Node) *yaml.Node {
	f.next[last] = n
	last = n
	for _, c := range n.Content {
		last = f.order(last, c)
	}
	return last
}

// WithoutColon reports whether the key n stands in { } without a colon: YAML takes what a comma cuts
// off a text for a key.
func (f *File) WithoutColon(n *yaml.Node) bool {
	if n.Line < 1 || n.Line > len(f.lines) || n.Value == "" {
		return false
	}
	line := []rune(f.lines[n.Line-1])
	rest, whole := strings.CutPrefix(string(line[min(n.Column-1, len(line)):]), n.Value)
	return whole && !strings.HasPrefix(strings.TrimLeft(rest, " \t"), ":")
}

// breaks are what ends a line for the YAML reader, whose numbers of lines are everybody's here:
// more than an editor may show.
var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// Lines returns the lines of a YAML text as problems count them.
func Lines(text string) []string { return strings.Split(breaks.Replace(text), "\n") }

// Redact keeps n, with all lines that it stands on and everything below it, out of every problem's
// text, because it is a secret. An alias takes with it what it stands for.
func (f *File) Redact(n *yaml.Node) {
	if f.secret[n] {
		return
	}
	f.secret[n] = true
	f.hide(n.Line, n.Column-1)
	switch n.Kind {
	case yaml.ScalarNode:
		f.hideRest(n)
	case yaml.AliasNode:
		f.Redact(Deref(n))
	}
	for _, c := range n.Content {
		f.Redact(c)
	}
}

// Redacted reports whether n is kept out of problems.
func (f *File) Redacted(n *yaml.Node) bool { return f.secret[n] }

// hideRest hides the further lines of a scalar. YAML does not say where it ends: it may go on up to
// the next node.
func (f *File) hideRest(n *yaml.Node) {
	last := len(f.lines)
	if next := f.next[n]; next != nil {
		if last = next.Line - 1; !f.begins(next) {
			last = next.Line
		}
	}
	for l := n.Line + 1; l <= last; l++ {
		f.hide(l, 0)
	}
}

// begins reports whether nothing but white space and dashes stands before n on its line.
func (f *File) begins(n *yaml.Node) bool {
	if n.Line < 1 || n.Line > len(f.lines) {
		return false
	}
	line := []rune(f.lines[n.Line-1])
	return strings.Trim(string(line[:max(0, min(n.Column-1, len(line)))]), " \t-") == ""
}

// hide shows no more of the line than its first characters.
func (f *File) hide(line, shown int) {
	if before, ok := f.redacted[line]; ok {
		shown = min(shown, before)
	}
	f.redacted[line] = max(0, shown)
}

func indent(line string) int {
	return len(line) - len(strings.TrimLeft(line, " \t"))
}

func (f *File) line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	if shown, ok := f.redacted[n]; ok {
		line := []rune(f.lines[n-1])
		return printable(string(line[:min(shown, len(line))])) + "***"
	}
	return printable(f.lines[n-1])
}

// A Pair is one key of a mapping with its value, aliases followed.
type Pair struct {
	Key, Value *yaml.Node
}

// Pairs returns the keys of the mapping n in file order, merge keys (<<) expanded. It reports a key
// that stands twice, a key that is no plain text, and a node that is no mapping, for which what
// says what it should have been.
func (f *File) Pairs(n *yaml.Node, what string, report *Report) []Pair {
	n = Deref(n)
	if n.Kind != yaml.MappingNode {
		report.Errorf(f, n, "write it as keys and values, indented below", "%s takes keys, not %s", what, Describe(n))
		return nil
	}
	w := pairWalker{f: f, report: report, seen: map[string]bool{}}
	w.walk(n, false)
	return w.pairs
}

type pairWalker struct {
	f      *File
	report *Report
	seen   map[string]bool
	pairs  []Pair
	depth  int
}

const maxMergeDepth = 8

func (w *pairWalker) walk(n *yaml.Node, merged bool) {
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0:
			merges = append(merges, value)
		case key.Kind != yaml.ScalarNode:
			w.report.Errorf(w.f, key, "a { begins a YAML map; quote the text", "a key must be plain text, not %s", Describe(key))
		case w.seen[key.Value]:
			if !merged {
				w.report.Errorf(w.f, key, "remove one of the two", "key %q appears twice", key.Value)
			}
		default:
			w.seen[key.Value] = true
			w.pairs = append(w.pairs, Pair{key, Deref(value)})
		}
	}
	for _, m := range merges {
		w.merge(Deref(m))
	}
}

func (w *pairWalker) merge(n *yaml.Node) {
	w.depth++
	defer func() { w.depth-- }()
	switch {
	case w.depth > maxMergeDepth:
		w.report.Errorf(w.f, n, "", "merge keys nest deeper than %d", maxMergeDepth)
	case n.Kind == yaml.MappingNode:
		w.walk(n, true)
	case n.Kind == yaml.SequenceNode:
		for _, c := range n.Content {
			w.merge(Deref(c))
		}
	default:
		w.report.Errorf(w.f, n, "write <<: *anchor", "a merge key takes a mapping, not a text")
	}
}

// Deref follows aliases to the node they stand for.
func Deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// Tagged reports whether n carries an explicit tag, such as !x: YAML has then taken part of the
// text away.
func Tagged(n *yaml.Node) bool {
	return n.Style&yaml.TaggedStyle != 0 || n.Tag == "!"
}

// Quoted reports whether the scalar stands in quotes or is a block scalar.
func Quoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// Null reports whether n is YAML's null: nothing written, or an unquoted null or ~.
func Null(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// Unwritten reports whether nothing stands where n should be, which YAML reads as null.
func Unwritten(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && !Quoted(n) && !Tagged(n)
}

// Describe names what n is, for use after "not".
func Describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case Null(n):
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}
