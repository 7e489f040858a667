package expression

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"maps"
	"mqtt-stomp-bridge/mapping/instant"
	"mqtt-stomp-bridge/mapping/value"
)

// A function can be called in an expression. Every one that sees data of an event is our own: it
// takes nil for what is missing and gives nil for it, spends its work from the scope, and refuses
// with words that a rule's author understands.
type function struct {
	name  string
	types []any // pointers to functions: the signatures for the check at load
	call  func(s *Scope, args []any) (any, error)
}

// functions returns what rules may call besides the predicates. To add a function: an entry here,
// its code below, rows in language_test.go, and a line in the table of examples/README.md, which a
// test compares with Functions. Arguments are of the signature's types only where these are known
// at load: call checks them again.
func functions() []function {
	text, texts := signature(new(func(string) string)), signature(new(func(string, string) string))
	return []function{
		{"uuid", signature(new(func(any, any, ...any) string)), callUUID},
		{"time", signature(new(func(any, string) time.Time)), callTime},
		{"json", signature(new(func(string) any)), callJSON},
		{"toJSON", signature(new(func(any) string)), callToJSON},
		{"string", signature(new(func(any) string)), callString},
		{"int", signature(new(func(any) int)), callInt},
		{"float", signature(new(func(any) float64)), callFloat},
		{"round", signature(new(func(any) int)), callRound},
		{"len", signature(new(func(any) int)), callLen},
		{"first", signature(new(func([]any) any)), callFirst},
		{"last", signature(new(func([]any) any)), callLast},
		{"keys", signature(new(func(map[string]any) []any)), callKeys},
		{"values", signature(new(func(map[string]any) []any)), callValues},
		{"join", signature(new(func([]any, string) string)), callJoin},
		{"split", signature(new(func(string, string) []any)), callSplit},
		{"replace", signature(new(func(string, string, string) string)), callReplace},
		{"upper", text, textFunction("upper", strings.ToUpper)},
		{"lower", text, textFunction("lower", strings.ToLower)},
		{"trim", text, textFunction("trim", strings.TrimSpace)},
		{"trimPrefix", texts, textPair("trimPrefix", func(a, b string) any { return strings.TrimPrefix(a, b) })},
		{"trimSuffix", texts, textPair("trimSuffix", func(a, b string) any { return strings.TrimSuffix(a, b) })},
		{"hasPrefix", signature(new(func(string, string) bool)), textTest("hasPrefix", strings.HasPrefix)},
		{"hasSuffix", signature(new(func(string, string) bool)), textTest("hasSuffix", strings.HasSuffix)},
	}
}

func signature(f ...any) []any { return f }

// predicates are the built-ins of the engine that go through a list with a condition.
func predicates() []string {
	return []string{"all", "any", "none", "one", "filter", "map", "find", "count"}
}

// Functions returns the names of the functions that rules may call.
func Functions() []string {
	all := predicates()
	for _, f := range functions() {
		all = append(all, f.name)
	}
	return all
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
		space = idSpace(kind)
	}
	for i, part := range args[1:] {
		what := "the id"
		if len(args) > 2 {
			what = "part " + strconv.Itoa(i+1) + " of the id"
		}
		id, err := value.Text(part)
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

// idSpace returns the namespace of the ids of one kind.
func idSpace(kind string) uuid.UUID { return uuid.NewSHA1(namespace, []byte(kind)) }

// callTime is time(text, layout), with a layout of Go's package time. Without a zone it is UTC.
func callTime(s *Scope, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	text, ok := args[0].(string)
	layout, ok2 := args[1].(string)
	if !ok || !ok2 {
		return nil, value.Refuse("not a time", "time takes text and a layout, not %s and %s", value.TypeName(args[0]),
			value.TypeName(args[1]))
	}
	t, err := instant.ParseLayout(text, layout, time.UTC)
	if err != nil {
		return nil, value.Refuse("not a time", "time: %v", err)
	}
	return t, nil
}

// callJSON is json(text): the value that a JSON text stands for.
func callJSON(s *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, value.Refuse("expression", "json takes text, not %s", value.TypeName(args[0]))
	}
	if err := s.Spend(workMatch * len(text)); err != nil {
		return nil, err
	}
	d, err := value.DecodeJSON([]byte(text))
	if err != nil {
		return nil, value.Refuse("not JSON", "json: the text %v", err)
	}
	return d.Value, nil
}

func callToJSON(s *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	b, err := value.AppendJSON(nil, args[0])
	if err != nil {
		return nil, err
	}
	return string(b), s.Spend(len(b))
}

func callString(s *Scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil, string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return strconv.FormatFloat(f, 'f', -1, 64), nil
		}
		return v.String(), nil
	case time.Time:
		return v.UTC().Format(value.TimeLayout), nil
	}
	if _, ok := value.Number(args[0]); ok || isText(args[0]) {
		return value.Text(args[0])
	}
	return nil, value.Refuse("expression", "string takes one value, not %s; write toJSON(…)", value.TypeName(args[0]))
}

// callInt is int(x): a number without its fraction; text is parsed.
func callInt(s *Scope, args []any) (any, error) { return rounded("int", args[0], math.Trunc) }

func callRound(s *Scope, args []any) (any, error) { return rounded("round", args[0], math.Round) }

func rounded(name string, v any, round func(float64) float64) (any, error) {
	f, err := callFloat(nil, []any{v})
	if i, ok := exact(v); ok || f == nil || err != nil {
		if ok {
			return i, nil
		}
		return nil, err
	}
	if r := round(f.(float64)); math.Abs(r) < 1<<53 {
		return int64(r), nil
	}
	return nil, value.Refuse("expression", "%s: %v is too large", name, v)
}

// exact returns v as a whole number if it is one, or text of one: float64 would lose digits.
func exact(v any) (int64, bool) {
	if text, ok := v.(string); ok {
		i, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		return i, err == nil
	}
	return value.Whole(v)
}

func callFloat(_ *Scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, value.Refuse("expression", "%s is not a number", value.Quote(v))
		}
		return f, nil
	}
	n, ok := value.Number(args[0])
	if !ok {
		return nil, value.Refuse("expression", "%s is not a number", value.TypeName(args[0]))
	}
	if i, ok := n.(int64); ok {
		return float64(i), nil
	}
	return n, nil
}

// callLen is len(x): the characters of text, the elements of a list or an object; 0 of what is
// missing.
func callLen(s *Scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return 0, nil
	case string:
		return utf8.RuneCountInString(v), s.Spend(len(v))
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return nil, value.Refuse("expression", "%s has no length", value.TypeName(args[0]))
}

func callFirst(s *Scope, args []any) (any, error) { return index(s, []any{args[0], int64(0)}) }

func callLast(s *Scope, args []any) (any, error) { return index(s, []any{args[0], int64(-1)}) }

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

func callJoin(s *Scope, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	sep, ok2 := args[1].(string)
	if !ok || !ok2 {
		return nil, value.Refuse("expression", "join takes a list and text, not %s and %s", value.TypeName(args[0]),
			value.TypeName(args[1]))
	}
	var b strings.Builder
	for i, v := range list {
		text, err := value.Text(v)
		if err != nil {
			return nil, value.Refuse("expression", "join: element %d: %v", i, err)
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text)
		if b.Len() > value.MaxText {
			return nil, tooLong("join")
		}
	}
	return b.String(), s.Spend(b.Len() + workVisit*len(list))
}

func tooLong(name string) error {
	return value.Refuse("too large", "%s gives more than %d bytes", name, value.MaxText)
}

func callSplit(s *Scope, args []any) (any, error) {
	text, sep, missing, err := twoTexts("split", args)
	if missing || err != nil {
		return nil, err
	}
	parts := strings.SplitN(text, sep, MaxItems+1)
	if len(parts) > MaxItems {
		return nil, value.Refuse("too large", "split gives more than %d parts", MaxItems)
	}
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, s.Spend(len(text) + workVisit*len(list))
}

func callReplace(s *Scope, args []any) (any, error) {
	if slices.Contains(args, nil) {
		return nil, nil
	}
	var t [3]string
	for i, v := range args {
		var ok bool
		if t[i], ok = v.(string); !ok {
			return nil, value.Refuse("expression", "replace takes text, not %s", value.TypeName(v))
		}
	}
	if size := int64(len(t[0])) + int64(strings.Count(t[0], t[1]))*int64(max(0, len(t[2])-len(t[1]))); size > value.MaxText {
		return nil, tooLong("replace")
	}
	result := strings.ReplaceAll(t[0], t[1], t[2])
	return result, s.Spend(len(t[0]) + len(result))
}

func textFunction(name string, f func(string) string) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		switch v := args[0].(type) {
		case nil:
			return nil, nil
		case string:
			return f(v), s.Spend(len(v))
		}
		return nil, value.Refuse("expression", "%s takes text, not %s", name, value.TypeName(args[0]))
	}
}

func textPair(name string, f func(a, b string) any) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		a, b, missing, err := twoTexts(name, args)
		if missing || err != nil {
			return nil, err
		}
		return f(a, b), s.Spend(len(a) + len(b))
	}
}

// textTest makes a test of two texts; it is false when one is missing.
func textTest(name string, f func(a, b string) bool) func(*Scope, []any) (any, error) {
	test := textPair(name, func(a, b string) any { return f(a, b) })
	return func(s *Scope, args []any) (any, error) {
		v, err := test(s, args)
		if v == nil && err == nil {
			v = false
		}
		return v, err
	}
}

func twoTexts(name string, args []any) (a, b string, missing bool, err error) {
	if args[0] == nil || args[1] == nil {
		return "", "", true, nil
	}
	a, ok := args[0].(string)
	b, ok2 := args[1].(string)
	if !ok || !ok2 {
		err = value.Refuse("expression", "%s takes two texts, not %s and %s", name, value.TypeName(args[0]), value.TypeName(args[1]))
	}
	return a, b, false, err
}
