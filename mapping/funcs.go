package mapping

import (
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/vm/runtime"
	"github.com/google/uuid"
)

// A function can be called in an expression. Every one that sees data of an event is our own: it takes nil for what is
// missing and gives nil for it, charges its work, and refuses with words that a rule's author understands.
type function struct {
	name  string
	types []any // pointers to functions: the signatures for the check at load
	call  func(s *scope, args []any) (any, error)
}

// functions returns what rules may call besides the predicates.
func functions() []function {
	text := signature(new(func(string) string))
	return []function{
		{"uuid", signature(new(func(any, any) string)), callUUID},
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
		{"upper", text, texts(strings.ToUpper)},
		{"lower", text, texts(strings.ToLower)},
		{"trim", text, texts(strings.TrimSpace)},
		{"trimPrefix", signature(new(func(string, string) string)), textPair("trimPrefix", func(a, b string) any { return strings.TrimPrefix(a, b) })},
		{"trimSuffix", signature(new(func(string, string) string)), textPair("trimSuffix", func(a, b string) any { return strings.TrimSuffix(a, b) })},
		{"hasPrefix", signature(new(func(string, string) bool)), textTest("hasPrefix", strings.HasPrefix)},
		{"hasSuffix", signature(new(func(string, string) bool)), textTest("hasSuffix", strings.HasSuffix)},
	}
}

func signature(f ...any) []any { return f }

// predicates are the built-ins of the engine that go through a list with a condition.
func predicates() []string {
	return []string{"all", "any", "none", "one", "filter", "map", "find", "count"}
}

// namespace is the root of all UUIDs that rules derive: version 5 of "mqtt-stomp-bridge" in the DNS namespace. Every id
// that rules have derived depends on it, so it never changes.
var namespace = uuid.MustParse("b25c2350-6db9-5ae4-b32f-5cf70c033f37")

// callUUID is uuid(kind, id): the UUID of version 5 of the id in the namespace of its kind.
func callUUID(s *scope, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	space, ok := args[0].(uuid.UUID) // worked out at load
	if !ok {
		kind, err := toText(args[0])
		if err != nil {
			return nil, refuse("expression", "uuid: the kind of id: %v", err)
		}
		space = kindSpace(kind)
	}
	id, err := toText(args[1])
	if err != nil {
		return nil, refuse("expression", "uuid: the id: %v", err)
	}
	if id == "" {
		return nil, refuse("expression", "uuid: the id is empty")
	}
	return uuid.NewSHA1(space, []byte(id)).String(), s.spend(len(id))
}

// kindSpace returns the namespace of the ids of one kind.
func kindSpace(kind string) uuid.UUID { return uuid.NewSHA1(namespace, []byte(kind)) }

// callTime is time(text, layout), the layout in Go's manner; without a zone in it, UTC.
func callTime(s *scope, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	text, ok := args[0].(string)
	layout, ok2 := args[1].(string)
	if !ok || !ok2 {
		return nil, refuse("not a time", "time takes text and a layout, not %s and %s", typeName(args[0]), typeName(args[1]))
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return nil, refuse("not a time", "time: %s does not have the layout %s", quote(text), quote(layout))
	}
	return t, nil
}

// callJSON is json(text): the value that a JSON text stands for.
func callJSON(s *scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, refuse("expression", "json takes text, not %s", typeName(args[0]))
	}
	if err := s.spend(workMatch * len(text)); err != nil {
		return nil, err
	}
	d, err := decodeJSON([]byte(text))
	if err != nil {
		return nil, refuse("not JSON", "json: %s", strings.Replace(err.Error(), "the payload", "the text", 1))
	}
	return d.value, nil
}

func callToJSON(s *scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	b, err := appendJSON(nil, args[0])
	if err != nil {
		return nil, err
	}
	return string(b), s.spend(len(b))
}

func callString(s *scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil, string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return v.String(), nil
	case time.Time:
		return v.UTC().Format(timeLayout), nil
	}
	if _, ok := number(args[0]); ok {
		return toText(args[0])
	}
	return nil, refuse("expression", "string takes no %s; write toJSON(…)", strings.TrimPrefix(typeName(args[0]), "an "))
}

// callInt is int(x): a number without its fraction, also from digits in text.
func callInt(s *scope, args []any) (any, error) { return rounded("int", args[0], math.Trunc) }

func callRound(s *scope, args []any) (any, error) { return rounded("round", args[0], math.Round) }

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
	return nil, refuse("expression", "%s: %v is too large", name, v)
}

// exact returns v as a whole number where it is one, also as text.
func exact(v any) (int64, bool) {
	if text, ok := v.(string); ok {
		i, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		return i, err == nil
	}
	n, _ := number(v)
	i, ok := n.(int64)
	return i, ok
}

func callFloat(_ *scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, refuse("expression", "%s is no number", quote(v))
		}
		return f, nil
	}
	n, ok := number(args[0])
	if !ok {
		return nil, refuse("expression", "%s is no number", typeName(args[0]))
	}
	if i, ok := n.(int64); ok {
		return float64(i), nil
	}
	return n, nil
}

// callLen is len(x): of text its characters, of what is missing 0.
func callLen(s *scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return 0, nil
	case string:
		return utf8.RuneCountInString(v), s.spend(len(v))
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return nil, refuse("expression", "%s has no length", typeName(args[0]))
}

func callFirst(s *scope, args []any) (any, error) { return index(s, []any{args[0], int64(0)}) }

func callLast(s *scope, args []any) (any, error) { return index(s, []any{args[0], int64(-1)}) }

func callKeys(s *scope, args []any) (any, error) {
	return members(s, args[0], func(key string, _ any) any { return key })
}

func callValues(s *scope, args []any) (any, error) {
	return members(s, args[0], func(_ string, value any) any { return value })
}

// members makes a list of the members of an object, in the order of their keys.
func members(s *scope, v any, pick func(key string, value any) any) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		if v == nil {
			return nil, nil
		}
		return nil, refuse("expression", "%s has no keys", typeName(v))
	}
	list := make([]any, 0, len(object))
	for _, k := range sortedKeys(object) {
		list = append(list, pick(k, object[k]))
	}
	return list, s.spend(workVisit * len(list))
}

func callJoin(s *scope, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	sep, ok2 := args[1].(string)
	if !ok || !ok2 {
		return nil, refuse("expression", "join takes a list and text, not %s and %s", typeName(args[0]), typeName(args[1]))
	}
	var b strings.Builder
	for i, v := range list {
		text, err := toText(v)
		if err != nil {
			return nil, refuse("expression", "join: element %d: %v", i, err)
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text)
		if b.Len() > maxText {
			return nil, tooLong("join")
		}
	}
	return b.String(), s.spend(b.Len() + workVisit*len(list))
}

func tooLong(name string) error {
	return refuse("too large", "%s gives more than %d bytes", name, maxText)
}

func callSplit(s *scope, args []any) (any, error) {
	text, sep, missing, err := twoTexts("split", args)
	if missing || err != nil {
		return nil, err
	}
	parts := strings.SplitN(text, sep, maxItems+1)
	if len(parts) > maxItems {
		return nil, refuse("too large", "split gives more than %d parts", maxItems)
	}
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, s.spend(len(text) + workVisit*len(list))
}

func callReplace(s *scope, args []any) (any, error) {
	if slices.Contains(args, nil) {
		return nil, nil
	}
	var t [3]string
	for i, v := range args {
		var ok bool
		if t[i], ok = v.(string); !ok {
			return nil, refuse("expression", "replace takes text, not %s", typeName(v))
		}
	}
	if size := len(t[0]) + strings.Count(t[0], t[1])*max(0, len(t[2])-len(t[1])); size > maxText {
		return nil, tooLong("replace")
	}
	result := strings.ReplaceAll(t[0], t[1], t[2])
	return result, s.spend(len(t[0]) + len(result))
}

// texts makes a function of one text.
func texts(f func(string) string) func(*scope, []any) (any, error) {
	return func(s *scope, args []any) (any, error) {
		switch v := args[0].(type) {
		case nil:
			return nil, nil
		case string:
			return f(v), s.spend(len(v))
		}
		return nil, refuse("expression", "this function takes text, not %s", typeName(args[0]))
	}
}

// textPair makes a function of two texts.
func textPair(name string, f func(a, b string) any) func(*scope, []any) (any, error) {
	return func(s *scope, args []any) (any, error) {
		a, b, missing, err := twoTexts(name, args)
		if missing || err != nil {
			return nil, err
		}
		return f(a, b), s.spend(len(a) + len(b))
	}
}

// textTest makes a test of two texts; it is false when one is missing.
func textTest(name string, f func(a, b string) bool) func(*scope, []any) (any, error) {
	test := textPair(name, func(a, b string) any { return f(a, b) })
	return func(s *scope, args []any) (any, error) {
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
		err = refuse("expression", "%s takes two texts, not %s and %s", name, typeName(args[0]), typeName(args[1]))
	}
	return a, b, false, err
}

// operators returns the functions that stand for the operators of an expression; rules cannot name them.
func operators() []function {
	return []function{
		{"$read", nil, func(s *scope, args []any) (any, error) { return s.read(args[0].(*path)) }},
		{"$table", nil, lookup},
		{"$index", nil, index},
		{"$slice", nil, slice},
		{"$list", nil, goThrough},
		{"$bool", nil, func(_ *scope, args []any) (any, error) { return truth(args[0]) }},
		{"==", nil, func(s *scope, args []any) (any, error) { return equal(s, args[0], args[1]) }},
		{"!=", nil, func(s *scope, args []any) (any, error) {
			same, err := equal(s, args[0], args[1])
			return !same, err
		}},
		{"in", nil, in},
		{"matches", nil, matches},
		{"contains", nil, textTest("contains", strings.Contains)},
		{"startsWith", nil, textTest("startsWith", strings.HasPrefix)},
		{"endsWith", nil, textTest("endsWith", strings.HasSuffix)},
		{"<", nil, order("<", func(c int) bool { return c < 0 })},
		{"<=", nil, order("<=", func(c int) bool { return c <= 0 })},
		{">", nil, order(">", func(c int) bool { return c > 0 })},
		{">=", nil, order(">=", func(c int) bool { return c >= 0 })},
		{"+", nil, add},
		{"-", nil, arithmetic("-", subtractInts, func(a, b float64) float64 { return a - b })},
		{"*", nil, arithmetic("*", multiplyInts, func(a, b float64) float64 { return a * b })},
		{"/", nil, arithmetic("/", nil, func(a, b float64) float64 { return a / b })},
		{"%", nil, arithmetic("%", remainder, math.Mod)},
		{"**", nil, arithmetic("**", nil, math.Pow)},
		{"^", nil, arithmetic("^", nil, math.Pow)},
	}
}

// lookup is table.NAME[key].
func lookup(s *scope, args []any) (any, error) {
	table := args[0].(*path)
	if args[1] == nil {
		return nil, nil
	}
	key, err := callString(s, args[1:])
	if err != nil {
		return nil, refuse("expression", "%s takes text as a key, not %s", table.name, typeName(args[1]))
	}
	v, ok := table.table[key.(string)]
	if !ok {
		s.missed(miss{table: table.name, key: key.(string)})
		return nil, nil
	}
	return v, nil
}

// index is v[i] and v.name for what is not a fixed path; nil where there is no such thing.
func index(_ *scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case map[string]any:
		if key, ok := args[1].(string); ok {
			return v[key], nil
		}
	case []any:
		if i, ok := exact(args[1]); ok {
			return element(v, int(max(math.MinInt32, min(i, math.MaxInt32)))), nil
		}
	}
	return nil, nil
}

// slice is v[from:to] of text, by characters, and of lists.
func slice(s *scope, args []any) (any, error) {
	size, err := callLen(s, args)
	if err != nil || args[0] == nil {
		return nil, err
	}
	from, to := 0, size.(int)
	for i, bound := range []*int{&from, &to} {
		if args[i+1] == nil {
			continue
		}
		n, ok := exact(args[i+1])
		if !ok {
			return nil, refuse("expression", "[from:to] takes whole numbers, not %s", typeName(args[i+1]))
		}
		if n < 0 {
			n += int64(size.(int))
		}
		*bound = int(max(0, min(n, int64(size.(int)))))
	}
	from = min(from, to)
	switch v := args[0].(type) {
	case string:
		return string([]rune(v)[from:to]), nil
	case []any:
		return v[from:to:to], nil
	}
	return nil, refuse("expression", "[from:to] takes text or a list, not %s", typeName(args[0]))
}

// goThrough gives the list that a predicate goes through; what is missing has no elements.
func goThrough(s *scope, args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok && args[0] != nil {
		return nil, refuse("expression", "%s goes through a list, not %s", args[1], typeName(args[0]))
	}
	if len(list) > maxItems {
		return nil, refuse("too large", "%s goes through %d elements; %d are the most", args[1], len(list), maxItems)
	}
	return list, s.spend(workVisit * len(list))
}

// truth gives the condition that v is; what is missing is false.
func truth(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok && v != nil {
		return false, refuse("not a condition", "%s stands where true or false is wanted", typeName(v))
	}
	return b, nil
}

func equal(s *scope, a, b any) (bool, error) {
	if nested(a) && nested(b) {
		if err := s.spend(len(s.event.Payload)); err != nil {
			return false, err
		}
		return reflect.DeepEqual(a, b), nil
	}
	if x, ok := a.(string); ok {
		y, ok := b.(string)
		return ok && x == y, nil
	}
	return runtime.Equal(a, b), nil
}

func nested(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

// in is a in b: an element of a list, or a key of an object or a table.
func in(s *scope, args []any) (any, error) {
	switch b := args[1].(type) {
	case nil:
		return false, nil
	case map[string]any:
		key, ok := args[0].(string)
		_, there := b[key]
		return ok && there, nil
	case []any:
		if err := s.spend(len(b)); err != nil {
			return nil, err
		}
		for _, v := range b {
			if same, err := equal(s, v, args[0]); same || err != nil {
				return same, err
			}
		}
		return false, nil
	}
	return nil, refuse("expression", "in takes a list or an object, not %s", typeName(args[1]))
}

func matches(s *scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil:
		return false, nil
	case string:
		if err := s.spend(workMatch * len(v)); err != nil {
			return nil, err
		}
		return args[1].(*regexp.Regexp).MatchString(v), nil
	}
	return nil, refuse("expression", "matches takes text, not %s", typeName(args[0]))
}

// order makes one of the comparisons.
func order(name string, holds func(c int) bool) func(*scope, []any) (any, error) {
	return func(_ *scope, args []any) (any, error) {
		if c, ok := compare(args[0], args[1]); ok {
			return holds(c), nil
		}
		return nil, refuse("expression", "%s compares two numbers, texts or times, not %s and %s", name, typeName(args[0]), typeName(args[1]))
	}
}

func compare(a, b any) (int, bool) {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return strings.Compare(x, y), ok
	case time.Time:
		y, ok := b.(time.Time)
		return x.Compare(y), ok
	}
	m, ok := number(a)
	n, ok2 := number(b)
	if !ok || !ok2 {
		return 0, false
	}
	i, whole := m.(int64)
	j, whole2 := n.(int64)
	if whole && whole2 {
		return cmpInt(i, j), true
	}
	x, y := toFloat(m), toFloat(n)
	switch {
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

func cmpInt(i, j int64) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}

func toFloat(n any) float64 {
	if i, ok := n.(int64); ok {
		return float64(i)
	}
	return n.(float64)
}

// add is a + b of texts and of numbers.
func add(s *scope, args []any) (any, error) {
	a, ok := args[0].(string)
	b, ok2 := args[1].(string)
	if !ok || !ok2 {
		return addNumbers(s, args)
	}
	if len(a)+len(b) > maxText {
		return nil, tooLong("+")
	}
	return a + b, s.spend(len(a) + len(b))
}

func addNumbers(s *scope, args []any) (any, error) {
	v, err := arithmetic("+", addInts, func(a, b float64) float64 { return a + b })(s, args)
	if err != nil && (isText(args[0]) || isText(args[1])) {
		return nil, refuse("expression", "+ joins two texts or adds two numbers, not %s and %s; write string(…)", typeName(args[0]), typeName(args[1]))
	}
	return v, err
}

func isText(v any) bool {
	_, ok := v.(string)
	return ok
}

// arithmetic makes an operation on numbers. Whole numbers stay whole and exact where whole is given.
func arithmetic(name string, whole func(a, b int64) (int64, bool), fraction func(a, b float64) float64) func(*scope, []any) (any, error) {
	return func(_ *scope, args []any) (any, error) {
		if args[0] == nil || args[1] == nil {
			return nil, nil
		}
		a, ok := number(args[0])
		b, ok2 := number(args[1])
		if !ok || !ok2 {
			return nil, refuse("expression", "%s takes two numbers, not %s and %s", name, typeName(args[0]), typeName(args[1]))
		}
		i, isWhole := a.(int64)
		j, isWhole2 := b.(int64)
		if whole != nil && isWhole && isWhole2 {
			if n, ok := whole(i, j); ok {
				return n, nil
			}
		} else if f := fraction(toFloat(a), toFloat(b)); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
		return nil, refuse("expression", "%s has no number as its result", name)
	}
}

func addInts(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0)
}

func subtractInts(a, b int64) (int64, bool) {
	c := a - b
	return c, (c < a) == (b > 0)
}

func multiplyInts(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	c := a * b
	return c, c/b == a && (a != -1 || b != math.MinInt64) && (b != -1 || a != math.MinInt64)
}

func remainder(a, b int64) (int64, bool) {
	if b == 0 || b == -1 {
		return 0, b != 0
	}
	return a % b, true
}
