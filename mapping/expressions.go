package mapping

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/value"
)

// An expressionReader compiles the expressions in the nodes that its reader reads.
type expressionReader struct {
	in       *reader
	names    *expression.Names
	tables   map[string]*table
	memories map[string]*memorySection
	lets     map[expression.Root]placedExpression
	used     expression.Roots // by what has been compiled
	recalled []string         // the memories that it reads, each once
}

// A placedExpression is an expression with its place.
type placedExpression struct {
	x    *expression.Expression
	node *yaml.Node
}

// parse compiles the text, which begins at the offset-th character of the value of n. It returns
// nil after a mistake.
func (r *expressionReader) parse(n *yaml.Node, text string, offset int) *expression.Expression {
	trimmed := strings.TrimLeft(text, " \n")
	offset += len(text) - len(trimmed)
	trimmed = strings.TrimRight(trimmed, " \n")
	if trimmed == "" {
		r.in.errorf(n, "write an expression after the =; for the text itself: '=\"=\"'", "the expression is empty")
		return nil
	}
	if offset > 0 && strings.HasPrefix(trimmed, "=") {
		r.in.errorAt(n, offset, 1, "write one: ="+strings.TrimLeft(trimmed, "= "), "a second = begins the expression")
		return nil
	}
	x, m := r.names.Parse(trimmed)
	if m != nil {
		if rest := []rune(trimmed); m.Offset < len(rest) && strings.ContainsRune("“”„‘’‚", rest[m.Offset]) {
			m.Message, m.Hint = string(rest[m.Offset])+" is no quote of an expression", `write " or '`
		}
		r.in.errorAt(n, offset+m.Offset, max(1, m.Width), m.Hint, "%s", m.Message)
		return nil
	}
	r.used |= x.Reads()
	for _, name := range x.Memories() {
		r.memories[name].read = true
		if !slices.Contains(r.recalled, name) {
			r.recalled = append(r.recalled, name)
		}
	}
	for _, d := range x.Doubts() {
		r.in.warnAt(n, offset+d.Offset, max(1, d.Width), d.Hint, "%s", d.Message)
	}
	return x
}

// bare compiles an expression that needs no = before it; one is tolerated.
func (r *expressionReader) bare(n *yaml.Node) *expression.Expression {
	text := n.Value
	offset := 0
	if trimmed := strings.TrimLeft(text, " "); strings.HasPrefix(trimmed, "=") && !strings.HasPrefix(trimmed, "==") {
		offset = len(text) - len(trimmed) + 1
	}
	return r.parse(n, text[offset:], offset)
}

// condition compiles a bare expression that is true or false; what names it.
func (r *expressionReader) condition(n *yaml.Node, what string) *expression.Expression {
	x := r.bare(n)
	if x != nil {
		r.fits(n, x, value.TypeBool, what+" takes true or false")
	}
	return x
}

// isBare reports whether n can be a bare expression; if not, it reports the mistake in the key
// what.
func (r *expressionReader) isBare(n *yaml.Node, what string) bool {
	if n.Kind == yaml.ScalarNode && !source.Null(n) {
		return true
	}
	hint := braces(n)
	if hint == "" && n.Kind != yaml.ScalarNode {
		hint = "a value that begins with [ or { is YAML's own; put the whole expression in '…'"
	}
	r.in.errorf(n, hint, "%s takes an expression, not %s", what, source.Describe(n))
	return false
}

// fits reports an expression whose value has a wrong type whatever the event. If the type is not
// known at load, the expression fits.
func (r *expressionReader) fits(n *yaml.Node, x *expression.Expression, types value.Types, wants string) bool {
	if x.Types()&types != 0 {
		return true
	}
	hint := ""
	if types == value.TypeList && x.Types() == value.TypeObject {
		hint = "to go through its keys write keys(" + x.String() + ")"
	}
	r.in.errorAt(n, offsetOf(n, x), len([]rune(x.String())), hint, "%s, but this always gives %s", wants, x.Types())
	return false
}

// offsetOf returns where the expression begins in the value of n. Only = and white space come
// before it.
func offsetOf(n *yaml.Node, x *expression.Expression) int { return strings.Index(n.Value, x.String()) }

// checkKnown converts those values that the expression may have that are known at load. rule is the
// name to report with a wrong entry of a table.
func (r *expressionReader) checkKnown(f *contract.Field, rule string, n *yaml.Node, x *expression.Expression) {
	if p := x.Path(); p != nil && len(p.Steps) == 0 {
		if let, ok := r.lets[p.Root]; ok {
			r.checkKnown(f, rule, let.node, let.x)
		}
	}
	for _, k := range x.Known() {
		if k.Table != "" {
			r.checkTable(f, rule, k.Table)
		} else if err := f.Target.Check(k.Value); err != nil {
			r.in.errorAt(n, offsetOf(n, x)+k.Offset, k.Width, "", "%s: %v", f.Name, err)
		}
	}
}

// checkTable converts all entries of a table that gives the value of a field.
func (r *expressionReader) checkTable(f *contract.Field, rule, name string) {
	t := r.tables[name]
	if t.seen[f.Target] {
		return
	}
	t.seen[f.Target] = true
	for _, key := range t.keys() {
		if err := f.Target.Check(t.entries[key]); err != nil {
			r.in.report.Errorf(t.file, t.nodes[key], "", "table %s, %q, gives %s of rule %q: %v", name, key, f.Name, rule, err)
		}
	}
}
