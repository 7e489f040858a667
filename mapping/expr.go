package mapping

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

const maxExpression = 4096 // bytes

// An expression is a compiled expression of a rule. It is safe for concurrent use, each with its own scope.
type expression struct {
	text    string // as in the rule, without the =
	program *vm.Program
	path    *path        // when it is nothing but a fixed path
	perItem bool         // it reads item or index
	result  reflect.Type // what is known of its value at load; an interface when nothing is
	known   []constant   // the values known at load that it may have
}

// A constant is a value within an expression: width characters from offset of its text. Of a table it is any entry.
type constant struct {
	value         any
	table         string
	offset, width int
}

// eval returns the value of the expression. An error is a *refusal.
func (x *expression) eval(s *scope) (any, error) {
	s.hasMiss = false
	if x.path != nil {
		return s.read(x.path)
	}
	v, err := s.machine.Run(x.program, s)
	if err == nil {
		return v, nil
	}
	var r *refusal
	if errors.As(err, &r) {
		if s.hasMiss && r.kind == "expression" {
			r = &refusal{kind: r.kind, reason: r.reason + ": " + s.miss.String()}
		}
		return nil, r
	}
	return nil, refuse("expression", "the expression cannot be evaluated: %s", withoutGo(err))
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
	kind     *payloadKind
	each     bool
	captures []string
	tables   map[string]*table
}

// check compiles the expression as the author wrote it, with all types that are known at load, to find mistakes.
func (n *names) check(text string) (*vm.Program, error) {
	env := types.Map{
		"received": types.TypeOf(time.Time{}),
		"topic":    types.Map{},
		"table":    types.Map{},
		"mqtt": types.Map{
			"topic": types.String, "qos": types.Int, "retained": types.Bool, "content_type": types.String,
			"user": types.TypeOf(map[string]any{}),
		},
	}
	for _, c := range n.captures {
		env["topic"].(types.Map)[c] = types.String
	}
	for name := range n.tables {
		env["table"].(types.Map)[name] = types.TypeOf(map[string]any{})
	}
	switch {
	case n.kind.text:
		env["payload"] = types.String
	case n.kind.decode != nil:
		env["payload"] = types.Any
	}
	if n.each {
		env["item"], env["index"] = types.Any, types.Int
	}
	options := append(engineOptions(), expr.Env(env), expr.Optimize(false))
	for _, f := range functions() {
		options = append(options, expr.Function(f.name, nothing, f.types...))
	}
	return expr.Compile(text, options...)
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
	return &expression{text: text, program: program, path: pathOf(program.Node()), perItem: p.perItem}, nil
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
	x.result = checked.Node().Type()
	if checked.Node().Nature().Nil {
		x.result = nil
	}
	x.known = outcomes(checked.Node())
	return x, nil
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
		at(layout, "the layout "+quote(layout.Value)+" has no year, month or day in it", `write how 2 January 2006, 15:04:05, would look: "2006-01-02 15:04:05"`)
	}
}

// A patcher rewrites an expression, from the leaves up.
type patcher struct {
	names   *names
	perItem bool
}

// call replaces the node with a call of one of our functions, which gets the scope first.
func call(node *ast.Node, name string, args ...ast.Node) {
	ast.Patch(node, &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: name},
		Arguments: append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, args...),
	})
}

func read(node *ast.Node, p *path) {
	call(node, "$read", &ast.ConstantNode{Value: p})
}

// pathOf returns the path that the node reads; nil for any other node.
func pathOf(node ast.Node) *path {
	n, ok := node.(*ast.CallNode)
	if !ok || !calls(n, "$read") {
		return nil
	}
	return n.Arguments[1].(*ast.ConstantNode).Value.(*path)
}

func calls(n *ast.CallNode, name string) bool {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	return ok && callee.Value == name
}

// Visit implements ast.Visitor.
func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if r, ok := roots()[n.Value]; ok {
			p.perItem = p.perItem || r == rootItem || r == rootIndex
			read(node, &path{root: r, name: n.Value, capture: -1})
		}
	case *ast.ChainNode:
		if path := pathOf(n.Node); path != nil {
			read(node, path)
		}
	case *ast.MemberNode:
		p.member(node, n)
	case *ast.SliceNode:
		bounds := []ast.Node{n.From, n.To}
		for i, b := range bounds {
			if b == nil {
				bounds[i] = &ast.NilNode{}
			}
		}
		call(node, "$slice", n.Node, bounds[0], bounds[1])
	case *ast.CallNode:
		p.call(n)
	case *ast.BuiltinNode:
		call(&n.Arguments[0], "$list", n.Arguments[0], &ast.StringNode{Value: n.Name})
		if c, ok := n.Arguments[len(n.Arguments)-1].(*ast.PredicateNode); ok && n.Name != "map" {
			condition(&c.Node)
		}
	case *ast.ConditionalNode:
		condition(&n.Cond)
	case *ast.UnaryNode:
		switch n.Operator {
		case "not", "!":
			condition(&n.Node)
		case "-":
			if _, literal := n.Node.(*ast.IntegerNode); !literal {
				call(node, "-", &ast.IntegerNode{Value: 0}, n.Node)
			}
		}
	case *ast.BinaryNode:
		p.binary(node, n)
	}
}

// call gives the functions of rules the scope, and does at load what can be done there.
func (p *patcher) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || strings.HasPrefix(callee.Value, "$") {
		return
	}
	if kind, ok := n.Arguments[0].(*ast.StringNode); ok && callee.Value == "uuid" {
		n.Arguments[0] = &ast.ConstantNode{Value: kindSpace(kind.Value)}
	}
	n.Arguments = append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, n.Arguments...)
}

// member rewrites a.b and a[b]: a longer path, a look-up in a table, or an access that is worked out at run time.
func (p *patcher) member(node *ast.Node, n *ast.MemberNode) {
	base := pathOf(n.Node)
	var st step
	fixed := true
	switch property := n.Property.(type) {
	case *ast.StringNode:
		st.key = property.Value
	case *ast.IntegerNode:
		st.index, st.isIndex = property.Value, true
	default:
		fixed = false
	}
	switch {
	case base == nil:
		call(node, "$index", n.Node, n.Property)
	case base.root == rootTable && base.table != nil && !(fixed && !st.isIndex):
		call(node, "$table", &ast.ConstantNode{Value: base}, n.Property)
	case !fixed && base.complete():
		call(node, "$index", n.Node, n.Property)
	case fixed:
		if longer := p.extend(base, st); longer != nil {
			read(node, longer)
		}
	}
}

// extend returns the path one step further; nil where the names have no such thing.
func (p *patcher) extend(base *path, st step) *path {
	if base.complete() {
		return base.extend(st)
	}
	longer := *base
	longer.name += "." + st.key
	switch base.root {
	case rootTopic:
		longer.capture = slices.Index(p.names.captures, st.key)
	case rootMQTT:
		longer.root = mqttRoots()[st.key]
	case rootTable:
		if t := p.names.tables[st.key]; t != nil {
			longer.table = t.entries
		}
	}
	if !longer.complete() {
		return nil
	}
	return &longer
}

// complete reports whether the path names something: topic, mqtt and table alone do not.
func (p *path) complete() bool {
	switch p.root {
	case rootTopic:
		return p.capture >= 0
	case rootMQTT:
		return false
	case rootTable:
		return p.table != nil
	}
	return true
}

// incomplete finds a topic, mqtt or table without a name of theirs behind it.
func (p *patcher) incomplete(root ast.Node) (found *loadError) {
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		if path := pathOf(node); path != nil && !path.complete() && found == nil {
			found = &loadError{
				offset: node.Location().From, width: len(path.name),
				message: path.name + " is no value by itself", hint: p.names.below(path.name),
			}
		}
	}))
	return found
}

// binary rewrites an operator into a call of the function of its name.
func (p *patcher) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		condition(&n.Left)
		condition(&n.Right)
	case "==", "!=":
		if !scalar(n.Left) && !scalar(n.Right) {
			call(node, n.Operator, n.Left, n.Right)
		}
	case "matches":
		// The check has compiled it before.
		call(node, n.Operator, n.Left, &ast.ConstantNode{Value: regexp.MustCompile(n.Right.(*ast.StringNode).Value)})
	case "??":
	default:
		call(node, n.Operator, n.Left, n.Right)
	}
}

// scalar reports whether the node is a literal, which the engine itself compares well with anything.
func scalar(node ast.Node) bool {
	switch node.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode:
		return true
	}
	return false
}

// condition makes the node true or false, also where it has no value.
func condition(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BoolNode:
		return
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return
		}
	case *ast.BinaryNode:
		if slices.Contains([]string{"and", "&&", "or", "||", "==", "!="}, n.Operator) {
			return
		}
	case *ast.BuiltinNode:
		if slices.Contains([]string{"all", "any", "none", "one"}, n.Name) {
			return
		}
	case *ast.CallNode:
		for _, name := range []string{"==", "!=", "<", "<=", ">", ">=", "in", "matches", "contains", "startsWith", "endsWith", "$bool"} {
			if calls(n, name) {
				return
			}
		}
	}
	inner := *node
	call(node, "$bool", inner)
}
