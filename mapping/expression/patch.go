package expression

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"mqtt-stomp-bridge/mapping/value"
)

// A patcher rewrites an expression, from the leaves up, so that the engine itself never touches
// data: it fails on nil, does not know json.Number, and does not bound the work that an event can
// cause.
type patcher struct {
	names       *Names
	comparisons map[int]*comparison // by the place of the operator
	reads       Roots
	memories    []string // that it reads, each once
}

// call replaces the node with a call of one of our functions, whose first argument is the scope.
func call(node *ast.Node, name string, args ...ast.Node) {
	ast.Patch(node, &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: name},
		Arguments: append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, args...),
	})
}

func read(node *ast.Node, p *Path) {
	call(node, "$read", &ast.ConstantNode{Value: p})
}

// pathOf returns the path that the node reads; nil for any other node.
func pathOf(node ast.Node) *Path {
	n, ok := node.(*ast.CallNode)
	if !ok || !calls(n, "$read") {
		return nil
	}
	return n.Arguments[1].(*ast.ConstantNode).Value.(*Path)
}

func calls(n *ast.CallNode, name string) bool {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	return ok && callee.Value == name
}

// Visit implements ast.Visitor.
func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		p.identifier(node, n.Value)
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

// identifier rewrites a name; one that is not known is a variable of let.
func (p *patcher) identifier(node *ast.Node, name string) {
	if r := p.names.root(name); r != nil {
		p.read(node, &Path{Root: r.Root, name: name, entries: r.Entries})
	} else if g := p.names.group(name); g != nil {
		read(node, &Path{name: name, group: g})
	}
}

// read rewrites the node into one that reads the path, whose root the expression then reads.
func (p *patcher) read(node *ast.Node, path *Path) {
	if path.entries == nil && path.memory == "" {
		p.reads |= 1 << path.Root
	}
	read(node, path)
}

// call gives a function of rules the scope, and does at load what can be done then, such as
// compiling a pattern.
func (p *patcher) call(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || strings.HasPrefix(callee.Value, "$") {
		return
	}
	if f := functionsByName[callee.Value]; f.prepare != nil {
		f.prepare(n.Arguments)
	}
	n.Arguments = append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, n.Arguments...)
}

// member rewrites a.b and a[b] into a longer path, a look-up in a table, or an access at run time.
func (p *patcher) member(node *ast.Node, n *ast.MemberNode) {
	base := pathOf(n.Node)
	var st value.Step
	fixed := true
	switch property := n.Property.(type) {
	case *ast.StringNode:
		st.Key = property.Value
	case *ast.IntegerNode:
		st.Index, st.IsIndex = property.Value, true
	default:
		fixed = false
	}
	switch {
	case base == nil:
		call(node, "$index", n.Node, n.Property)
	case base.memory != "":
		p.reads |= 1 << base.Root
		if !slices.Contains(p.memories, base.memory) {
			p.memories = append(p.memories, base.memory)
		}
		call(node, "$recall", &ast.ConstantNode{Value: base}, n.Property)
	case base.entries != nil && !(fixed && !st.IsIndex):
		call(node, "$table", &ast.ConstantNode{Value: base}, n.Property)
	case !fixed && base.group == nil:
		call(node, "$index", n.Node, n.Property)
	case fixed:
		if longer := base.extend(st); longer != nil {
			p.read(node, longer)
		}
	}
}

// incomplete finds a group without a name behind it, or a memory without a key.
func incomplete(root ast.Node) (found *Mistake) {
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		path := pathOf(node)
		if path == nil || path.complete() || found != nil {
			return
		}
		found = &Mistake{Offset: node.Location().From, Width: len(path.name), Message: path.name + " is not a value by itself"}
		if found.Hint = "a key stands behind it: " + path.name + "[key]"; path.group != nil {
			found.Hint = path.group.hint()
		}
	}))
	return found
}

// binary rewrites an operator into a call of the function of its name. The engine's own and, or and
// ?? stay, since they must not evaluate their right side before they need it.
func (p *patcher) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		condition(&n.Left)
		condition(&n.Right)
	case "==", "!=":
		c := p.comparisons[n.Location().From]
		switch {
		case scalar(n.Left) && scalar(n.Right), isNil(n.Left), isNil(n.Right): // the engine's own is right
		case c.withLiteral(n.Left, n.Right) && n.Operator == "==":
			call(node, "$is", &ast.ConstantNode{Value: c})
		case c.path != nil:
			call(node, "$isNot", &ast.ConstantNode{Value: c})
		default:
			call(node, n.Operator, n.Left, n.Right, &ast.ConstantNode{Value: c})
		}
	case "in":
		call(node, n.Operator, n.Left, n.Right, &ast.ConstantNode{Value: p.comparisons[n.Location().From]})
	case "matches":
		call(node, n.Operator, n.Left, &ast.ConstantNode{Value: newPattern(n.Right.(*ast.StringNode).Value)})
	case "??":
	default:
		call(node, n.Operator, n.Left, n.Right)
	}
}

func isNil(node ast.Node) bool {
	_, ok := node.(*ast.NilNode)
	return ok
}

func scalar(node ast.Node) bool {
	switch node.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode:
		return true
	}
	return false
}

// condition makes the node true or false even if it has no value. What is known to be a condition
// is left alone, since a call costs more than the operator.
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
		for _, name := range []string{"$is", "$isNot", "==", "!=", "<", "<=", ">", ">=", "in", "matches", "contains", "startsWith", "endsWith", "$bool"} {
			if calls(n, name) {
				return
			}
		}
	}
	inner := *node
	call(node, "$bool", inner)
}
