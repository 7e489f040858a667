package mapping

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/value"
)

// maxChanges is how many keys a rule may remember and forget for one event or element.
const maxChanges = 32

// readChanges reads what the rule remembers and forgets.
func (c *ruleCompiler) readChanges() {
	if p, ok := c.keys.pairs["remember"]; ok {
		c.eachMemory(p, func(m *memorySection, n *yaml.Node) { c.readRemember(m, n) })
	}
	if p, ok := c.keys.pairs["forget"]; ok {
		c.eachMemory(p, func(m *memorySection, n *yaml.Node) {
			if key := c.readKey(n, "forget "+m.Name, "forgets"); key != nil {
				c.addChange(change{memory: m.Name, forget: true, key: key, line: n.Line}, n)
			}
		})
	}
}

// eachMemory calls read for every key that stands under the memories of a remember or forget.
func (c *ruleCompiler) eachMemory(p source.Pair, read func(m *memorySection, n *yaml.Node)) {
	what := p.Key.Value
	if p.Value.Kind == yaml.ScalarNode && !source.Null(p.Value) {
		c.in.errorf(p.Value, "write "+what+": {"+c.memoryMeant(p.Value.Value)+": "+changeForms[what]+"}", "%s takes keys, not %s", what, source.Describe(p.Value))
		return
	}
	pairs := c.in.pairs(p.Value, what)
	if len(pairs) == 0 && p.Value.Kind == yaml.MappingNode {
		c.in.errorf(p.Value, "write "+what+": {MEMORY: …}", "%s names no memory", what)
	}
	for _, m := range pairs {
		if c.in.tagged(m.Value) {
			continue
		}
		section := c.memoryAt(m.Key)
		if section == nil {
			continue
		}
		section.written = true
		n := source.Deref(m.Value)
		if n.Kind != yaml.SequenceNode {
			read(section, n)
			continue
		}
		if len(n.Content) == 0 {
			c.in.errorf(n, "", "%s %s names no key", what, section.Name)
		}
		for _, e := range n.Content {
			if !c.in.tagged(e) {
				read(section, source.Deref(e))
			}
		}
	}
}

// changeForms are the forms of what stands under a memory.
var changeForms = map[string]string{"remember": "{key: =…, value: =…}", "forget": "=…"}

// memoryMeant returns the memory that the text names, with or without the word before it.
func (c *ruleCompiler) memoryMeant(text string) string {
	name := strings.TrimPrefix(strings.TrimPrefix(text, "="), "memory.")
	name, _, _ = strings.Cut(name, "[")
	if c.expr.memories[name] == nil {
		return "MEMORY"
	}
	return name
}

// readRemember reads a key with the value that is remembered under it.
func (c *ruleCompiler) readRemember(m *memorySection, n *yaml.Node) {
	what := "remember " + m.Name
	const hint = "write {key: =…, value: =…}, or a list of these"
	if n.Kind != yaml.MappingNode {
		c.in.errorf(n, hint, "%s takes a key and a value, not %s", what, source.Describe(n))
		return
	}
	keys := c.in.keys(n, what, []string{"key", "value"})
	if lacking := keys.lacking("key", "value"); lacking != "" {
		c.in.errorf(n, hint, "%s lacks %s", what, lacking)
		return
	}
	k, v := keys.pairs["key"].Value, keys.pairs["value"].Value
	if k == nil || v == nil { // reported
		c.in.bad = true
		return
	}
	key, remembered := c.readKey(k, "key", "remembers"), c.readValue(m, v)
	if key != nil && !c.in.bad {
		c.addChange(change{memory: m.Name, key: key, value: remembered, line: n.Line}, k)
	}
}

// addChange keeps the change, whose key stands at n.
func (c *ruleCompiler) addChange(x change, n *yaml.Node) {
	for _, other := range c.rule.changes {
		if other.memory == x.memory && other.key.String() == x.key.String() {
			c.in.errorf(n, "remove one of the two", "the rule has this key of memory %s in its %s in line %d already", x.memory, other.stage(), other.line)
			return
		}
	}
	if c.rule.changes = append(c.rule.changes, x); len(c.rule.changes) == maxChanges+1 {
		c.in.errorf(n, "", "a rule remembers and forgets at most %d keys", maxChanges)
	}
}

// readKey reads the key of a memory; nil after a mistake. what names it, verb says what becomes of it.
func (c *ruleCompiler) readKey(n *yaml.Node, what, verb string) valueSource {
	if n.Kind != yaml.ScalarNode || source.Null(n) {
		hint := braces(n)
		if key := valueOf(n, "key"); hint == "" && n.Kind == yaml.MappingNode && key != nil {
			hint = "write the key itself: " + key.Value
		}
		c.in.errorf(n, hint, "%s takes text or a whole number, not %s", what, source.Describe(n))
		return nil
	}
	text, isExpr := strings.CutPrefix(n.Value, "=")
	switch {
	case !isExpr && c.in.unmarkedAs(n, verb):
		return nil
	case !isExpr && len(text) > memory.MaxKey:
		c.in.errorf(n, "", "a key is at most %d bytes", memory.MaxKey)
		return nil
	case !isExpr:
		return literal{text}
	}
	x := c.expr.parse(n, text, 1)
	if x == nil || !c.expr.fits(n, x, value.TypeText|value.TypeWhole|value.TypeBytes, what+" takes text or a whole number") {
		return nil
	}
	return formula{x}
}

// readValue reads what is remembered in the memory.
func (c *ruleCompiler) readValue(m *memorySection, n *yaml.Node) (r remembered) {
	n = source.Deref(n)
	text, isExpr := strings.CutPrefix(n.Value, "=")
	var reads []string
	switch {
	case source.Null(n):
		c.in.errorf(n, "to take a key away write forget", "value has no value")
	case n.Kind != yaml.ScalarNode && braces(n) != "":
		c.in.errorf(n, braces(n), "value takes a value, not %s", source.Describe(n))
	case n.Kind == yaml.ScalarNode && isExpr:
		if r.x = c.expr.parse(n, text, 1); r.x == nil || !c.expr.fits(n, r.x, value.TypeSomething, "value takes a value") {
			return r
		}
		reads = c.rule.memories(r.x)
	default:
		r.built = c.template(n, "remembers")
		for _, p := range r.built {
			if p.expr != nil {
				reads = append(reads, c.rule.memories(p.expr)...)
			}
		}
	}
	if c.rule.deliver && slices.Contains(reads, m.Name) {
		c.in.errorf(n, "leave retained: deliver out, or compare in when: and remember only what the event says",
			"what is remembered in %s depends on what was there, and a retained message may come again", m.Name)
	}
	return r
}

// memories returns the memories that the expression reads, also through lets.
func (r *rule) memories(x *expression.Expression) []string {
	names := slices.Clone(x.Memories())
	for i, l := range r.lets {
		if x.Reads().Has(rootLet + expression.Root(i)) {
			names = append(names, l.memories...)
		}
	}
	return names
}
