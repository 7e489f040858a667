package mapping

import (
	"fmt"
	"slices"
	"time"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/topic"
	"mqtt-stomp-bridge/mapping/value"
)

// A rule is a compiled rule.
type rule struct {
	name       string
	file       string
	line       int
	topics     []*topic.Pattern // which capture the same names; none: the rule is not for events
	captures   []string         // these names
	forgotten  string           // instead of topics, the memory for whose keys the rule is when their time is up
	encoding   *payload.Encoding
	deliver    bool    // also retained messages
	each       []level // outermost first
	named      bool    // the levels of each have names of the rule's
	lets       []let
	when       *expression.Expression
	routes     []route
	shape      *contract.Shape // nil: the rule sends nothing
	fields     []field
	dedupe     *expression.Expression // nil: none
	window     time.Duration          // of dedupe
	recipients *recipients            // who may get the outputs; nil: everybody
	changes    []change               // of what is remembered
	recalled   []string               // the memories that its expressions read, each once
	maxMessage int                    // Options.MaxMessage

	// whenPerElement says that when depends on the element of each, so that it is asked for each of
	// them.
	whenPerElement bool

	// Lines of the keys, for rejections.
	whenLine, dedupeLine int
}

// topicTexts returns the topics as written in the rule.
func (r *rule) topicTexts() []string {
	texts := make([]string, len(r.topics))
	for i, p := range r.topics {
		texts[i] = p.String()
	}
	return texts
}

// changed returns the memories that the rule changes, each once.
func (r *rule) changed() (names []string) {
	for _, c := range r.changes {
		if !slices.Contains(names, c.memory) {
			names = append(names, c.memory)
		}
	}
	return names
}

// A route is a queue of a rule with its condition; nil: always.
type route struct {
	queue string
	when  *expression.Expression
	line  int
}

// A field is a field of a rule's payload.
type field struct {
	spec *contract.Field
	from valueSource
	line int
}

// text returns where the value comes from, as written in the rule.
func (f *field) text() string {
	if f.from == nil {
		return ""
	}
	return f.from.String()
}

// A valueSource gives the value of a field; nothing where there is none. The item is good until the
// next one is asked for.
type valueSource interface {
	item(in *input) (expression.Item, error)
	fmt.Stringer // as written in the rule
}

// A literal is a text that is written in the rule.
type literal struct{ text any } // a string

func (l literal) item(*input) (expression.Item, error) { return expression.Made(l.text), nil }

func (l literal) String() string { return l.text.(string) }

// A formula is an expression whose value the field gets.
type formula struct{ x *expression.Expression }

func (f formula) item(in *input) (expression.Item, error) { return f.x.Item(&in.scope) }

func (f formula) String() string { return "=" + f.x.String() }

// A verbatim is an expression used as content: an object or a list keeps the bytes with which it
// came, wherever the rule has passed it on.
type verbatim struct{ x *expression.Expression }

func (f verbatim) item(in *input) (expression.Item, error) {
	it, err := f.x.Item(&in.scope)
	if err != nil {
		return it, err
	}
	switch s := in.scope.Span(it); {
	case s.Nested():
		return it.AsJSON(), in.spendSearch(f.x.Path())
	case s.Kind != value.KindNone:
		return it, nil
	}
	v := in.scope.Make(it)
	switch v.(type) {
	case []any, map[string]any:
	default:
		return it, nil
	}
	raw, ok, err := in.rawAt(f.x.Path())
	if !ok && err == nil {
		raw, err = in.scope.JSON(v)
	}
	return expression.Made(raw), err
}

func (f verbatim) String() string { return "=" + f.x.String() }
