package expression

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
)

// A direct evaluates an expression, or a part of one, as the engine does, but on items: it makes no
// values that nobody needs, and takes no steps of a machine. What it spends, misses and refuses is
// the same. The engine remains for what has conditions over lists, objects or variables in it.
type direct interface {
	item(s *Scope) (Item, error)
}

// directOf returns what evaluates the node, which the patcher has rewritten; nil: the engine must.
func directOf(node ast.Node) direct {
	switch n := node.(type) {
	case *ast.NilNode:
		return known{}
	case *ast.StringNode:
		return known{Made(n.Value)}
	case *ast.IntegerNode:
		return known{Made(n.Value)}
	case *ast.FloatNode:
		return known{Made(n.Value)}
	case *ast.BoolNode:
		return known{Made(n.Value)}
	case *ast.ConstantNode:
		return known{Made(n.Value)}
	case *ast.UnaryNode:
		if of := directOf(n.Node); of != nil && (n.Operator == "not" || n.Operator == "!") {
			return negation{of}
		}
	case *ast.ConditionalNode:
		if all := directsOf(n.Cond, n.Exp1, n.Exp2); all != nil {
			return choice{all[0], all[1], all[2]}
		}
	case *ast.ArrayNode:
		if all := directsOf(n.Nodes...); all != nil {
			return listing(all)
		}
	case *ast.BinaryNode:
		return directBinary(n)
	case *ast.CallNode:
		return directCall(n)
	}
	return nil
}

// directsOf returns what evaluates the nodes; nil where the engine must evaluate one of them.
func directsOf(nodes ...ast.Node) []direct {
	all := make([]direct, len(nodes))
	for i, n := range nodes {
		if all[i] = directOf(n); all[i] == nil {
			return nil
		}
	}
	return all
}

// directBinary returns what evaluates one of the operators that the patcher leaves to the engine.
func directBinary(n *ast.BinaryNode) direct {
	sides := directsOf(n.Left, n.Right)
	if sides == nil {
		return nil
	}
	switch n.Operator {
	case "and", "&&":
		return connection{sides[0], sides[1], false}
	case "or", "||":
		return connection{sides[0], sides[1], true}
	case "??":
		return fallback{sides[0], sides[1]}
	case "==", "!=":
		switch {
		case isNil(n.Right):
			return absence{sides[0], n.Operator == "=="}
		case isNil(n.Left):
			return absence{sides[1], n.Operator == "=="}
		}
	}
	return nil
}

// directCall returns what evaluates a call of one of our functions.
func directCall(n *ast.CallNode) direct {
	if p := pathOf(n); p != nil {
		return atPath{p}
	}
	if c := comparisonOf(n); c != nil {
		return literalComparison{c, calls(n, "$is")}
	}
	args := directsOf(n.Arguments[1:]...) // behind the scope
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if args == nil || !ok {
		return nil
	}
	if callee.Value == "$table" {
		return tableEntry{n.Arguments[1].(*ast.ConstantNode).Value.(*Path), args[1]}
	}
	for _, f := range append(operators(), functionsByName[callee.Value]) {
		if f.name == callee.Value {
			return application{f.call, args}
		}
	}
	return nil
}

// known is a literal, or what has been worked out at load.
type known struct{ it Item }

func (k known) item(*Scope) (Item, error) { return k.it, nil }

// atPath reads a path within an expression.
type atPath struct{ path *Path }

func (r atPath) item(s *Scope) (Item, error) {
	if err := s.Spend(workCall); err != nil {
		return Item{}, err
	}
	return s.item(r.path)
}

// literalComparison compares a path with a literal.
type literalComparison struct {
	*comparison
	same bool // what it wants
}

func (c literalComparison) item(s *Scope) (Item, error) {
	if err := s.Spend(workCall); err != nil {
		return Item{}, err
	}
	it, err := s.item(c.path)
	if err != nil {
		return Item{}, err
	}
	same, err := s.equalLiteral(it, c.literal)
	if !same && s.listening {
		s.hintLiteral(c.comparison, s.Make(it))
	}
	return Made(same == c.same), err
}

// equalLiteral is equal of an item and a literal.
func (s *Scope) equalLiteral(it Item, literal any) (bool, error) {
	text, isText := literal.(string)
	span := s.Span(it)
	switch {
	case span.Nested():
		return false, s.Spend(2) // as value.Equal
	case !isText || !span.Text():
		return equal(s, s.Make(it), literal)
	case len(text) != len(span.Bytes):
		return false, s.Spend(2)
	}
	return string(span.Bytes) == text, s.Spend(2 + len(text)/16)
}

// absence is == nil, or != nil.
type absence struct {
	of      direct
	missing bool // what it wants
}

func (a absence) item(s *Scope) (Item, error) {
	it, err := a.of.item(s)
	return Made(it.Missing() == a.missing), err
}

// holds evaluates a condition, which the patcher has made true or false.
func holds(s *Scope, condition direct) (bool, error) {
	it, err := condition.item(s)
	if err != nil {
		return false, err
	}
	return truth(s.Make(it))
}

type negation struct{ of direct }

func (n negation) item(s *Scope) (Item, error) {
	ok, err := holds(s, n.of)
	return Made(!ok), err
}

// connection is and, or or: decided by its left side if that is either.
type connection struct {
	left, right direct
	either      bool
}

func (c connection) item(s *Scope) (Item, error) {
	ok, err := holds(s, c.left)
	if err == nil && ok != c.either {
		ok, err = holds(s, c.right)
	}
	return Made(ok), err
}

// fallback is left ?? right.
type fallback struct{ left, right direct }

func (f fallback) item(s *Scope) (Item, error) {
	it, err := f.left.item(s)
	if err == nil && it.Missing() {
		return f.right.item(s)
	}
	return it, err
}

type choice struct{ condition, yes, no direct }

func (c choice) item(s *Scope) (Item, error) {
	ok, err := holds(s, c.condition)
	switch {
	case err != nil:
		return Item{}, err
	case ok:
		return c.yes.item(s)
	}
	return c.no.item(s)
}

type listing []direct

func (l listing) item(s *Scope) (Item, error) {
	list := make([]any, len(l))
	for i, e := range l {
		it, err := e.item(s)
		if err != nil {
			return Item{}, err
		}
		list[i] = s.Make(it)
	}
	return Made(list), nil
}

// tableEntry is table.NAME[key].
type tableEntry struct {
	table *Path
	key   direct
}

func (t tableEntry) item(s *Scope) (Item, error) {
	it, err := t.key.item(s)
	if err != nil {
		return Item{}, err
	}
	if key := s.Span(it); key.Text() {
		if v, ok := t.table.entries[string(key.Bytes)]; ok {
			return Made(v), s.Spend(workCall + len(key.Bytes)/readText)
		}
	}
	args := []any{t.table, s.Make(it)}
	if err := s.spendCall(args); err != nil {
		return Item{}, err
	}
	v, err := lookup(s, args)
	return Made(v), err
}

// application calls a function, which takes values that have been made.
type application struct {
	call func(*Scope, []any) (any, error)
	args []direct
}

func (a application) item(s *Scope) (it Item, err error) {
	from := len(s.args)
	defer func() {
		clear(s.args[from:])
		s.args = s.args[:from]
		if p := recover(); p != nil { // as the engine does
			err = fmt.Errorf("%v", p)
		}
	}()
	for _, arg := range a.args {
		it, err := arg.item(s)
		if err != nil {
			return Item{}, err
		}
		s.args = append(s.args, s.Make(it))
	}
	args := s.args[from:len(s.args):len(s.args)]
	if err := s.spendCall(args); err != nil {
		return Item{}, err
	}
	v, err := a.call(s, args)
	return Made(v), err
}
