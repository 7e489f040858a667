package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/value"
)

// eventNames decide what names the expressions of a rule see.
type eventNames struct {
	captures   []string // of the topic
	anyCapture bool     // the topic is wrong: do not report what it fails to capture
	encoding   *payload.Encoding
	expired    bool      // there is no event, but a key whose time is up
	levels     []string  // of the rule's each, outermost first
	named      bool      // the levels are named in the rule; otherwise there is one, called item
	lets       []letName // of the rule
}

// A letName is the name of a let, as expressions see it.
type letName struct {
	name  string
	types value.Types
	depth int  // how many levels of each must have an element before the let has a value
	known bool // it has been read: those that are read later see it
}

// names returns the names, with those of the groups, where the elements of so many levels of the
// rule's each are known.
func (n eventNames) names(groups []expression.Group, levels int) *expression.Names {
	names := &expression.Names{
		Roots:  []expression.Name{{Name: "received", Root: rootReceived, Types: value.TypeTime}},
		Groups: groups,
		Hint:   func(name string) string { return n.hint(name, levels) },
	}
	if n.expired {
		names.Roots = append(names.Roots, expression.Name{Name: "key", Root: rootKey, Types: value.TypeText},
			expression.Name{Name: "value", Root: rootPayload, Types: value.AnyType})
	} else {
		names.Groups = append([]expression.Group{n.topic(), {Name: "mqtt", Below: []expression.Name{
			{Name: "content_type", Root: rootContentType, Types: value.TypeText},
			{Name: "qos", Root: rootQoS, Types: value.TypeWhole},
			{Name: "retained", Root: rootRetained, Types: value.TypeBool},
			{Name: "topic", Root: rootTopic, Types: value.TypeText},
			{Name: "user", Root: rootUser, Types: value.TypeObject},
		}}}, groups...)
	}
	if n.encoding.Decode != nil && !n.expired {
		names.Roots = append(names.Roots, expression.Name{Name: "payload", Root: rootPayload, Types: n.encoding.Types})
	}
	for i, name := range n.levels[:levels] {
		names.Roots = append(names.Roots, expression.Name{Name: name, Root: rootLevel + expression.Root(i), Types: value.AnyType})
	}
	if levels > 0 && levels == len(n.levels) {
		names.Roots = append(names.Roots, expression.Name{Name: "index", Root: rootIndex, Types: value.TypeWhole})
	}
	for i, l := range n.lets {
		if l.known && l.depth <= levels && !slices.Contains(n.levels, l.name) {
			names.Roots = append(names.Roots, expression.Name{Name: l.name, Root: rootLet + expression.Root(i), Types: l.types})
		}
	}
	return names
}

func (n eventNames) topic() expression.Group {
	g := expression.Group{Name: "topic", Open: n.anyCapture,
		Hint: "write the level that you mean as {name} in topic:, such as chat/{channel_id}/message"}
	for i, capture := range n.captures {
		g.Below = append(g.Below, expression.Name{Name: capture, Root: rootCapture + expression.Root(i), Types: value.TypeText})
	}
	return g
}

// hint says what to do about a name that an expression does not see where the elements of so many
// levels are known.
func (n eventNames) hint(name string, levels int) string {
	if i := slices.Index(n.levels, name); i >= 0 && n.named {
		return "a level of each sees those that stand above it"
	}
	if i := slices.IndexFunc(n.lets, func(l letName) bool { return l.name == name }); i >= 0 {
		if l := n.lets[i]; l.known {
			return fmt.Sprintf("%s depends on %s, which is not known where each looks for this list", name, n.dependency(l))
		}
		return "a let sees those that stand above it"
	}
	switch {
	case n.expired && slices.Contains([]string{"payload", "topic", "mqtt"}, name):
		return "there is no event: a rule with forgotten sees key, value, received, memory and table"
	case name == "key" || name == "value":
		return "key and value are what a rule with forgotten: sees"
	case name == "payload":
		return fmt.Sprintf("a rule with payload: %s does not see the payload", n.encoding.Name)
	case name != "item" && name != "index":
		return payloadHint(name)
	case len(n.levels) == 0:
		return "item and index are the elements of each: and this rule has no each:"
	case n.named && name == "item":
		return "the levels of this each have names: " + strings.Join(n.levels, ", ")
	}
	return name + " is not known where each looks for its list"
}

// dependency names the element on which the let depends.
func (n eventNames) dependency(l letName) string {
	if name := n.levels[l.depth-1]; n.named || l.depth < len(n.levels) {
		return name
	}
	return "item or index"
}

// reserved are the names that no level and no let can have, beside those of functions.
func reserved() []string {
	return []string{"payload", "topic", "mqtt", "table", "received", "item", "index", "memory", "key", "value",
		"and", "or", "not", "in", "contains", "matches", "startsWith", "endsWith", "let", "if", "else", "true", "false", "nil"}
}

// taken says what has the name already, as in "payload is the name of …"; "" if it is free for a
// level or a let.
func (n eventNames) taken(name string) string {
	switch {
	case slices.Contains(reserved(), name):
		return "a word of the rule language"
	case slices.Contains(expression.Functions(), name):
		return "a function"
	case n.named && slices.Contains(n.levels, name):
		return "a level of each"
	}
	return ""
}

// payloadHint knows what other programs call the payload.
func payloadHint(name string) string {
	if strings.HasPrefix(name, "json_") || name == "value_json" || name == "this" || name == "root" {
		return "the event's payload is called payload"
	}
	return ""
}

// The roots of the conditions of access.
const (
	rootSubscriber expression.Root = iota
	rootClaims
)

// accessNames returns the names that conditions of access see.
func accessNames(tables expression.Group) *expression.Names {
	return &expression.Names{
		Roots: []expression.Name{
			{Name: "user", Root: rootSubscriber, Types: value.TypeText},
			{Name: "claims", Root: rootClaims, Types: value.TypeObject},
		},
		Groups: []expression.Group{tables},
		Hint: func(name string) string {
			if slices.Contains([]string{"payload", "item", "index", "received", "topic", "mqtt", "memory", "key", "value"}, name) {
				return "access is asked when a client subscribes: there is no event, only claims, table, user"
			}
			return payloadHint(name)
		},
	}
}

// tableGroup returns the tables as expressions see them.
func tableGroup(tables map[string]*table) expression.Group {
	g := expression.Group{Name: "table", Hint: "there are no tables; write one under tables:"}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		g.Below = append(g.Below, expression.Name{Name: name, Root: rootTable, Types: value.TypeObject, Entries: tables[name].entries})
	}
	return g
}
