package expression

import (
	"reflect"

	"github.com/expr-lang/expr/ast"
)

// sums returns the places where + may add two numbers within the id of a uuid: 3 + 4 and 2 + 5 have
// the same. A sum with a number that is written in the rule has an id of its own for each value.
func sums(root ast.Node) (found []Mistake) {
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		n, ok := node.(*ast.CallNode)
		if !ok || !calls(n, "uuid") {
			return
		}
		for _, part := range n.Arguments[1:] {
			if sum := sumOf(part); sum != nil {
				found = append(found, Mistake{
					Offset: sum.Location().From, Width: sum.Location().To - sum.Location().From,
					Message: "if both are numbers, this adds them, and other pairs have the same sum and id",
					Hint:    "give the parts to uuid one by one: uuid(kind, a, b)",
				})
			}
		}
	}))
	return found
}

// sumOf returns a + in the expression that is not known to join texts, and has no number of the
// rule.
func sumOf(root ast.Node) (found *ast.BinaryNode) {
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		n, ok := node.(*ast.BinaryNode)
		if ok && n.Operator == "+" && !textOrLiteral(n.Left) && !textOrLiteral(n.Right) {
			found = n
		}
	}))
	return found
}

func textOrLiteral(n ast.Node) bool {
	return scalar(n) || n.Type() != nil && n.Type().Kind() == reflect.String
}

// decoded returns the places where what fromBase64 or fromHex gives is sliced or measured: by bytes,
// or by characters where the bytes happen to be UTF-8.
func decoded(root ast.Node) (found []Mistake) {
	variables := map[string]string{} // of let -> the function that gives its value
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		if n, ok := node.(*ast.VariableDeclaratorNode); ok {
			variables[n.Name] = decoder(n.Value, nil)
		}
	}))
	ast.Walk(&root, walkFunc(func(node ast.Node) {
		var of ast.Node
		switch n := node.(type) {
		case *ast.SliceNode:
			of = n.Node
		case *ast.CallNode:
			if calls(n, "len") {
				of = n.Arguments[0]
			}
		}
		if name := decoder(of, variables); name != "" {
			loc := of.Location()
			found = append(found, Mistake{
				Offset: loc.From, Width: loc.To - loc.From,
				Message: "this counts bytes or, where they are UTF-8, characters",
				Hint:    "to count bytes always, write bytes(" + name + "(…))",
			})
		}
	}))
	return found
}

// decoder returns the name of the function from base64 or hexadecimal text that gives the value of
// the node; "" if it is none.
func decoder(node ast.Node, variables map[string]string) string {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		return variables[n.Value]
	case *ast.CallNode:
		for _, name := range []string{"fromBase64", "fromHex"} {
			if calls(n, name) {
				return name
			}
		}
	}
	return ""
}
