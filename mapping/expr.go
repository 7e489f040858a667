package mapping

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"mqtt-stomp-bridge/mapping/value"
)

const maxExpression = 4096 // bytes

// An expression is a compiled expression of a rule. It is safe for concurrent use, each with its own scope.
type expression struct {
	text    string // as in the rule, without the =
	program *vm.Program
	path    *path       // when it is nothing but a fixed path
	perItem bool        // it reads item or index
	result  value.Types // that its value may have, as far as that is known at load
	known   []constant  // the values known at load that it may have
	claims  []*path     // of an access rule: the claims that it reads
}

// A constant is a value within an expression: width characters from offset of its text. Of a table it is any entry.
type constant struct {
	value         any
	table         string
	offset, width int
}

// eval returns the value of the expression. An error is a *value.Refusal.
func (x *expression) eval(s *scope) (any, error) {
	s.hasMiss = false
	if x.path != nil {
		return s.read(x.path)
	}
	v, err := s.machine.Run(x.program, s)
	if err == nil {
		return v, nil
	}
	var r *value.Refusal
	if errors.As(err, &r) {
		if s.hasMiss && r.Kind == "expression" {
			r = &value.Refusal{Kind: r.Kind, Reason: r.Reason + ": " + s.miss.String()}
		}
		return nil, r
	}
	return nil, value.Refuse("expression", "the expression cannot be evaluated: %s", withoutGo(err))
}

// withoutGo returns the message of an error of the engine in the words of rules.
func withoutGo(err error) string {
	message := err.Error()
	var fe *file.Error
	if errors.As(err, &fe) {
		message = fe.Message
	}
	for _, r := range goWords() {
		message = strings.ReplaceAll(message, r[0], r[1])
	}
	return message
}

// goWords are the names of Go's types in the engine's messages, and ours.
func goWords() [][2]string {
	return [][2]string{
		{"interface conversion: interface {} is ", "it is "}, {"map[string]interface {}", "object"}, {"[]interface {}", "list"},
		{"interface {}", "any"}, {"map[string]any", "object"}, {"[]any", "list"}, {"json.Number", "number"}, {"float64", "number"},
		{"int64", "number"}, {"string", "text"}, {"bool", "true or false"}, {"<nil>", "nothing"}, {"time.Time", "time"},
	}
}

// names are what the expressions of a rule can see.
type names struct {
	kind     *value.Encoding
	each     bool
	captures []string
	tables   map[string]*table
	access   bool // it is an access rule, which sees user, claims and table only

	anyCapture bool // the topic is not known, so neither are its captures
}

// sees reports whether expressions see the name, which is one of the roots.
func (n *names) sees(name string) bool {
	switch name {
	case "table":
		return true
	case "user", "claims":
		return n.access
	case "item", "index":
		return n.each
	case "payload":
		return n.kind != nil && n.kind.Decode != nil
	}
	return !n.access
}

// check compiles the expression as the author wrote it, with all types that are known at load, to find mistakes.
func (n *names) check(text string) (*vm.Program, error) {
	options := append(engineOptions(), expr.Env(n.env()), expr.Optimize(false))
	for _, f := range functions() {
		options = append(options, expr.Function(f.name, nothing, f.types...))
	}
	return expr.Compile(text, options...)
}

// env returns the names with all that is known of their types at load.
func (n *names) env() types.Map {
	object := types.TypeOf(map[string]any{})
	tables := types.Map{}
	for name := range n.tables {
		tables[name] = object
	}
	if n.access {
		return types.Map{"user": types.String, "claims": object, "table": tables}
	}
	topic := types.Map{}
	for _, c := range n.captures {
		topic[c] = types.String
	}
	env := types.Map{
		"received": types.TypeOf(time.Time{}),
		"topic":    topic,
		"table":    tables,
		"mqtt": types.Map{
			"topic": types.String, "qos": types.Int, "retained": types.Bool, "content_type": types.String, "user": object,
		},
	}
	if n.anyCapture {
		env["topic"] = object
	}
	if n.sees("payload") {
		env["payload"] = types.Any
	}
	if n.kind.Text {
		env["payload"] = types.String
	}
	if n.sees("item") {
		env["item"], env["index"] = types.Any, types.Int
	}
	return env
}

func nothing(...any) (any, error) { return nil, nil }

// engineOptions leaves the predicates of the engine's built-ins, whose lists and conditions the patcher makes safe.
func engineOptions() []expr.Option {
	options := []expr.Option{expr.DisableAllBuiltins()}
	for _, p := range predicates() {
		options = append(options, expr.EnableBuiltin(p))
	}
	return options
}

// compile compiles an expression that check has accepted into the form that runs: every access to data of an event and every
// operation on it is a call of one of our functions.
func (n *names) compile(text string) (*expression, *loadError) {
	p := &patcher{names: n}
	options := append(engineOptions(), expr.Patch(p))
	for _, f := range append(functions(), operators()...) {
		options = append(options, expr.Function(f.name, func(args ...any) (any, error) {
			return f.call(args[0].(*scope), args[1:])
		}))
	}
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, n.explain(text, err)
	}
	if e := p.incomplete(program.Node()); e != nil {
		return nil, e
	}
	root := program.Node()
	return &expression{text: text, program: program, path: pathOf(root), perItem: p.perItem, claims: claimsOf(root)}, nil
}

// claimsOf returns the paths into the claims that the expression reads, each once.
func claimsOf(root ast.Node) (claims []*path) {
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		p := pathOf(node)
		if p == nil || p.root != rootClaims {
			return
		}
		if !slices.ContainsFunc(claims, func(c *path) bool { return c.String() == p.String() }) {
			claims = append(claims, p)
		}
	}))
	return claims
}

// parse checks and compiles an expression.
func (n *names) parse(text string) (*expression, *loadError) {
	if len(text) > maxExpression {
		return nil, &loadError{message: "the expression is longer than 4096 bytes", hint: "put what is long into a table", width: 1}
	}
	checked, err := n.check(text)
	if err != nil {
		return nil, n.explain(text, err)
	}
	if e := forbidden(text, checked.Node()); e != nil {
		return nil, e
	}
	x, e := n.compile(text)
	if e != nil {
		return nil, e
	}
	x.result = typesOf(checked.Node())
	x.known = outcomes(checked.Node())
	return x, nil
}

// typesOf returns what the check has found out about the value of the expression.
func typesOf(node ast.Node) value.Types {
	if node.Nature().Nil {
		return value.TypeNothing
	}
	switch node.Type().Kind() {
	case reflect.Interface:
		return value.AnyType
	case reflect.Bool:
		return value.TypeBool
	case reflect.String:
		return value.TypeText
	case reflect.Slice:
		return value.TypeList
	case reflect.Map:
		return value.TypeObject
	case reflect.Struct:
		return value.TypeTime
	case reflect.Float64:
		return value.TypeFraction
	}
	return value.TypeWhole
}

// outcomes returns the constants that the expression may have as its value.
func outcomes(node ast.Node) []constant {
	loc := node.Location()
	c := constant{offset: loc.From, width: loc.To - loc.From}
	switch n := node.(type) {
	case *ast.StringNode:
		c.value = n.Value
	case *ast.IntegerNode:
		c.value = int64(n.Value)
	case *ast.FloatNode:
		c.value = n.Value
	case *ast.BoolNode:
		c.value = n.Value
	case *ast.ConditionalNode:
		return append(outcomes(n.Exp1), outcomes(n.Exp2)...)
	case *ast.BinaryNode:
		if n.Operator == "??" {
			return append(outcomes(n.Left), outcomes(n.Right)...)
		}
		return nil
	case *ast.MemberNode:
		if c.table = tableOf(n); c.table == "" {
			return nil
		}
	default:
		return nil
	}
	return []constant{c}
}

// tableOf returns NAME of table.NAME[key]; "" for anything else.
func tableOf(n *ast.MemberNode) string {
	inner, ok := n.Node.(*ast.MemberNode)
	if !ok {
		return ""
	}
	root, ok := inner.Node.(*ast.IdentifierNode)
	name, ok2 := inner.Property.(*ast.StringNode)
	if !ok || !ok2 || root.Value != "table" {
		return ""
	}
	return name.Value
}

// walkFunc makes a visitor of a function.
type walkFunc func(node ast.Node)

func (f walkFunc) Visit(node *ast.Node) { f(*node) }

// forbidden returns the first thing in a checked expression that rules may not do.
func forbidden(text string, root ast.Node) (found *loadError) {
	at := func(n ast.Node, message, hint string) {
		if found == nil {
			found = &loadError{offset: n.Location().From, width: n.Location().To - n.Location().From, message: message, hint: hint}
		}
	}
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		switch n := node.(type) {
		case *ast.IdentifierNode:
			if strings.HasPrefix(n.Value, "$") {
				at(n, "unknown name "+n.Value, "names here begin with a letter")
			}
		case *ast.CallNode:
			if m, ok := n.Callee.(*ast.MemberNode); ok {
				at(m.Property, "values have no methods", "call a function: upper(payload.x), not payload.x.upper()")
			}
			checkLayout(n, at)
		case *ast.BinaryNode:
			switch _, constant := n.Right.(*ast.StringNode); {
			case n.Operator == "..":
				at(n, "ranges are not allowed in rules", "")
			case n.Operator == "matches" && !constant:
				at(n.Right, "matches takes a pattern that is written in the rule", `such as payload.x matches "^[a-z]+$"`)
			}
		case *ast.BuiltinNode:
			if !slices.Contains(predicates(), n.Name) {
				at(n, n.Name+" is not among the functions of rules", "there are: "+strings.Join(Functions(), ", "))
			}
		case *ast.PredicateNode:
			inner := n.Node
			ast.Walk(&inner, walkFunc(func(node ast.Node) {
				if _, nested := node.(*ast.PredicateNode); nested {
					at(node, "a condition over a list may not hold another one", "")
				}
			}))
		}
	}))
	return found
}

// checkLayout looks at the layout of a call of time.
func checkLayout(n *ast.CallNode, at func(n ast.Node, message, hint string)) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || callee.Value != "time" || len(n.Arguments) != 2 {
		return
	}
	layout, ok := n.Arguments[1].(*ast.StringNode)
	// A layout in which nothing stands for a part of the time comes out as it is.
	if ok && time.Unix(1, 1).UTC().Format(layout.Value) == layout.Value {
		at(layout, "the layout "+value.Quote(layout.Value)+" has no year, month or day in it", `write how 2 January 2006, 15:04:05, would look: "2006-01-02 15:04:05"`)
	}
}
