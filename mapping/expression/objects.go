package expression

import (
	"maps"
	"slices"

	"mqtt-stomp-bridge/mapping/value"
)

func objectFunctions() []function {
	object := signature(new(func(map[string]any, any, ...any) map[string]any))
	fromJSON := signature(new(func(string) any))
	return []function{
		{name: "keys", types: signature(new(func(map[string]any) []any)), call: callKeys,
			doc: Doc{"keys(object)", "the keys, sorted", `keys(payload.secret)`, `["id","token"]`}},
		{name: "values", types: signature(new(func(map[string]any) []any)), call: callValues,
			doc: Doc{"values(object)", "the values, sorted by their keys", `values(payload.secret)`, `[7,"x"]`}},
		{name: "pick", types: object, call: choosing("pick", true),
			doc: Doc{"pick(object, key, …)", "the object with nothing but these keys", `pick(payload.secret, "id")`, `{"id":7}`}},
		{name: "omit", types: object, call: choosing("omit", false),
			doc: Doc{"omit(object, key, …)", "the object without these keys", `omit(payload.secret, "token")`, `{"id":7}`}},
		{name: "merge", types: signature(new(func(map[string]any, map[string]any, ...map[string]any) map[string]any)), call: callMerge,
			doc: Doc{"merge(a, b, …)", "one object with the keys of all; the last value of a key counts", `merge(payload.secret, {"token": "…"})`, `{"id":7,"token":"…"}`}},
		{name: "fromJSON", types: fromJSON, call: parsing("fromJSON"),
			doc: Doc{"fromJSON(text) json(text)", "the value of a JSON text", `fromJSON("[1, 2.5]")[1]`, `2.5`}},
		{name: "json", types: fromJSON, call: parsing("json")},
		{name: "toJSON", types: signature(new(func(any) string)), call: callToJSON,
			doc: Doc{"toJSON(x)", "the JSON text of a value: as it came, if it came as JSON; otherwise on one line, keys sorted", `toJSON({"id": payload.no})`, `"{\"id\":7}"`}},
	}
}

func callKeys(s *Scope, args []any) (any, error) {
	return members(s, args[0], func(key string, _ any) any { return key })
}

func callValues(s *Scope, args []any) (any, error) {
	return members(s, args[0], func(_ string, value any) any { return value })
}

// members makes a list of the members of an object, in the order of their keys.
func members(s *Scope, v any, pick func(key string, value any) any) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		if v == nil {
			return nil, nil
		}
		return nil, value.Refuse("expression", "%s has no keys", value.TypeName(v))
	}
	list := make([]any, 0, len(object))
	for _, k := range slices.Sorted(maps.Keys(object)) {
		list = append(list, pick(k, object[k]))
	}
	return list, s.Spend(workVisit * len(list))
}

// choosing makes pick, which keeps the keys that it is given, and omit, which keeps the others. Keys
// may also be a list; one that has no value names nothing.
func choosing(name string, keep bool) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		object, ok := args[0].(map[string]any)
		if !ok {
			return nil, refuseType(name, "an object and keys", args[0])
		}
		named, err := keysOf(name, args[1:])
		if err != nil {
			return nil, err
		}
		if err := s.Spend(workVisit * (len(object) + len(named))); err != nil {
			return nil, err
		}
		chosen := map[string]any{}
		for k, v := range object {
			if named[k] == keep {
				chosen[k] = v
			}
		}
		return chosen, nil
	}
}

// keysOf returns the set of the keys that the arguments are, or hold.
func keysOf(name string, args []any) (map[string]bool, error) {
	named := map[string]bool{}
	for _, arg := range args {
		list, ok := arg.([]any)
		if !ok {
			list = []any{arg}
		}
		for _, v := range list {
			if v == nil {
				continue
			}
			key, err := value.Text(v)
			if err != nil {
				return nil, value.Refuse("expression", "%s takes text as a key, not %s", name, value.TypeName(v))
			}
			named[key] = true
		}
	}
	return named, nil
}

// callMerge is merge(a, b, …). What is missing adds nothing.
func callMerge(s *Scope, args []any) (any, error) {
	var merged map[string]any
	for _, arg := range args {
		if arg == nil {
			continue
		}
		object, ok := arg.(map[string]any)
		if !ok {
			return nil, refuseType("merge", "objects", arg)
		}
		if err := s.Spend(workVisit * len(object)); err != nil {
			return nil, err
		}
		if merged == nil {
			merged = make(map[string]any, len(object))
		}
		maps.Copy(merged, object)
	}
	if merged == nil {
		return nil, nil
	}
	return merged, nil
}

// parsing makes fromJSON(text): the value that a JSON text stands for.
func parsing(name string) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		text, ok := value.String(args[0])
		if !ok {
			return nil, refuseType(name, "text", args[0])
		}
		if err := s.Spend(workMatch * len(text)); err != nil {
			return nil, err
		}
		d, err := value.DecodeJSON([]byte(text))
		if err != nil {
			return nil, value.Refuse("not JSON", "%s: the text %v", name, err)
		}
		s.texts.Add(d)
		return d.Value, nil
	}
}

func callToJSON(s *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, err := s.JSON(args[0])
	if err != nil {
		return nil, err
	}
	return text, s.Spend(len(text))
}
