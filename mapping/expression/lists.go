package expression

import (
	"math/bits"
	"slices"
	"unicode/utf8"

	"mqtt-stomp-bridge/mapping/value"
)

func listFunctions() []function {
	return []function{
		{name: "len", types: signature(new(func(any) int)), call: callLen,
			doc: Doc{"len(x)", "the number of characters of a text, bytes of bytes, elements of a list or keys of an object", `len(payload.tags)`, `2`}},
		{name: "first", types: signature(new(func([]any) any)), call: callFirst,
			doc: Doc{"first(list)", "the first element", `first(payload.tags)`, `"b"`}},
		{name: "last", types: signature(new(func([]any) any)), call: callLast,
			doc: Doc{"last(list)", "the last element", `last(payload.tags)`, `"a"`}},
		{name: "sort", types: signature(new(func([]any) []any)), call: callSort,
			doc: Doc{"sort(list)", "the numbers, texts or times of a list, the smallest first", `sort(payload.tags)`, `["a","b"]`}},
		{name: "flatten", types: signature(new(func([]any) []any)), call: callFlatten,
			doc: Doc{"flatten(list)", "the elements of a list, and of the lists in it, as one list", `flatten([1, [2, [3]]])`, `[1,2,3]`}},
	}
}

// predicates are the built-ins of the engine that go through a list with a condition.
func predicates() []string {
	return []string{"all", "any", "none", "one", "filter", "map", "find", "count"}
}

func predicateDocs() []Doc {
	return []Doc{
		{"filter(list, condition)", "the elements for which the condition is true; `#` is the element, `.x` its field x, `#index` its number", `filter(payload.items, .unread)`, `[{"id":1,"unread":true}]`},
		{"map(list, value)", "the value for each element", `map(payload.items, {"item": .id})`, `[{"item":1},{"item":2}]`},
		{"find(list, condition)", "the first element for which the condition is true", `find(payload.items, .id > 1)`, `{"id":2}`},
		{"count(list, condition)", "the number of such elements", `count(payload.items, .unread)`, `1`},
		{"any(list, condition)", "whether it is true for an element", `any(payload.rooms, any(.people, .name == "Ada"))`, `true`},
		{"all(list, condition)", "whether it is true for all", `all(payload.items, .id > 0)`, `true`},
		{"none(list, condition)", "whether it is true for none", `none(payload.items, .id > 9)`, `true`},
		{"one(list, condition)", "whether it is true for exactly one", `one(payload.items, .unread)`, `true`},
	}
}

// callLen is len(x): the characters of text, the bytes of bytes, the elements of a list or an object.
func callLen(s *Scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case string:
		return utf8.RuneCountInString(v), s.Spend(len(v))
	case value.Bytes:
		return len(v), nil
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return nil, value.Refuse("expression", "%s has no length", value.TypeName(args[0]))
}

func callFirst(s *Scope, args []any) (any, error) { return index(s, []any{args[0], int64(0)}) }

func callLast(s *Scope, args []any) (any, error) { return index(s, []any{args[0], int64(-1)}) }

// callSort is sort(list) of numbers, of texts or of times.
func callSort(s *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	if !ok {
		return nil, refuseType("sort", "a list", args[0])
	}
	if len(list) > MaxItems {
		return nil, value.Refuse("too large", "sort goes through %d elements; at most %d are allowed", len(list), MaxItems)
	}
	longest := 0
	for _, v := range list {
		longest = max(longest, reading(v))
	}
	if err := s.Spend((workVisit + longest) * len(list) * bits.Len(uint(len(list)))); err != nil {
		return nil, err
	}
	for i, v := range list {
		if _, ok := compare(v, v); !ok {
			return nil, value.Refuse("expression", "sort takes numbers, texts or times, and element %d is %s", i, value.TypeName(v))
		}
		if _, ok := compare(v, list[0]); !ok {
			return nil, value.Refuse("expression", "sort: element %d is %s, and element 0 is %s", i, value.TypeName(v), value.TypeName(list[0]))
		}
	}
	return slices.SortedStableFunc(slices.Values(list), func(a, b any) int {
		c, _ := compare(a, b)
		return c
	}), nil
}

// callFlatten is flatten(list), through all levels as expr has it.
func callFlatten(s *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	if !ok {
		return nil, refuseType("flatten", "a list", args[0])
	}
	return flatten(s, []any{}, list)
}

func flatten(s *Scope, flat, list []any) ([]any, error) {
	if err := s.Spend(workVisit * (1 + len(list))); err != nil {
		return nil, err
	}
	for _, v := range list {
		inner, ok := v.([]any)
		if !ok {
			flat = append(flat, v)
		} else {
			var err error
			if flat, err = flatten(s, flat, inner); err != nil {
				return nil, err
			}
		}
		if len(flat) > MaxItems {
			return nil, value.Refuse("too large", "flatten gives more than %d elements", MaxItems)
		}
	}
	return flat, nil
}
