package mapping

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

func (c *ruleCompiler) readFields() {
	p, ok := c.keys.pairs["fields"]
	if !ok || c.rule.shape == nil {
		if ok {
			c.checkUnknownShape(p.Value)
		}
		return
	}
	given := map[string]*yaml.Node{}
	misspelt := c.collect(p.Value, "", given)
	if p.Value.Kind != yaml.MappingNode {
		return
	}
	var lacking []string
	for i := range c.rule.shape.Fields {
		spec := &c.rule.shape.Fields[i]
		n, ok := given[spec.Name]
		switch {
		case ok:
			c.readField(spec, n)
		case spec.Optional || misspelt[spec.Name]:
		case !spec.Received:
			lacking = append(lacking, spec.Name)
		case c.rule.deliver:
			c.in.errorf(p.Key, "", "%s is needed: this rule delivers retained messages, whose time of receipt says nothing", spec.Name)
		default:
			c.rule.fields = append(c.rule.fields, field{spec: spec, line: p.Key.Line})
		}
	}
	if len(lacking) > 0 {
		c.in.errorf(p.Key, "", "fields lacks %s, which %s needs", inWords(lacking), c.rule.routes[0].queue)
	}
}

// collect puts the values under fields: into given, by their names in the shape. It returns the
// fields that misspelt ones were probably meant to be, so that these are not reported as lacking
// too.
func (c *ruleCompiler) collect(n *yaml.Node, prefix string, given map[string]*yaml.Node) map[string]bool {
	misspelt := map[string]bool{}
	for _, p := range c.in.pairs(n, strings.TrimSuffix("fields."+prefix, ".")) {
		name := prefix + p.Key.Value
		known := c.children(prefix)
		switch {
		case !slices.Contains(known, p.Key.Value):
			c.unknownField(p, prefix, known)
			if near := spelling.Nearest(p.Key.Value, known); near != "" {
				misspelt[prefix+near] = true
			}
		case c.in.tagged(p.Value):
			misspelt[name] = true
		case len(c.children(name+".")) > 0:
			for m := range c.collect(p.Value, name+".", given) {
				misspelt[m] = true
			}
		default:
			given[name] = p.Value
		}
	}
	if n.Kind != yaml.MappingNode {
		c.in.bad = true
		for _, f := range c.rule.shape.Fields {
			if strings.HasPrefix(f.Name, prefix) {
				misspelt[f.Name] = true
			}
		}
	}
	return misspelt
}

// children returns the names of the shape directly below the prefix.
func (c *ruleCompiler) children(prefix string) []string {
	var names []string
	for _, f := range c.rule.shape.Fields {
		if rest, ok := strings.CutPrefix(f.Name, prefix); ok {
			name, _, _ := strings.Cut(rest, ".")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (c *ruleCompiler) unknownField(p source.Pair, prefix string, known []string) {
	hint := c.in.unknownKeyHint(p, known)
	for _, f := range c.rule.shape.Fields {
		if strings.HasSuffix(f.Name, "."+p.Key.Value) && prefix == "" {
			hint = "it belongs under " + strings.TrimSuffix(f.Name, "."+p.Key.Value) + ":"
		}
	}
	c.in.errorf(p.Key, hint, "unknown field %q", p.Key.Value)
}

// checkUnknownShape finds mistakes in the expressions of a rule whose queue is not known.
func (c *ruleCompiler) checkUnknownShape(n *yaml.Node) {
	if n = source.Deref(n); n.Kind == yaml.ScalarNode {
		if text, ok := strings.CutPrefix(n.Value, "="); ok && !source.Tagged(n) {
			c.expr.parse(n, text, 1)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 1; i < len(n.Content); i += 2 {
		if n.Content[i].Kind != yaml.AliasNode {
			c.checkUnknownShape(n.Content[i])
		}
	}
}

func (c *ruleCompiler) readField(spec *contract.Field, n *yaml.Node) {
	if from := c.value(spec, n); from != nil {
		c.rule.fields = append(c.rule.fields, field{spec: spec, from: from, line: n.Line})
	}
}

// value compiles the value of a field; nil when it is wrong.
func (c *ruleCompiler) value(spec *contract.Field, n *yaml.Node) valueSource {
	switch {
	case n.Kind != yaml.ScalarNode && spec.Target == contract.ContentTarget && braces(n) == "":
		return c.template(n, "sends")
	case n.Kind != yaml.ScalarNode:
		c.in.errorf(n, braces(n), "%s takes one value, not %s", spec.Name, source.Describe(n))
		return nil
	case source.Null(n):
		c.in.errorf(n, "write a value; leave an optional field out", "%s has no value", spec.Name)
		return nil
	}
	text, isExpr := strings.CutPrefix(n.Value, "=")
	if !isExpr {
		return c.text(spec, n)
	}
	x := c.expr.parse(n, text, 1)
	if x == nil || !c.expr.fits(n, x, spec.Target.Fits, spec.Name+" wants "+spec.Target.Wants) {
		return nil
	}
	c.expr.checkKnown(spec, c.rule.name, n, x)
	if spec.Target == contract.ContentTarget {
		return verbatim{x}
	}
	return formula{x}
}

// text compiles a field whose value is text in the rule.
func (c *ruleCompiler) text(spec *contract.Field, n *yaml.Node) valueSource {
	if c.in.unmarked(n) {
		return nil
	}
	if err := spec.Target.Check(n.Value); err != nil {
		c.in.errorf(n, spec.Target.Hint, "%s: %v", spec.Name, err)
		return nil
	}
	return literal{n.Value}
}
