package mapping

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/value"
)

// RuleKeys returns the keys of a rule.
func RuleKeys() []string {
	return []string{"name", "topic", "forgotten", "payload", "retained", "each", "let", "when", "dedupe", "remember", "forget",
		"queue", "audience", "fields"}
}

// A ruleCompiler compiles one rule.
type ruleCompiler struct {
	all    *compiler
	in     *reader
	expr   *expressionReader
	names  eventNames // of expr.names
	keys   keys
	rule   *rule
	topics []*yaml.Node // of rule.topics

	levels, lets []source.Pair // under each and let; a level without a name is called item
}

func newRuleCompiler(all *compiler, f *source.File) *ruleCompiler {
	in := &reader{file: f, report: all.report}
	return &ruleCompiler{all: all, in: in, expr: &expressionReader{
		in: in, tables: all.tables, memories: all.memories, lets: map[expression.Root]placedExpression{},
	}}
}

// compile compiles the rule at n, and keeps it when nothing is wrong with it.
func (c *ruleCompiler) compile(n *yaml.Node) {
	if c.in.tagged(n) {
		return
	}
	c.keys = c.in.keys(n, "a rule", RuleKeys())
	if n.Kind != yaml.MappingNode {
		return
	}
	c.rule = &rule{file: c.in.file.Name, line: n.Line, maxMessage: c.all.maxMessage}
	c.checkLacking(n)
	c.readName()
	if !c.readForgotten() {
		c.readTopic()
		c.readPayload()
		c.readRetained()
	}
	c.nameLevels()
	c.readLets()
	c.readEach()
	c.see(len(c.names.levels))
	c.readWhen()
	c.readDedupe()
	c.readQueue()
	c.readChanges()
	c.readAudience()
	c.readFields()
	c.rule.recalled = c.expr.recalled
	if !c.in.bad {
		c.warnUnused()
	}
	if !c.in.bad && (len(c.rule.topics) > 0 || c.rule.forgotten != "") && (c.rule.shape != nil || c.rule.changes != nil) {
		c.all.rules = append(c.all.rules, placedRule{c.rule, c.in.file, c.topics})
	}
}

// checkLacking reports the keys without which the rule, at n, says nothing.
func (c *ruleCompiler) checkLacking(n *yaml.Node) {
	needed, hint := []string{"name"}, ""
	if !c.keys.seen["forgotten"] {
		needed = append(needed, "topic")
	}
	sends, remembers := c.keys.seen["queue"] || c.keys.seen["fields"], c.keys.seen["remember"] || c.keys.seen["forget"]
	if sends || !remembers {
		needed = append(needed, "queue", "fields")
	}
	if !sends && !remembers {
		hint = "only a rule with remember or forget needs no queue and no fields"
	}
	if lacking := c.keys.lacking(needed...); lacking != "" {
		c.in.errorf(n, hint, "the rule lacks %s", lacking)
	}
	if p, ok := c.keys.pairs["audience"]; ok && !sends && remembers {
		c.in.errorf(p.Key, "", "audience says who gets what the rule sends, and this one sends nothing")
	}
}

// readForgotten reads the memory for whose keys the rule is when their time is up; false if the rule
// is for events.
func (c *ruleCompiler) readForgotten() bool {
	if _, ok := c.keys.pairs["forgotten"]; !ok {
		return false
	}
	c.names.expired, c.rule.encoding = true, c.all.encodings[payload.Default]
	c.names.encoding = c.rule.encoding
	c.in.own = append(c.in.own, "key", "value")
	if topic, ok := c.keys.pairs["topic"]; ok {
		c.in.errorf(topic.Key, "write two rules", "a rule is for the events of a topic or for forgotten keys, not for both")
	}
	for _, key := range []string{"payload", "retained"} {
		if p, ok := c.keys.pairs[key]; ok {
			c.in.errorf(p.Key, "leave it out", "%s says what to do with an event, and a rule with forgotten has none: it sees key, value and received", key)
		}
	}
	if n, ok := c.scalar("forgotten"); ok {
		if m := c.memoryAt(n); m != nil {
			m.read = true
			c.rule.forgotten = m.Name
		}
	}
	return true
}

// see has expressions see what there is where the elements of so many levels of each are known.
func (c *ruleCompiler) see(levels int) {
	c.expr.names = c.names.names([]expression.Group{c.all.visible, c.all.memoryGroup()}, levels)
}

// scalar returns the text of a key that takes one text.
func (c *ruleCompiler) scalar(key string) (*yaml.Node, bool) {
	p, ok := c.keys.pairs[key]
	if !ok {
		return nil, false
	}
	if p.Value.Kind != yaml.ScalarNode || source.Null(p.Value) {
		c.in.errorf(p.Value, braces(p.Value), "%s takes one text, not %s", key, source.Describe(p.Value))
		return nil, false
	}
	return p.Value, true
}

func (c *ruleCompiler) readName() {
	n, ok := c.scalar("name")
	if !ok {
		return
	}
	c.rule.name = n.Value
	switch other, twice := c.all.named[n.Value]; {
	case !ruleName.MatchString(n.Value) || len(n.Value) > maxName:
		c.in.errorf(n, "a name is part of the dead-letter topic, of metrics and of logs",
			"a rule's name is at most %d letters, digits, spaces, and any of _ . -", maxName)
	case twice:
		c.in.errorf(n, "give it another name", "rule %q already exists at %s:%d", n.Value, other.file.Name, other.node.Line)
	default:
		c.all.named[n.Value] = place{c.in.file, n}
	}
}

func (c *ruleCompiler) readRetained() {
	n, ok := c.scalar("retained")
	if !ok {
		return
	}
	known := []string{"skip", "deliver"}
	if !slices.Contains(known, n.Value) {
		c.in.errorf(n, spelling.DidYouMean(n.Value, known), "retained is skip or deliver, not %q", n.Value)
	}
	c.rule.deliver = n.Value == "deliver"
}

func (c *ruleCompiler) readWhen() {
	n, ok := c.bare("when")
	if !ok {
		return
	}
	c.rule.whenLine = n.Line
	if c.rule.when = c.expr.condition(n, "when"); c.rule.when != nil {
		c.rule.whenPerElement = c.rule.allReads(c.rule.when)&elementRoots != 0
	}
}

// Bounds of a dedupe's window.
const (
	minWindow = time.Second
	maxWindow = 24 * time.Hour
)

func (c *ruleCompiler) readDedupe() {
	p, ok := c.keys.pairs["dedupe"]
	if !ok {
		return
	}
	keys := c.in.keys(p.Value, "dedupe", []string{"key", "window"})
	key, window := keys.pairs["key"].Value, keys.pairs["window"].Value
	if key == nil || window == nil {
		c.in.bad = true
		if lacking := keys.lacking("key", "window"); lacking != "" && p.Value.Kind == yaml.MappingNode {
			c.in.errorf(p.Value, "write dedupe: {key: payload.id, window: 10m}", "dedupe lacks %s", lacking)
		}
		return
	}
	d := c.in.duration(window, "window", minWindow, maxWindow)
	if !c.expr.isBare(key, "key") {
		return
	}
	c.rule.dedupeLine = key.Line
	c.rule.window = d
	if c.rule.dedupe = c.expr.bare(key); c.rule.dedupe != nil {
		c.expr.fits(key, c.rule.dedupe, value.TypeText|value.TypeWhole, "key takes text or a whole number")
	}
}

// bare returns the node of a key that takes a bare expression.
func (c *ruleCompiler) bare(key string) (*yaml.Node, bool) {
	p, ok := c.keys.pairs[key]
	if !ok {
		return nil, false
	}
	return p.Value, c.expr.isBare(p.Value, key)
}

func (c *ruleCompiler) readQueue() {
	p, ok := c.keys.pairs["queue"]
	if !ok {
		return
	}
	switch {
	case p.Value.Kind == yaml.MappingNode:
		for _, q := range c.in.pairs(p.Value, "queue") {
			c.readRoute(q)
		}
		if len(p.Value.Content) == 0 {
			c.in.errorf(p.Value, "write /queue/…: CONDITION, or one queue", "queue names no queue")
		}
	case p.Value.Kind != yaml.ScalarNode || source.Null(p.Value):
		c.in.errorf(p.Value, "write one queue, or a mapping of queues to conditions; two queues for one event are two rules",
			"queue takes a queue, not %s", source.Describe(p.Value))
	default:
		c.addRoute(p.Value, nil)
	}
}

func (c *ruleCompiler) readRoute(q source.Pair) {
	if c.in.tagged(q.Value) || !c.expr.isBare(q.Value, q.Key.Value) {
		c.addRoute(q.Key, nil)
		return
	}
	c.addRoute(q.Key, c.expr.condition(q.Value, q.Key.Value))
}

func (c *ruleCompiler) addRoute(n *yaml.Node, when *expression.Expression) {
	s := contract.ShapeOf(n.Value)
	switch {
	case s == nil:
		hint := "the queues are " + strings.Join(contract.QueueNames(), ", ")
		if near := spelling.Nearest(n.Value, contract.QueueNames()); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.in.errorf(n, hint, "no queue %q", n.Value)
		return
	case c.rule.shape != nil && c.rule.shape.Name != s.Name:
		c.in.errorf(n, "write a second rule for it", "the payloads of %s and %s have different fields", n.Value, c.rule.routes[0].queue)
		return
	}
	c.rule.shape = s
	c.rule.routes = append(c.rule.routes, route{queue: n.Value, when: when, line: n.Line})
}
