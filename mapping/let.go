package mapping

import (
	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/value"
)

// maxLets is how many names a rule may have under let.
const maxLets = 32

// A let is a named part of a rule. Its value is worked out when it is first asked for, and again
// when an element has changed on which it depends.
type let struct {
	name     string
	x        *expression.Expression
	line     int
	reads    expression.Roots // also through other lets
	memories []string         // that it reads, also through other lets
	depth    int              // how many levels of each it depends on
}

// readLets reads the names first, since each of them is taken for all others.
func (c *ruleCompiler) readLets() {
	p, ok := c.keys.pairs["let"]
	if !ok {
		return
	}
	c.lets = c.in.pairs(p.Value, "let")
	if len(p.Value.Content) == 0 && p.Value.Kind == yaml.MappingNode {
		c.in.errorf(p.Value, "write NAME: EXPRESSION, or leave let out", "let has no name")
	}
	if len(c.lets) > maxLets {
		c.in.errorf(c.lets[maxLets].Key, "", "a rule has at most %d names under let", maxLets)
		c.lets = c.lets[:maxLets]
	}
	for _, l := range c.lets {
		c.freeName(l, "a let")
		c.names.lets = append(c.names.lets, letName{name: l.Key.Value, types: value.AnyType})
		c.in.own = append(c.in.own, l.Key.Value)
	}
	for i, l := range c.lets {
		c.see(len(c.names.levels))
		c.rule.lets = append(c.rule.lets, c.readLet(&c.names.lets[i], l))
		c.names.lets[i].known = true
	}
}

// readLet reads one let, and what expressions below it may know of it.
func (c *ruleCompiler) readLet(name *letName, p source.Pair) let {
	l := let{name: p.Key.Value, line: p.Value.Line}
	if !expression.IsName(l.name) || c.in.tagged(p.Value) || !c.expr.isBare(p.Value, "let "+l.name) {
		return l
	}
	if l.x = c.expr.bare(p.Value); l.x != nil {
		l.reads, l.memories = c.rule.allReads(l.x), c.rule.memories(l.x)
		l.depth = c.rule.depthOf(l.reads, len(c.names.levels))
		name.types, name.depth = l.x.Types(), l.depth
		c.expr.lets[rootLet+expression.Root(len(c.rule.lets))] = placedExpression{l.x, p.Value}
	}
	return l
}

// allReads returns the roots whose values the expression may ask for, also through lets.
func (r *rule) allReads(x *expression.Expression) expression.Roots {
	reads := x.Reads()
	for i, l := range r.lets {
		if reads.Has(rootLet + expression.Root(i)) {
			reads |= l.reads
		}
	}
	return reads
}

// depthOf returns how many of the levels of each must have an element for a value of the roots.
func (r *rule) depthOf(reads expression.Roots, levels int) int {
	if reads.Has(rootIndex) {
		return levels
	}
	for levels > 0 && !reads.Has(rootLevel+expression.Root(levels-1)) {
		levels--
	}
	return levels
}

// warnUnused warns of lets that nothing reads.
func (c *ruleCompiler) warnUnused() {
	for i, p := range c.lets {
		if !c.expr.used.Has(rootLet + expression.Root(i)) {
			c.in.warnf(p.Key, "use it, or leave it out", "nothing in the rule uses let %s", p.Key.Value)
		}
	}
}

// A letValue is the value of a let for one event or element.
type letValue struct {
	known bool
	item  expression.Item
	why   expression.Reason // of no value
	err   error
}

// let returns the value of the i-th let.
func (in *input) let(i int) (expression.Item, error) {
	l := &in.lets[i]
	if !l.known {
		l.item, l.why, l.err = in.scope.Inner(in.rule.lets[i].x)
		l.err = in.rule.lets[i].refused(l.err)
		l.known = true
	}
	if l.item.Missing() {
		in.scope.Because(l.why)
	}
	return l.item, l.err
}

// refused returns the error of the let as what uses it reports it.
func (l *let) refused(err error) error {
	if r, ok := err.(*value.Refusal); !ok || r.Payload {
		return err
	}
	r := value.Within(err, "let %s", l.name)
	if r.Line == 0 {
		r.Line = l.line
	}
	return r
}
