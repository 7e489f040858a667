package expression

import (
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"mqtt-stomp-bridge/mapping/value"
)

// A function can be called in an expression. Every one that sees data of an event is our own: it
// takes nil for what is missing and gives nil for it, spends its work from the scope, and refuses
// with words that a rule's author understands.
type function struct {
	name  string
	types []any // pointers to functions: the signatures for the check at load
	call  func(s *Scope, args []any) (any, error)
	doc   Doc // of the first of those that share one

	// Of a call whose arguments are literals: the mistakes in them, and their replacement, after the
	// check, by what is worked out at load. Either may be nil.
	check   func(args []ast.Node, at mistakeAt)
	prepare func(args []ast.Node)
}

// mistakeAt reports a mistake in a part of an expression.
type mistakeAt func(n ast.Node, message, hint string)

// A Doc is a line of the reference: what a function, or a family of them, does, and an expression
// with the JSON text of its value for ExamplePayload.
type Doc struct {
	Usage   string // split(text, separator, limit?); of a family, one for each, separated by spaces
	About   string
	Example string
	Result  string
}

// ExamplePayload is the payload of the examples.
const ExamplePayload = `{"no": 7, "name": "Ada", "tags": ["b", "a"], "items": [{"id": 1, "unread": true}, {"id": 2}],
 "rooms": [{"people": [{"name": "Ada"}]}, {"people": []}], "secret": {"token": "x", "id": 7}, "data": "AQLAqAAB", "at": "27.01.2021 11:00"}`

// A Section is a part of the reference.
type Section struct {
	Name string
	Docs []Doc
}

// groups returns what rules may call besides the predicates. To add a function: an entry in the
// group's file with its line of the reference, its code below, and rows in language_test.go.
// Arguments are of the signature's types only where these are known at load: call checks them again.
func groups() []functionGroup {
	return []functionGroup{
		{"Ids", idFunctions()}, {"Text", textFunctions()}, {"Numbers", append(numberFunctions(), bitFunctions()...)},
		{"Times", timeFunctions()},
		{"Lists", listFunctions()}, {"Objects and JSON", objectFunctions()}, {"Bytes", byteFunctions()},
		{"Rejecting", []function{{
			name: "reject", types: signature(new(func(any) any)), call: callReject,
			doc: Doc{"reject(reason)", "rejects the event, or the element of `each`, with the reason; it may stand wherever a value may",
				`payload.name ?? reject("no name")`, `"Ada"`},
		}}},
	}
}

type functionGroup struct {
	name      string
	functions []function
}

// Reference returns the lines of the reference.
func Reference() []Section {
	var all []Section
	for _, g := range groups() {
		part := Section{Name: g.name}
		for _, f := range g.functions {
			if f.doc.Usage != "" {
				part.Docs = append(part.Docs, f.doc)
			}
		}
		if g.name == "Lists" {
			part.Docs = append(part.Docs, predicateDocs()...)
		}
		all = append(all, part)
	}
	return all
}

// functions returns the functions by name.
func functions() map[string]function {
	all := map[string]function{}
	for _, g := range groups() {
		for _, f := range g.functions {
			all[f.name] = f
		}
	}
	return all
}

// functionsByName never change.
var functionsByName = functions()

func signature(f ...any) []any { return f }

// Functions returns the names of the functions that rules may call, sorted.
func Functions() []string {
	all := predicates()
	for name := range functionsByName {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

var numberReader = regexp.MustCompile(`^u?(int|float)\d`)

// listed names the functions for a mistake, those that read numbers out of bytes by a few of them.
func listed() string {
	names := slices.DeleteFunc(Functions(), numberReader.MatchString)
	return strings.Join(names, ", ") + "; numbers out of bytes: uint8, int16be, float32le and the like"
}

// calledIn returns the functions that the text may call: those whose name stands before a
// parenthesis. The engine takes time for each that it is told of.
func calledIn(text string) (called []function) {
	for name, f := range functionsByName {
		for rest := text; ; {
			i := strings.Index(rest, name)
			if i < 0 {
				break
			}
			if rest = rest[i+len(name):]; strings.HasPrefix(strings.TrimLeft(rest, " \n\t"), "(") {
				called = append(called, f)
				break
			}
		}
	}
	return called
}

const longestReason = 500 // bytes of what a rule says to reject

// callReject is reject(reason).
func callReject(s *Scope, args []any) (any, error) {
	const kind = "rejected by the rule"
	reason, err := callString(s, args)
	if err != nil {
		return nil, err
	}
	if reason == nil {
		return nil, value.Refuse(kind, "the rule rejects this, and its reason has no value: %s", s.Missing())
	}
	text := reason.(string)
	if len(text) > longestReason {
		text = strings.ToValidUTF8(text[:longestReason], "") + "…"
	}
	return nil, value.Refuse(kind, "%s", text)
}

// refuseType refuses an argument of a wrong type.
func refuseType(name, takes string, v any) error {
	return value.Refuse("expression", "%s takes %s, not %s", name, takes, value.TypeName(v))
}

func tooLong(name string) error {
	return value.Refuse("too large", "%s gives more than %d bytes", name, value.MaxText)
}

// literal returns the text that the argument is in the rule.
func literal(args []ast.Node, i int) (string, bool) {
	if i >= len(args) {
		return "", false
	}
	text, ok := args[i].(*ast.StringNode)
	if !ok {
		return "", false
	}
	return text.Value, true
}
