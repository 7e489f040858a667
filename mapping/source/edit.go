package source

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A Text is the text of a YAML file that is edited in places, all else as it is.
type Text struct {
	text  string
	lines []int // where each line begins, in bytes
	edits []edit
}

// An edit puts text in place of the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

// NewText returns the text of a file whose nodes Parse has returned.
func NewText(data []byte) *Text {
	t := &Text{text: string(data), lines: []int{0}}
	for i, b := range data {
		if b == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// Replace puts other text in place of the node. It reports whether the node's place is known: not
// that of block scalars, of plain ones that go on in the next line, nor of aliases.
func (t *Text) Replace(n *yaml.Node, text string) bool {
	start, end, ok := t.span(n)
	if !ok {
		return false
	}
	if strings.Contains(t.text, "\r\n") {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	t.edits = append(t.edits, edit{start, end, text})
	return true
}

// Mark returns a mark for Reset.
func (t *Text) Mark() int { return len(t.edits) }

// Reset takes back what was replaced since the mark.
func (t *Text) Reset(mark int) { t.edits = t.edits[:mark] }

// Bytes returns the edited text.
func (t *Text) Bytes() []byte {
	slices.SortFunc(t.edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	var b strings.Builder
	at := 0
	for _, e := range t.edits {
		b.WriteString(t.text[at:e.start])
		b.WriteString(e.text)
		at = e.end
	}
	b.WriteString(t.text[at:])
	return []byte(b.String())
}

// span returns where the node begins and ends.
func (t *Text) span(n *yaml.Node) (start, end int, ok bool) {
	if n.Line < 1 || n.Line > len(t.lines) {
		return 0, 0, false
	}
	start = t.lines[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(t.text[start:])
		start += size
	}
	switch {
	case n.Kind == yaml.ScalarNode:
		end, ok = t.scalarEnd(n, start)
	case n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode:
	case n.Style&yaml.FlowStyle != 0:
		end, ok = t.flowEnd(n, start)
	case len(n.Content) > 0:
		_, end, ok = t.span(n.Content[len(n.Content)-1])
	}
	return start, end, ok
}

func (t *Text) scalarEnd(n *yaml.Node, start int) (end int, ok bool) {
	rest := t.text[start:]
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0:
		return 0, false
	case n.Style&yaml.SingleQuotedStyle != 0:
		return quotedEnd(rest, start, func(s string) int {
			if strings.HasPrefix(s, "''") {
				return 2
			}
			return 0
		})
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return quotedEnd(rest, start, func(s string) int {
			if strings.HasPrefix(s, `\`) {
				return 2
			}
			return 0
		})
	}
	return start + len(n.Value), strings.HasPrefix(rest, n.Value)
}

// quotedEnd returns the end of a scalar whose text begins with its quote. escaped returns how many
// bytes at the beginning of a text stand for another character.
func quotedEnd(rest string, start int, escaped func(string) int) (end int, ok bool) {
	for i := 1; i < len(rest); {
		skip := escaped(rest[i:])
		if skip == 0 && rest[i] == rest[0] {
			return start + i + 1, true
		}
		i += max(1, skip)
	}
	return 0, false
}

// flowEnd returns the end of a { } or [ ]: the closing one is the first after all that it holds,
// comments apart.
func (t *Text) flowEnd(n *yaml.Node, start int) (end int, ok bool) {
	at := start + 1
	for _, c := range n.Content {
		_, e, ok := t.span(c)
		if !ok {
			return 0, false
		}
		at = max(at, e)
	}
	for ; at < len(t.text); at++ {
		switch t.text[at] {
		case '}', ']':
			return at + 1, true
		case '#':
			for at+1 < len(t.text) && t.text[at+1] != '\n' {
				at++
			}
		case ' ', '\t', '\r', '\n', ',':
		default:
			return 0, false
		}
	}
	return 0, false
}
