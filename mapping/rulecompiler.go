package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/topic"
	"mqtt-stomp-bridge/mapping/value"
)

// RuleKeys returns the keys of a rule.
func RuleKeys() []string {
	return []string{"name", "topic", "payload", "retained", "each", "when", "dedupe", "queue", "audience", "fields"}
}

// A ruleCompiler compiles one rule.
type ruleCompiler struct {
	*compiler
	file  *source.File
	names *names
	keys  keys
	rule  *rule
	bad   bool // the rule cannot be used
}

func (c *ruleCompiler) errorf(n *yaml.Node, hint, format string, args ...any) {
	c.bad = true
	c.report.Errorf(c.file, n, hint, format, args...)
}

// compile compiles the rule at n, and keeps it when nothing is wrong with it.
func (c *ruleCompiler) compile(n *yaml.Node) {
	if reportTag(c.file, n, c.report) {
		return
	}
	c.keys = keysOf(c.file, n, "a rule", RuleKeys(), c.report)
	if n.Kind != yaml.MappingNode {
		return
	}
	c.rule = &rule{file: c.file.Name, line: n.Line}
	if lacking := c.keys.lacking("name", "topic", "queue", "fields"); lacking != "" {
		c.errorf(n, "", "the rule lacks %s", lacking)
	}
	c.readName()
	c.readTopic()
	c.readPayload()
	c.readRetained()
	c.readEach()
	c.readWhen()
	c.readDedupe()
	c.readQueue()
	c.readAudience()
	c.readFields()
	if c.rule.pattern != nil && c.rule.shape != nil && !c.bad {
		c.rules = append(c.rules, placedRule{c.rule, place{c.file, c.keys.pairs["topic"].Value}})
	}
}

// scalar returns the text of a key that takes one text.
func (c *ruleCompiler) scalar(key string) (*yaml.Node, bool) {
	p, ok := c.keys.pairs[key]
	if !ok {
		return nil, false
	}
	if p.Value.Kind != yaml.ScalarNode || source.Null(p.Value) {
		c.errorf(p.Value, c.braces(p.Value), "%s takes one text, not %s", key, source.Kind(p.Value))
		return nil, false
	}
	return p.Value, true
}

// braces returns the hint for a mapping that was meant as {{ expression }}.
func (c *ruleCompiler) braces(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode && len(n.Content[0].Content) > 0 {
		return "YAML reads { as a map; for a value write =" + n.Content[0].Content[0].Value
	}
	return ""
}

func (c *ruleCompiler) readName() {
	n, ok := c.scalar("name")
	if !ok {
		return
	}
	c.rule.name = n.Value
	switch other, twice := c.named[n.Value]; {
	case !ruleName.MatchString(n.Value) || len(n.Value) > maxName:
		c.errorf(n, "a name is part of the dead-letter topic, of metrics and of logs",
			"a rule's name is at most %d letters, digits, spaces, and any of _ . -", maxName)
	case twice:
		c.errorf(n, "give it another name", "a rule %q stands at %s:%d already", n.Value, other.file.Name, other.node.Line)
	default:
		c.named[n.Value] = place{c.file, n}
	}
}

func (c *ruleCompiler) readTopic() {
	n, ok := c.scalar("topic")
	if !ok {
		c.names.anyCapture = true
		return
	}
	p, mistakes := topic.ParsePattern(n.Value)
	c.names.captures = p.Names()
	for _, m := range mistakes {
		c.bad = true
		c.report.ErrorAt(c.file, n, m.Offset, m.Width, m.Hint, "%s", m.Message)
	}
	if len(mistakes) > 0 {
		c.names.anyCapture = true // what the mistake was meant to name is not asked for again
		return
	}
	c.rule.pattern = p
	switch first, _, _ := strings.Cut(n.Value, "/"); {
	case first == "$share" || first == "$queue":
		c.errorf(n, "write the topic filter itself: "+withoutShare(n.Value), "the bridge makes its own subscriptions; a rule cannot ask for a shared one")
	case n.Value == c.base || strings.HasPrefix(n.Value, c.base+"/"):
		c.errorf(n, "map another topic, or change broker.base_topic", "topics under %s are the bridge's own and never match a rule", c.base)
	case first == "$SYS":
		c.report.Warnf(c.file, n, "", "topics under $SYS are the broker's own: they are retained, and many brokers do not show them to everyone")
	}
}

// withoutShare returns the filter of a shared subscription.
func withoutShare(text string) string {
	parts := strings.SplitN(text, "/", 3)
	if parts[0] == "$queue" {
		return strings.TrimPrefix(text, "$queue/")
	}
	return parts[len(parts)-1]
}

func (c *ruleCompiler) readPayload() {
	c.rule.kind = c.kinds[0]
	if n, ok := c.scalar("payload"); ok {
		known := make([]string, len(c.kinds))
		for i, k := range c.kinds {
			if known[i] = k.Name; k.Name == n.Value {
				c.rule.kind = k
			}
		}
		if !slices.Contains(known, n.Value) {
			c.errorf(n, spelling.DidYouMean(n.Value, known), "no payload kind %q", n.Value)
		}
	}
	c.names.kind = c.rule.kind
}

func (c *ruleCompiler) readRetained() {
	n, ok := c.scalar("retained")
	if !ok {
		return
	}
	known := []string{"skip", "deliver"}
	if !slices.Contains(known, n.Value) {
		c.errorf(n, spelling.DidYouMean(n.Value, known), "retained is skip or deliver, not %q", n.Value)
	}
	c.rule.deliver = n.Value == "deliver"
}

func (c *ruleCompiler) readEach() {
	n, ok := c.bare("each")
	if !ok {
		return
	}
	c.rule.eachLine = n.Line
	if c.rule.each = c.condition(n); c.rule.each != nil {
		c.fits(n, c.rule.each, value.TypeList, "each takes a list")
	}
	c.names.each = true
}

func (c *ruleCompiler) readWhen() {
	n, ok := c.bare("when")
	if !ok {
		return
	}
	c.rule.whenLine = n.Line
	c.rule.when = c.boolean(n, "when")
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
	keys := keysOf(c.file, p.Value, "dedupe", []string{"key", "window"}, c.report)
	key, window := keys.pairs["key"].Value, keys.pairs["window"].Value
	if key == nil || window == nil {
		c.bad = true
		if lacking := keys.lacking("key", "window"); lacking != "" && p.Value.Kind == yaml.MappingNode {
			c.errorf(p.Value, "write dedupe: {key: payload.id, window: 10m}", "dedupe lacks %s", lacking)
		}
		return
	}
	d, err := time.ParseDuration(window.Value)
	if err != nil || d < minWindow || d > maxWindow {
		hint := "write 10m"
		if _, err := strconv.ParseUint(window.Value, 10, 64); err == nil {
			hint = fmt.Sprintf("write %[1]ss for seconds, %[1]sm for minutes", window.Value)
		}
		c.errorf(window, hint, "window is a duration from 1s to 24h, not %s", source.Kind(window))
	}
	if !c.isBare(key, "key") {
		return
	}
	c.rule.dedupeLine = key.Line
	c.rule.window = d
	if c.rule.dedupe = c.condition(key); c.rule.dedupe != nil {
		c.fits(key, c.rule.dedupe, value.TypeText|value.TypeWhole, "key takes text or a whole number")
	}
}

// bare returns the node of a key that takes a bare expression.
func (c *ruleCompiler) bare(key string) (*yaml.Node, bool) {
	p, ok := c.keys.pairs[key]
	if !ok {
		return nil, false
	}
	return p.Value, c.isBare(p.Value, key)
}

func (c *ruleCompiler) isBare(n *yaml.Node, what string) bool {
	if n.Kind == yaml.ScalarNode && !source.Null(n) {
		return true
	}
	hint := c.braces(n)
	if hint == "" && n.Kind != yaml.ScalarNode {
		hint = "a value that begins with [ or { is YAML's own; put the whole expression in '…'"
	}
	c.errorf(n, hint, "%s takes an expression, not %s", what, source.Kind(n))
	return false
}

// condition compiles a bare expression, before which an = is tolerated.
func (c *ruleCompiler) condition(n *yaml.Node) *expression {
	text := n.Value
	offset := 0
	if trimmed := strings.TrimLeft(text, " "); strings.HasPrefix(trimmed, "=") && !strings.HasPrefix(trimmed, "==") {
		offset = len(text) - len(trimmed) + 1
	}
	return c.expression(n, text[offset:], offset)
}

// boolean compiles an expression that is true or false.
func (c *ruleCompiler) boolean(n *yaml.Node, what string) *expression {
	x := c.condition(n)
	if x != nil {
		c.fits(n, x, value.TypeBool, what+" takes true or false")
	}
	return x
}

// fits reports an expression whose value is of a wrong type whatever the event; one that is not known at load fits.
func (c *ruleCompiler) fits(n *yaml.Node, x *expression, fits value.Types, wants string) bool {
	if x.result&fits != 0 {
		return true
	}
	c.bad = true
	c.report.ErrorAt(c.file, n, strings.Index(n.Value, x.text), len([]rune(x.text)), "", "%s, but this always gives %s", wants, x.result)
	return false
}

// expression compiles the text, which begins at the offset-th character of the value of n; nil when it is wrong.
func (c *ruleCompiler) expression(n *yaml.Node, text string, offset int) *expression {
	trimmed := strings.TrimLeft(text, " \n")
	offset += len(text) - len(trimmed)
	trimmed = strings.TrimRight(trimmed, " \n")
	if trimmed == "" {
		c.errorf(n, "write an expression after the =; for the text itself: '=\"=\"'", "the expression is empty")
		return nil
	}
	x, e := c.names.parse(trimmed)
	if e != nil {
		c.bad = true
		c.report.ErrorAt(c.file, n, offset+e.offset, max(1, e.width), e.hint, "%s", e.message)
		return nil
	}
	for i := range x.known {
		x.known[i].offset += offset
	}
	return x
}

func (c *ruleCompiler) readQueue() {
	p, ok := c.keys.pairs["queue"]
	if !ok {
		return
	}
	switch {
	case p.Value.Kind == yaml.MappingNode:
		for _, q := range c.file.Pairs(p.Value, "queue", c.report) {
			c.readRoute(q)
		}
		if len(p.Value.Content) == 0 {
			c.errorf(p.Value, "write /queue/…: CONDITION, or one queue", "queue names no queue")
		}
	case p.Value.Kind != yaml.ScalarNode || source.Null(p.Value):
		c.errorf(p.Value, "write one queue, or a mapping of queues to conditions; two queues for one event are two rules",
			"queue takes a queue, not %s", source.Kind(p.Value))
	default:
		c.addRoute(p.Value, nil)
	}
}

func (c *ruleCompiler) readRoute(q source.Pair) {
	if reportTag(c.file, q.Value, c.report) || !c.isBare(q.Value, q.Key.Value) {
		c.bad = true
		c.addRoute(q.Key, nil)
		return
	}
	c.addRoute(q.Key, c.boolean(q.Value, q.Key.Value))
}

func (c *ruleCompiler) addRoute(n *yaml.Node, when *expression) {
	s := contract.ShapeOf(n.Value)
	switch {
	case s == nil:
		hint := "the queues are " + strings.Join(contract.QueueNames(), ", ")
		if near := spelling.Nearest(n.Value, contract.QueueNames()); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.errorf(n, hint, "no queue %q", n.Value)
		return
	case c.rule.shape != nil && c.rule.shape.Name != s.Name:
		c.errorf(n, "write a second rule for it", "the payload of %s has other fields than that of %s", n.Value, c.rule.routes[0].queue)
		return
	}
	c.rule.shape = s
	c.rule.routes = append(c.rule.routes, route{queue: n.Value, when: when, line: n.Line})
}

// expressionLike matches a text that was probably meant as an expression.
var expressionLike = regexp.MustCompile(`^\s*(?:(?:payload|item|topic|mqtt|table|received)\s*(?:\?\?|\?\.|\.[A-Za-z_]|\[)|payload$|item$|received$|\$\.|(?:uuid|time|json|toJSON)\()`)

// braced matches the ways in which other programs mark an expression.
var braced = regexp.MustCompile(`\{\{\s*(.*?)\s*\}\}|\$\{\s*(.*?)\s*\}`)

// noExpression reports a text that looks like an expression without its =.
func (c *ruleCompiler) noExpression(n *yaml.Node) bool {
	text, fix := n.Value, strings.TrimSpace(n.Value)
	switch m := braced.FindStringSubmatch(text); {
	case m != nil:
		fix = m[1] + m[2]
	case !expressionLike.MatchString(text):
		return false
	case strings.HasPrefix(fix, "$."):
		fix = "payload" + strings.TrimPrefix(fix, "$")
	}
	c.errorf(n, fmt.Sprintf("for its value write =%s (for the text itself: ='%s')", fix, text), "this sends the text %q itself", text)
	return true
}
