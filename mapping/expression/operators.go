package expression

import (
	"math"
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping/value"
)

// operators returns the functions that operators are rewritten into. Rules cannot call them by
// name.
func operators() []function {
	return []function{
		{name: "$read", call: func(s *Scope, args []any) (any, error) { return s.read(args[0].(*Path)) }},
		{name: "$table", call: lookup},
		{name: "$recall", call: recall},
		{name: "$index", call: index},
		{name: "$slice", call: slice},
		{name: "$list", call: goThrough},
		{name: "$bool", call: func(_ *Scope, args []any) (any, error) { return truth(args[0]) }},
		{name: "==", call: compareValues(true)},
		{name: "!=", call: compareValues(false)},
		{name: "$is", call: compareLiteral(true)},
		{name: "$isNot", call: compareLiteral(false)},
		{name: "in", call: in},
		{name: "matches", call: matches},
		{name: "contains", call: textTest("contains", strings.Contains)},
		{name: "startsWith", call: textTest("startsWith", strings.HasPrefix)},
		{name: "endsWith", call: textTest("endsWith", strings.HasSuffix)},
		{name: "<", call: order("<", func(c int) bool { return c < 0 })},
		{name: "<=", call: order("<=", func(c int) bool { return c <= 0 })},
		{name: ">", call: order(">", func(c int) bool { return c > 0 })},
		{name: ">=", call: order(">=", func(c int) bool { return c >= 0 })},
		{name: "+", call: add},
		{name: "-", call: arithmetic("-", subtractInts, func(a, b float64) float64 { return a - b })},
		{name: "*", call: arithmetic("*", multiplyInts, func(a, b float64) float64 { return a * b })},
		{name: "/", call: arithmetic("/", nil, func(a, b float64) float64 { return a / b })},
		{name: "%", call: arithmetic("%", remainder, math.Mod)},
		{name: "**", call: arithmetic("**", nil, math.Pow)},
	}
}

// lookup is table.NAME[key].
func lookup(s *Scope, args []any) (any, error) {
	table := args[0].(*Path)
	if args[1] == nil {
		return nil, nil
	}
	key, err := callString(s, args[1:])
	if err != nil {
		return nil, value.Refuse("expression", "%s takes text as a key, not %s", table.name, value.TypeName(args[1]))
	}
	v, ok := table.entries[key.(string)]
	if !ok {
		s.missed(miss{table: table.name, key: key.(string)})
		return nil, nil
	}
	return v, nil
}

// index is v[i] and v.name where they are not a part of a fixed path.
func index(_ *Scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case map[string]any:
		if key, ok := value.String(args[1]); ok {
			return v[key], nil
		}
	case []any:
		if i, ok := exact(args[1]); ok {
			return value.Element(v, int(max(math.MinInt32, min(i, math.MaxInt32)))), nil
		}
	}
	return nil, nil
}

// slice is v[from:to] of text, by characters, and of lists.
func slice(s *Scope, args []any) (any, error) {
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
			return nil, value.Refuse("expression", "[from:to] takes whole numbers, not %s", value.TypeName(args[i+1]))
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
	case value.Bytes:
		return v[from:to], nil
	case []any:
		return v[from:to:to], nil
	}
	return nil, value.Refuse("expression", "[from:to] takes text or a list, not %s", value.TypeName(args[0]))
}

// goThrough checks the list that a predicate goes through; what is missing has no elements.
func goThrough(s *Scope, args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok && args[0] != nil {
		return nil, value.Refuse("expression", "%s goes through a list, not %s", args[1], value.TypeName(args[0]))
	}
	if len(list) > MaxItems {
		return nil, value.Refuse("too large", "%s goes through %d elements; at most %d are allowed", args[1], len(list), MaxItems)
	}
	return list, s.Spend(workVisit * len(list))
}

// thereHint is for a value that is no condition.
const thereHint = "to ask whether it is there, write … != nil"

// truth returns v as a condition; what is missing is false.
func truth(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok && v != nil {
		return false, value.Refuse("not a condition", "%s is not true or false; %s", value.TypeName(v), thereHint)
	}
	return b, nil
}

func matches(s *Scope, args []any) (any, error) {
	if args[0] == nil {
		return false, nil
	}
	text, ok := value.String(args[0])
	if !ok {
		return nil, refuseType("matches", "text", args[0])
	}
	p := args[1].(pattern)
	if err := s.Spend(p.work * len(text)); err != nil {
		return nil, err
	}
	return p.MatchString(text), nil
}

// order makes one of the comparisons.
func order(name string, holds func(c int) bool) func(*Scope, []any) (any, error) {
	return func(_ *Scope, args []any) (any, error) {
		if c, ok := compare(args[0], args[1]); ok {
			return holds(c), nil
		}
		hint := ""
		if (isTime(args[0]) || isTime(args[1])) && !slices.Contains(args, nil) {
			hint = "; write time(…)"
		}
		return nil, value.Refuse("expression", "%s compares two numbers, texts or times, not %s and %s%s", name,
			value.TypeName(args[0]), value.TypeName(args[1]), hint)
	}
}

func compare(a, b any) (int, bool) {
	if x, ok := value.String(a); ok {
		y, ok := value.String(b)
		return strings.Compare(x, y), ok
	}
	if x, ok := a.(time.Time); ok {
		y, ok := b.(time.Time)
		return x.Compare(y), ok
	}
	m, ok := value.Number(a)
	n, ok2 := value.Number(b)
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
func add(s *Scope, args []any) (any, error) {
	a, ok := value.String(args[0])
	b, ok2 := value.String(args[1])
	if !ok || !ok2 {
		return addNumbers(s, args)
	}
	if len(a)+len(b) > value.MaxText {
		return nil, tooLong("+")
	}
	return a + b, s.Spend(len(a) + len(b))
}

func addNumbers(s *Scope, args []any) (any, error) {
	v, err := arithmetic("+", addInts, func(a, b float64) float64 { return a + b })(s, args)
	if notText(args[0]) || notText(args[1]) {
		return nil, value.Refuse("expression", "+ joins two texts or adds two numbers, not %s and %s; write toHex(…) or toBase64(…)",
			value.TypeName(args[0]), value.TypeName(args[1]))
	}
	if hint := addHint(args[0], args[1]); hint != "" && err != nil {
		return nil, value.Refuse("expression", "+ joins two texts or adds two numbers, not %s and %s; write %s",
			value.TypeName(args[0]), value.TypeName(args[1]), hint)
	}
	return v, err
}

// addHint returns what to write in place of a sum of two values that are not both numbers.
func addHint(a, b any) string {
	_, aList := a.([]any)
	_, bList := b.([]any)
	_, aObject := a.(map[string]any)
	_, bObject := b.(map[string]any)
	switch {
	case aObject && bObject:
		return "merge(a, b)"
	case aList || bList:
		return "flatten([a, b])"
	case isText(a) || isText(b):
		return "string(…)"
	}
	return ""
}

// notText reports whether v is bytes that are no text.
func notText(v any) bool {
	_, ok := v.(value.Bytes)
	return ok && !isText(v)
}

func isTime(v any) bool {
	_, ok := v.(time.Time)
	return ok
}

func isText(v any) bool {
	_, ok := value.String(v)
	return ok
}

// arithmetic makes an operation on numbers. Whole numbers stay whole and exact where whole is
// given.
func arithmetic(name string, whole func(a, b int64) (int64, bool), fraction func(a, b float64) float64) func(*Scope, []any) (any, error) {
	return func(_ *Scope, args []any) (any, error) {
		if args[0] == nil || args[1] == nil {
			return nil, nil
		}
		a, ok := value.Number(args[0])
		b, ok2 := value.Number(args[1])
		if !ok || !ok2 {
			hint := ""
			if isTime(args[0]) || isTime(args[1]) {
				hint = "; write seconds(…)"
			}
			return nil, value.Refuse("expression", "%s takes two numbers, not %s and %s%s", name, value.TypeName(args[0]),
				value.TypeName(args[1]), hint)
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
		return nil, value.Refuse("expression", "%s has no numeric result", name)
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
