package mapping

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/value"
)

// A template is a content that the rule writes as a YAML object or list: its JSON text, with
// expressions in it.
type template []templatePart

// A templatePart is JSON text, or an expression whose value is put there as JSON.
type templatePart struct {
	text string
	expr *expression.Expression
}

func (t template) String() string { return "(built here)" }

// value returns the JSON text, keys in the order of the rule. An expression that has no value is
// null.
func (t template) value(in *input) (any, error) {
	var b []byte
	for _, p := range t {
		if p.expr == nil {
			b = append(b, p.text...)
			continue
		}
		v, err := p.expr.Eval(&in.scope)
		if err == nil {
			b, err = value.AppendJSON(b, v)
		}
		if err != nil {
			return nil, value.Refuse(value.KindOf(err), "=%s: %v", p.expr, err)
		}
	}
	return string(b), nil
}

// template compiles a content that is written as an object or a list.
func (c *ruleCompiler) template(n *yaml.Node) template {
	var t template
	b := jsonBuilder{in: c.in}
	flush := func() {
		if len(b.text) > 0 {
			t = append(t, templatePart{text: string(b.text)})
			b.text = nil
		}
	}
	b.scalar = func(n *yaml.Node) {
		text, isExpr := strings.CutPrefix(n.Value, "=")
		if !isExpr {
			c.in.unmarked(n)
			b.text = appendScalar(b.text, n)
		} else if x := c.expr.parse(n, text, 1); x != nil {
			flush()
			t = append(t, templatePart{expr: x})
		}
	}
	b.node(n, 0)
	flush()
	return t
}

const maxYAMLNodes = 10000 // of one value, aliases followed: they multiply

// A jsonBuilder writes YAML data as JSON text, the keys in their order.
type jsonBuilder struct {
	in     *reader
	scalar func(n *yaml.Node) // appends the JSON of a scalar to text
	text   []byte
	nodes  int
}

func (b *jsonBuilder) node(n *yaml.Node, depth int) {
	n = source.Deref(n)
	switch b.nodes++; {
	case b.nodes > maxYAMLNodes:
	case b.nodes == maxYAMLNodes || depth > value.MaxDepth:
		b.in.errorf(n, "", "this holds more than %d values, or nests deeper than %d levels", maxYAMLNodes, value.MaxDepth)
		b.nodes = maxYAMLNodes
	case b.in.tagged(n):
	case n.Kind == yaml.MappingNode:
		b.object(n, depth)
	case n.Kind == yaml.SequenceNode:
		b.list(n, depth)
	default:
		b.scalar(n)
	}
}

func (b *jsonBuilder) object(n *yaml.Node, depth int) {
	b.text = append(b.text, '{')
	for i, p := range b.in.pairs(n, "an object") {
		if i > 0 {
			b.text = append(b.text, ',')
		}
		b.text = append(value.AppendText(b.text, p.Key.Value), ':')
		b.node(p.Value, depth+1)
	}
	b.text = append(b.text, '}')
}

func (b *jsonBuilder) list(n *yaml.Node, depth int) {
	b.text = append(b.text, '[')
	for i, e := range n.Content {
		if i > 0 {
			b.text = append(b.text, ',')
		}
		b.node(e, depth+1)
	}
	b.text = append(b.text, ']')
}

// appendScalar appends the JSON of a YAML scalar: numbers, true, false and null as YAML has them,
// anything else as text.
func appendScalar(b []byte, n *yaml.Node) []byte {
	switch n.ShortTag() {
	case "!!null":
		return append(b, "null"...)
	case "!!bool", "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return append(b, n.Value...) // with the digits as written
		}
		var v any
		if n.Decode(&v) == nil {
			if text, err := json.Marshal(v); err == nil {
				return append(b, text...)
			}
		}
	}
	return value.AppendText(b, n.Value)
}
