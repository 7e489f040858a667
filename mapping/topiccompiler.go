package mapping

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/topic"
)

// readTopic reads the topic, or the list of topics.
func (c *ruleCompiler) readTopic() {
	c.topics = c.topicNodes()
	for _, n := range c.topics {
		p, ok := c.readPattern(n)
		c.names.anyCapture = c.names.anyCapture || !ok // so that the mistake is not reported again where a capture is used
		c.rule.topics = append(c.rule.topics, p)
		for _, name := range p.Names() {
			if !slices.Contains(c.names.captures, name) {
				c.names.captures = append(c.names.captures, name)
			}
		}
	}
	c.names.anyCapture = c.names.anyCapture || len(c.topics) == 0
	c.rule.captures = c.names.captures
	if !c.names.anyCapture {
		c.findLackingNames()
		c.findTwice()
	}
}

func (c *ruleCompiler) topicNodes() []*yaml.Node {
	p, ok := c.keys.pairs["topic"]
	switch {
	case !ok:
		return nil
	case p.Value.Kind != yaml.SequenceNode:
		return []*yaml.Node{p.Value}
	case len(p.Value.Content) == 0:
		c.in.errorf(p.Value, "write a topic filter, such as chat/{channel_id}/message", "topic names no topic")
	}
	nodes := make([]*yaml.Node, len(p.Value.Content))
	for i, n := range p.Value.Content {
		nodes[i] = source.Deref(n)
	}
	return nodes
}

// readPattern returns the pattern at the node; false: there is a mistake in it.
func (c *ruleCompiler) readPattern(n *yaml.Node) (*topic.Pattern, bool) {
	if c.in.tagged(n) {
		return new(topic.Pattern), false
	}
	if n.Kind != yaml.ScalarNode || source.Null(n) {
		takes := "topic takes one topic or a list of topics"
		if n != c.keys.pairs["topic"].Value {
			takes = "each element of topic is one topic"
		}
		c.in.errorf(n, braces(n), "%s, not %s", takes, source.Describe(n))
		return new(topic.Pattern), false
	}
	p, mistakes := topic.ParsePattern(n.Value)
	for _, m := range mistakes {
		c.in.errorAt(n, m.Offset, m.Width, m.Hint, "%s", m.Message)
	}
	if len(mistakes) > 0 {
		return p, false
	}
	switch first, _, _ := strings.Cut(n.Value, "/"); {
	case first == "$share" || first == "$queue":
		c.in.errorf(n, "write the topic filter itself: "+withoutShare(n.Value),
			"the bridge makes its own subscriptions; a rule cannot ask for a shared one")
	case n.Value == c.all.base || strings.HasPrefix(n.Value, c.all.base+"/"):
		c.in.errorf(n, "map another topic, or change broker.base_topic",
			"topics under %s are the bridge's own and never match a rule", c.all.base)
	case first == "$SYS":
		c.in.warnf(n, "", "topics under $SYS are the broker's own: they are retained, and many brokers do not show them to everyone")
	}
	if slices.ContainsFunc(strings.Split(n.Value, "/"), func(level string) bool { return level == "*" || level == "**" }) {
		c.in.warnf(n, "write + or {name} for one level, {name...} for one or more", "* is a character like any other in a topic")
	}
	if m := topic.Blank(n.Value); m != nil {
		c.in.warnAt(n, m.Offset, m.Width, m.Hint, "the topic %s", m.Message)
	}
	return p, true
}

// withoutShare returns the filter of a shared subscription.
func withoutShare(text string) string {
	parts := strings.SplitN(text, "/", 3)
	if parts[0] == "$queue" {
		return strings.TrimPrefix(text, "$queue/")
	}
	return parts[len(parts)-1]
}

// findLackingNames reports topics that do not bind a name which another topic of the rule binds.
func (c *ruleCompiler) findLackingNames() {
	binds := map[string]int{} // name -> the first topic with it
	for i, p := range c.rule.topics {
		for _, name := range p.Names() {
			if _, ok := binds[name]; !ok {
				binds[name] = i
			}
		}
	}
	for i, p := range c.rule.topics {
		for _, name := range c.rule.captures {
			if first := binds[name]; !slices.Contains(p.Names(), name) {
				c.in.errorf(c.topics[i], "the topics of a rule have the same names: write {"+name+"} for one of its levels, or a second rule for it",
					"this topic has no {%s}, which %s (line %d) has", name, c.rule.topics[first], c.topics[first].Line)
			}
		}
	}
}

// findTwice reports topics that are in the list twice.
func (c *ruleCompiler) findTwice() {
	seen := map[string]int{} // shape -> the first topic of it
	for i, p := range c.rule.topics {
		if first, twice := seen[p.Shape()]; twice {
			c.in.errorf(c.topics[i], "leave one of the two out", "the topic is in the list twice: %s (line %d) matches the same",
				c.rule.topics[first], c.topics[first].Line)
			continue
		}
		seen[p.Shape()] = i
	}
}
