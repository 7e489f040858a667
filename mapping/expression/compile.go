package expression

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"mqtt-stomp-bridge/mapping/value"
)

const maxExpression = 4096 // bytes

// check compiles the expression as the author wrote it, with all types that are known at load, to
// find mistakes.
func (n *Names) check(text string) (*vm.Program, error) {
	options := append(engineOptions(), expr.Env(n.env()), expr.Optimize(false))
	for _, f := range calledIn(text) {
		options = append(options, expr.Function(f.name, nothing, f.types...))
	}
	return expr.Compile(text, options...)
}

func nothing(...any) (any, error) { return nil, nil }

// engineOptions takes away the engine's built-ins but for the predicates, whose lists and
// conditions the patcher makes safe.
func engineOptions() []expr.Option {
	options := []expr.Option{expr.DisableAllBuiltins()}
	for _, p := range predicates() {
		options = append(options, expr.EnableBuiltin(p))
	}
	return options
}

// compile compiles an expression that check has accepted into the form that runs: every access to
// data and every operation on it is a call of one of our functions. It is not type-checked again:
// the calls would only hide the types that check has found.
func (n *Names) compile(text string, comparisons map[int]*comparison) (*Expression, *Mistake) {
	p := &patcher{names: n, comparisons: comparisons}
	options := append(engineOptions(), expr.Patch(p))
	for _, f := range append(calledIn(text), operators()...) {
		options = append(options, expr.Function(f.name, func(args ...any) (any, error) {
			s := args[0].(*Scope)
			if err := s.spendCall(args[1:]); err != nil {
				return nil, err
			}
			return f.call(s, args[1:])
		}))
	}
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, n.explain(text, err)
	}
	if e := incomplete(program.Node()); e != nil {
		return nil, e
	}
	return &Expression{
		program: program, path: pathOf(program.Node()), direct: directOf(program.Node()), reads: p.reads, memories: p.memories,
	}, nil
}

// Parse checks and compiles an expression, and returns the first mistake in it.
func (n *Names) Parse(text string) (*Expression, *Mistake) {
	if len(text) > maxExpression {
		return nil, &Mistake{Message: "the expression is longer than 4096 bytes", Hint: "put what is long into a table", Width: 1}
	}
	e := embrace(text)
	x, m := n.parse(e.text)
	if m != nil {
		moved := e.mistake(*m)
		return nil, &moved
	}
	x.text = text
	for i, d := range x.doubts {
		x.doubts[i] = e.mistake(d)
	}
	for i, k := range x.known {
		x.known[i].Offset = e.written(k.Offset)
	}
	return x, nil
}

func (n *Names) parse(text string) (*Expression, *Mistake) {
	checked, err := n.check(text)
	if err != nil {
		return nil, n.explain(text, err)
	}
	if m := forbidden(checked.Node()); m != nil {
		return nil, m
	}
	if m := n.dotted(checked.Node(), []rune(text)); m != nil {
		return nil, m
	}
	x, m := n.compile(text, comparisonsIn(checked.Node()))
	if m != nil {
		return nil, m
	}
	x.types = typesOf(checked.Node())
	x.known = n.outcomes(checked.Node())
	x.doubts = append(sums(checked.Node()), decoded(checked.Node())...)
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

// outcomes returns the constants that may be the value of the expression.
func (n *Names) outcomes(node ast.Node) []Known {
	loc := node.Location()
	known := Known{Offset: loc.From, Width: loc.To - loc.From}
	switch node := node.(type) {
	case *ast.StringNode:
		known.Value = node.Value
	case *ast.IntegerNode:
		known.Value = int64(node.Value)
	case *ast.FloatNode:
		known.Value = node.Value
	case *ast.BoolNode:
		known.Value = node.Value
	case *ast.ConditionalNode:
		return append(n.outcomes(node.Exp1), n.outcomes(node.Exp2)...)
	case *ast.BinaryNode:
		if node.Operator == "??" {
			return append(n.outcomes(node.Left), n.outcomes(node.Right)...)
		}
		return nil
	case *ast.MemberNode:
		if known.Table = n.tableOf(node); known.Table == "" {
			return nil
		}
	default:
		return nil
	}
	return []Known{known}
}

// tableOf returns the name of the table that a look-up such as table.NAME[key] goes to; "" for
// anything else.
func (n *Names) tableOf(node *ast.MemberNode) string {
	inner, ok := node.Node.(*ast.MemberNode)
	if !ok {
		return ""
	}
	root, ok := inner.Node.(*ast.IdentifierNode)
	name, ok2 := inner.Property.(*ast.StringNode)
	if !ok || !ok2 {
		return ""
	}
	if g := n.group(root.Value); g == nil || g.below(name.Value) == nil || g.below(name.Value).Entries == nil {
		return ""
	}
	return name.Value
}

type walkFunc func(node ast.Node)

func (f walkFunc) Visit(node *ast.Node) { f(*node) }

// forbidden returns the first thing in a checked expression that rules may not do.
func forbidden(root ast.Node) (found *Mistake) {
	at := func(n ast.Node, message, hint string) { // mistakeAt
		if found == nil {
			found = &Mistake{Offset: n.Location().From, Width: n.Location().To - n.Location().From, Message: message, Hint: hint}
		}
	}
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		switch n := node.(type) {
		case *ast.IdentifierNode:
			if strings.HasPrefix(n.Value, "$") {
				at(n, "unknown name "+n.Value, "names here begin with a letter")
			}
		case *ast.BytesNode:
			at(n, `b"…" is not a value of rules`, `write bytes("…")`)
		case *ast.CallNode:
			if m, ok := n.Callee.(*ast.MemberNode); ok {
				at(m.Property, "values have no methods", "call a function: upper(payload.x), not payload.x.upper()")
			}
			if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
				if f := functionsByName[callee.Value]; f.check != nil {
					f.check(n.Arguments, at)
				}
			}
		case *ast.BinaryNode:
			switch _, constant := n.Right.(*ast.StringNode); {
			case n.Operator == "..":
				at(n, "ranges are not allowed in rules", "")
			case n.Operator == "^":
				at(n, noCaret, caretHint)
			case n.Operator == "-" && n.Type() == reflect.TypeFor[time.Duration]():
				at(n, "- does not take a time and a time", secondsHint)
			case n.Operator == "matches" && !constant:
				at(n.Right, "matches takes a pattern that is written in the rule", `such as payload.x matches "^[a-z]+$"`)
			}
		case *ast.BuiltinNode:
			if !slices.Contains(predicates(), n.Name) {
				at(n, n.Name+" is not a function of rules", "there are: "+listed())
			}
		case *ast.PredicateNode:
			for _, second := range predicatesIn(n) {
				if third := predicatesIn(second); len(third) > 0 {
					at(third[0], "a condition over a list may contain another one, but that may not contain a third",
						"join the inner lists first: flatten(map(…))")
				}
			}
		}
	}))
	if f := uncalled(root); f != nil {
		at(f, f.Value+" is a function", "call it: "+usage(f.Value))
	}
	return found
}

// predicatesIn returns the conditions over lists that the condition contains.
func predicatesIn(n *ast.PredicateNode) (found []*ast.PredicateNode) {
	ast.Walk(&n.Node, walkFunc(func(node ast.Node) {
		if inner, ok := node.(*ast.PredicateNode); ok {
			found = append(found, inner)
		}
	}))
	return found
}

// uncalled returns a function that is named but not called, which the engine would look for in the
// data; nil if there is none. No variable of let can have the name of a function.
func uncalled(root ast.Node) (found *ast.IdentifierNode) {
	known := map[ast.Node]bool{}   // names that are called
	variables := map[string]bool{} // of let
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		switch n := node.(type) {
		case *ast.CallNode:
			known[n.Callee] = true
		case *ast.VariableDeclaratorNode:
			variables[n.Name] = true
		}
	}))
	functions := Functions()
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		n, ok := node.(*ast.IdentifierNode)
		if ok && found == nil && !known[n] && !variables[n.Value] && slices.Contains(functions, n.Value) {
			found = n
		}
	}))
	return found
}
