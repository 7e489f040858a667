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

// A templatePart is JSON text and an expression, whose value follows it as JSON; either may be
// missing.
type templatePart struct {
	text     string
	expr     *expression.Expression
	member   bool // begins a member of an object: a comma goes before it, unless it is the first
	optional bool // is left out if the expression has no value
}

func (t template) String() string { return "(built here)" }

// item returns the JSON text, keys in the order of the rule. An expression that has no value is
// null, or its key is left out.
func (t template) item(in *input) (expression.Item, error) {
	b := in.built[:0]
	for _, p := range t {
		var err error
		if b, err = p.appendJSON(b, in); err != nil {
			return expression.Item{}, value.Within(err, "=%s", p.expr)
		}
	}
	in.built = b
	return expression.TextAt(builtText), nil
}

func (p *templatePart) appendJSON(b []byte, in *input) ([]byte, error) {
	var it expression.Item
	if p.expr != nil {
		var err error
		if it, err = p.expr.Item(&in.scope); err != nil || it.Missing() && p.optional {
			return b, err
		}
	}
	if p.member && b[len(b)-1] != '{' { // no value ends in {
		b = append(b, ',')
	}
	b = append(b, p.text...)
	if p.expr == nil {
		return b, nil
	}
	return in.scope.AppendItem(b, it)
}

// template compiles a value that is written in YAML; verb says what becomes of it.
func (c *ruleCompiler) template(n *yaml.Node, verb string) template {
	b := jsonBuilder{in: c.in, expr: c.expr, verb: verb}
	b.node(n, 0)
	b.cut()
	return b.done
}

// data returns YAML data as JSON text.
func (r *reader) data(n *yaml.Node) []byte {
	b := jsonBuilder{in: r}
	b.node(n, 0)
	return b.text
}

const maxYAMLNodes = 10000 // of one value, aliases followed: they multiply

// A jsonBuilder writes YAML data as JSON text, the keys in their order. Where there is an expr the
// data is a rule's: texts that begin with = are expressions, keys that end in ? are optional, and
// null is written out.
type jsonBuilder struct {
	in    *reader
	expr  *expressionReader
	verb  string       // of a rule's: what becomes of the data
	done  template     // the parts before
	part  templatePart // the present one, except its text
	text  []byte       // of the present part
	nodes int
}

// cut ends the present part.
func (b *jsonBuilder) cut() {
	if b.part.text = string(b.text); b.part.text != "" || b.part.expr != nil {
		b.done = append(b.done, b.part)
	}
	b.part, b.text = templatePart{}, nil
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
	keys := contentKeys{in: b.in, names: map[string]*yaml.Node{}}
	varies := false // how many members there are so far
	for i, p := range b.in.pairs(n, "an object") {
		name, optional := p.Key.Value, false
		if b.expr != nil {
			name, optional = keys.read(p)
		}
		if varies = varies || optional; varies {
			b.cut()
			b.part.member = true
		} else if i > 0 {
			b.text = append(b.text, ',')
		}
		b.part.optional = optional
		b.text = append(value.AppendText(b.text, name), ':')
		if !b.in.empty(p, b.expr != nil) {
			b.node(p.Value, depth+1)
		}
	}
	b.text = append(b.text, '}')
}

func (b *jsonBuilder) list(n *yaml.Node, depth int) {
	b.text = append(b.text, '[')
	for i, e := range n.Content {
		if i > 0 {
			b.text = append(b.text, ',')
		}
		if b.expr != nil && source.Unwritten(e) {
			b.in.errorf(e, "write it behind the -, or null where null is meant", "this element of a list has no value")
			continue
		}
		b.node(e, depth+1)
	}
	b.text = append(b.text, ']')
}

func (b *jsonBuilder) scalar(n *yaml.Node) {
	text, isExpr := strings.CutPrefix(n.Value, "=")
	switch {
	case b.expr == nil:
		b.text = appendScalar(b.text, n)
	case !isExpr:
		b.in.unmarkedAs(n, b.verb)
		b.text = appendScalar(b.text, n)
	default:
		b.part.expr = b.expr.parse(n, text, 1)
		b.cut()
	}
}

// contentKeys read the keys of an object in a content.
type contentKeys struct {
	in    *reader
	names map[string]*yaml.Node // those before
}

// read returns the key's name in the JSON text, and whether it is left out if it has no value: if it
// ends in ?. A name that itself ends in ? has it twice.
func (k *contentKeys) read(p source.Pair) (name string, optional bool) {
	key := p.Key.Value
	bare := strings.TrimRight(key, "?")
	marks := len(key) - len(bare)
	name, optional = bare+strings.Repeat("?", marks/2), marks%2 == 1
	switch {
	case optional && strings.TrimSpace(bare) != bare:
		k.in.errorf(p.Key, "write "+strings.TrimSpace(bare)+"?:", "a blank stands before the ? of an optional key")
	case optional && name == "":
		k.in.errorf(p.Key, "a key that is itself ? is written ??", "the ? of an optional key stands behind its name")
	case optional && !source.Unwritten(p.Value) && !strings.HasPrefix(p.Value.Value, "="):
		hint := "leave the ? out: only an =expression may have no value; a key that itself ends in ? is written " + name + "??"
		switch p.Value.Kind {
		case yaml.MappingNode:
			hint = "leave the ? out, or write an expression: " + key + `: '=payload.x != nil ? {"key": payload.x} : nil'`
		case yaml.SequenceNode:
			hint = "leave the ? out, or write an expression: " + key + ": '=payload.x != nil ? [payload.x] : nil'"
		}
		k.in.errorf(p.Key, hint,
			"%s is optional, but always has a value", name)
	case k.names[name] != nil:
		k.in.errorf(p.Key, "remove one of the two", "the key %q is already there as %s", name, k.names[name].Value)
	}
	k.names[name] = p.Key
	return name, optional
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
