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
	each       bool // the rule has one
}

// names returns the names, with the tables.
func (n eventNames) names(tables expression.Group) *expression.Names {
	names := &expression.Names{
		Roots: []expression.Name{{Name: "received", Root: rootReceived, Types: value.TypeTime}},
		Groups: []expression.Group{n.topic(), {Name: "mqtt", Below: []expression.Name{
			{Name: "content_type", Root: rootContentType, Types: value.TypeText},
			{Name: "qos", Root: rootQoS, Types: value.TypeWhole},
			{Name: "retained", Root: rootRetained, Types: value.TypeBool},
			{Name: "topic", Root: rootTopic, Types: value.TypeText},
			{Name: "user", Root: rootUser, Types: value.TypeObject},
		}}, tables},
		Hint: n.hint,
	}
	if n.encoding.Decode != nil {
		names.Roots = append(names.Roots, expression.Name{Name: "payload", Root: rootPayload, Types: n.encoding.Types})
	}
	if n.each {
		names.Roots = append(names.Roots, expression.Name{Name: "item", Root: rootItem, Types: value.AnyType},
			expression.Name{Name: "index", Root: rootIndex, Types: value.TypeWhole})
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

// hint says what to do about a name that the rule does not see.
func (n eventNames) hint(name string) string {
	switch name {
	case "payload":
		return fmt.Sprintf("a rule with payload: %s does not see the payload", n.encoding.Name)
	case "item", "index":
		return "item and index are the elements of each: and this rule has no each:"
	}
	return payloadHint(name)
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
			if slices.Contains([]string{"payload", "item", "index", "received", "topic", "mqtt"}, name) {
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
		g.Below = append(g.Below, expression.Name{Name: name, Types: value.TypeObject, Entries: tables[name].entries})
	}
	return g
}
