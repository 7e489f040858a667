package expression

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"

	"mqtt-stomp-bridge/mapping/value"
)

// A comparison is an ==, a != or an in, with what a hint about it needs.
type comparison struct {
	operator    string
	left, right operand

	// Of a comparison of a path with a literal, which most are, so that it costs one call.
	path    *Path
	literal any
}

// An operand is one side, as the rule has it.
type operand struct {
	text    string
	literal bool
}

// comparisonsIn returns the comparisons of an expression by the place of their operator, before the
// patcher takes their sides apart.
func comparisonsIn(root ast.Node) map[int]*comparison {
	found := map[int]*comparison{}
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		if n, ok := node.(*ast.BinaryNode); ok && slices.Contains([]string{"==", "!=", "in"}, n.Operator) {
			found[n.Location().From] = &comparison{operator: n.Operator, left: operandOf(n.Left), right: operandOf(n.Right)}
		}
	}))
	return found
}

func operandOf(n ast.Node) operand {
	const most = 100 // characters that a hint quotes
	text := []rune(n.String())
	if len(text) > most {
		text = append(text[:most], '…')
	}
	return operand{string(text), scalar(n)}
}

// literalOf returns the value of a literal other than nil.
func literalOf(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode:
		return int64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.BoolNode:
		return n.Value, true
	}
	return nil, false
}

// withLiteral makes the comparison one of a path with a literal; false if its sides are others.
func (c *comparison) withLiteral(left, right ast.Node) bool {
	path, literal := pathOf(left), right
	if path == nil {
		path, literal = pathOf(right), left
	}
	v, ok := literalOf(literal)
	if path == nil || !path.complete() || !ok {
		return false
	}
	c.path, c.literal = path, v
	return true
}

// comparisonOf returns the comparison of a path with a literal that the node is; nil for any other.
func comparisonOf(node ast.Node) *comparison {
	n, ok := node.(*ast.CallNode)
	if !ok || !calls(n, "$is") && !calls(n, "$isNot") {
		return nil
	}
	return n.Arguments[1].(*ast.ConstantNode).Value.(*comparison)
}

// compareLiteral is ==, or with want false !=, of a path and a literal.
func compareLiteral(want bool) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		c := args[0].(*comparison)
		v, err := s.read(c.path)
		if err != nil {
			return nil, err
		}
		same, err := equal(s, v, c.literal)
		if !same && s.listening {
			s.hintLiteral(c, v)
		}
		return same == want, err
	}
}

// hintLiteral keeps a hint about the value of the path, which is not the literal.
func (s *Scope) hintLiteral(c *comparison, v any) {
	if c.left.literal {
		s.hint(c, c.literal, v)
	} else {
		s.hint(c, v, c.literal)
	}
}

// compareValues is ==, or with want false !=.
func compareValues(want bool) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		same, err := equal(s, args[0], args[1])
		if !same && s.listening {
			s.hint(args[2].(*comparison), args[0], args[1])
		}
		return same == want, err
	}
}

// in is a in b: an element of a list, or a key of an object or a table.
func in(s *Scope, args []any) (any, error) {
	found, err := contains(s, args[0], args[1])
	if !found && err == nil && s.listening {
		s.hintIn(args[2].(*comparison), args[0], args[1])
	}
	return found, err
}

func contains(s *Scope, v, in any) (bool, error) {
	switch in := in.(type) {
	case nil:
		return false, nil
	case map[string]any:
		key, ok := value.String(v)
		_, there := in[key]
		return ok && there, nil
	case []any:
		if err := s.Spend(len(in)); err != nil {
			return false, err
		}
		for _, e := range in {
			if same, err := equal(s, e, v); same || err != nil {
				return same, err
			}
		}
		return false, nil
	}
	return false, value.Refuse("expression", "in takes a list or an object, not %s", value.TypeName(in))
}

// equal reports whether two values are the same.
func equal(s *Scope, a, b any) (bool, error) {
	same := value.Equal(a, b, &s.work)
	return same, s.Spend(0)
}

func nested(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

const mostHints = 10 // of one rule on one event

// Listen has the scope keep hints until the next Begin.
func (s *Scope) Listen() { s.listening = true }

// Hints returns what the comparisons since Begin have to say, each once: those of a number with a
// text of its digits, which are never equal. A hint holds nothing of the event but what the rule
// has too.
func (s *Scope) Hints() []string { return s.hints }

func (s *Scope) keep(hint string) {
	if len(s.hints) < mostHints && !slices.Contains(s.hints, hint) {
		s.hints = append(s.hints, hint)
	}
}

// hint keeps a hint if one of the values is a number, and the other a text of its digits.
func (s *Scope) hint(c *comparison, a, b any) {
	number, text := c.left, c.right
	digits, ok := digitsOf(a, b)
	if !ok {
		number, text = c.right, c.left
		if digits, ok = digitsOf(b, a); !ok {
			return
		}
	}
	switch {
	case text.literal:
		s.keep(fmt.Sprintf("%s is the number %s, %s is text: write %[1]s %[4]s %[2]s, or string(%[1]s) %[4]s %[3]s",
			number.text, digits, text.text, c.operator))
	case number.literal:
		s.keep(fmt.Sprintf("%s is the text %q, %s is a number: write %[1]s %[4]s %[2]q, or %[5]s(%[1]s) %[4]s %[3]s",
			text.text, digits, number.text, c.operator, toNumber(a, b)))
	default:
		s.keep(fmt.Sprintf("%s is a number, %s is text with its digits: write string(%[1]s) %[3]s %[2]s",
			number.text, text.text, c.operator))
	}
}

// toNumber names the function that makes a number of the text among the two values.
func toNumber(a, b any) string {
	for _, v := range []any{a, b} {
		if _, ok := value.Whole(v); ok {
			return "int"
		}
	}
	return "float"
}

// hintIn keeps a hint if the list or the object has, as text, the digits of v, or the other way round.
func (s *Scope) hintIn(c *comparison, v, in any) {
	if object, ok := in.(map[string]any); ok {
		if _, isNumber := value.Number(v); isNumber {
			digits, _ := callString(nil, []any{v})
			if _, there := object[digits.(string)]; there {
				s.keep(fmt.Sprintf("%s is a number, and keys are text: write string(%[1]s) in %s", c.left.text, c.right.text))
			}
		}
		return
	}
	list, _ := in.([]any)
	for _, e := range list {
		if _, ok := digitsOf(v, e); ok {
			s.keep(fmt.Sprintf("%s is a number, and %s has its digits as text: write string(%[1]s) in %[2]s", c.left.text, c.right.text))
			return
		}
		if _, ok := digitsOf(e, v); ok {
			s.keep(fmt.Sprintf("%s is text, and %s has its digits as a number: write %s(%[1]s) in %[2]s", c.left.text, c.right.text, toNumber(e, v)))
			return
		}
	}
}

// digitsOf returns the digits of the number if the text is them.
func digitsOf(number, text any) (string, bool) {
	t, ok := value.String(text)
	if _, isNumber := value.Number(number); !isNumber || !ok {
		return "", false
	}
	digits, _ := callString(nil, []any{number})
	return t, digits == t
}
