package expression

import (
	"slices"
	"strconv"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping/value"
)

func idFunctions() []function {
	return []function{{
		name: "uuid", types: signature(new(func(any, any, ...any) string)), call: callUUID,
		doc: Doc{"uuid(kind, id, …)", "a UUID (version 5) derived from the id, always the same; a number and its digits give the same, and a time counts as its `string`. " +
			"`kind` keeps ids of different things apart. Several parts make one id: `\"1\", \"23\"` is not `\"12\", \"3\"`",
			`uuid("ticket", payload.no)`, `"8f4387c6-418f-5588-a318-7ecf8c77d21e"`},
		prepare: func(args []ast.Node) {
			if kind, ok := literal(args, 0); ok {
				args[0] = &ast.ConstantNode{Value: idSpace(kind)}
			}
		},
	}}
}

// namespace is the root of all UUIDs that rules derive: version 5 of "mqtt-stomp-bridge" in the DNS
// namespace. Every id that rules have derived depends on it, so it never changes.
var namespace = uuid.MustParse("b25c2350-6db9-5ae4-b32f-5cf70c033f37")

// callUUID is uuid(kind, id): the UUID of version 5 of the id in the namespace of its kind. Of
// uuid(kind, a, b, …) each part but the last is the namespace of the next, so that no two lists of
// parts give the same.
func callUUID(s *Scope, args []any) (any, error) {
	if slices.Contains(args, nil) {
		return nil, nil
	}
	space, ok := args[0].(uuid.UUID) // worked out at load
	if !ok {
		kind, err := value.Text(args[0])
		if err != nil {
			return nil, value.Refuse("expression", "uuid: the kind of id: %v", err)
		}
		if err := s.Spend(len(kind)); err != nil {
			return nil, err
		}
		space = idSpace(kind)
	}
	for i, part := range args[1:] {
		what := "the id"
		if len(args) > 2 {
			what = "part " + strconv.Itoa(i+1) + " of the id"
		}
		id, err := idText(part)
		switch {
		case err != nil:
			return nil, value.Refuse("expression", "uuid: %s: %v", what, err)
		case id == "":
			return nil, value.Refuse("expression", "uuid: %s is empty", what)
		}
		if err := s.Spend(len(id)); err != nil {
			return nil, err
		}
		space = uuid.NewSHA1(space, []byte(id))
	}
	return space.String(), nil
}

// idText returns a part of an id as text, a time as string gives it.
func idText(part any) (string, error) {
	if t, ok := part.(time.Time); ok {
		return t.UTC().Format(value.TimeLayout), nil
	}
	return value.Text(part)
}

// idSpace returns the namespace of the ids of one kind.
func idSpace(kind string) uuid.UUID { return uuid.NewSHA1(namespace, []byte(kind)) }
