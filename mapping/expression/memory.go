package expression

import (
	"strings"

	"github.com/expr-lang/expr/ast"

	"mqtt-stomp-bridge/mapping/value"
)

// A Memory is Data that has values under keys: of the Names that are memories.
type Memory interface {
	Data
	// Recall returns the value under the key of a memory; nil if there is none. An error must be a
	// *value.Refusal; it ends the evaluation.
	Recall(memory, key string) (any, error)
}

// recall is memory.NAME[key]. A value under a key that is too long to be there is none.
func recall(s *Scope, args []any) (any, error) {
	memory := args[0].(*Path)
	if args[1] == nil {
		return nil, nil
	}
	key, err := value.Text(args[1])
	if err != nil {
		return nil, value.Within(err, "the key of %s", memory.name)
	}
	v, err := s.data.(Memory).Recall(memory.memory, key)
	if v == nil && err == nil {
		s.missed(miss{table: memory.name, key: key})
	}
	return v, err
}

// dotted finds the key of a memory that stands behind a dot: memory.unread.conv would be the key
// "conv" for every event, and hardly ever what is meant.
func (n *Names) dotted(root ast.Node, text []rune) (found *Mistake) {
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		key, ok := node.(*ast.MemberNode)
		if !ok || found != nil {
			return
		}
		property, ok := key.Property.(*ast.StringNode)
		memory := n.memoryOf(key.Node)
		if !ok || memory == "" || strings.ContainsRune("\"'`", text[property.Location().From]) {
			return
		}
		found = &Mistake{
			Offset: property.Location().From, Width: len(property.Value),
			Message: "a key of a memory stands in brackets",
			Hint:    "write " + memory + "[" + property.Value + "], or " + memory + `["` + property.Value + `"] for the text itself`,
		}
	}))
	return found
}

// memoryOf returns memory.NAME where the node is that; otherwise "".
func (n *Names) memoryOf(node ast.Node) string {
	m, ok := node.(*ast.MemberNode)
	if !ok {
		return ""
	}
	root, ok := m.Node.(*ast.IdentifierNode)
	name, ok2 := m.Property.(*ast.StringNode)
	if !ok || !ok2 {
		return ""
	}
	if g := n.group(root.Value); g == nil || g.below(name.Value) == nil || !g.below(name.Value).Memory {
		return ""
	}
	return root.Value + "." + name.Value
}
