package expression

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"mqtt-stomp-bridge/mapping/value"
)

func numberFunctions() []function {
	number := signature(new(func(any) any))
	return []function{
		{name: "int", types: signature(new(func(any) int)), call: callInt,
			doc: Doc{"int(x)", "the whole number of a number or a text, without its fraction", `int("0042")`, `42`}},
		{name: "float", types: signature(new(func(any) float64)), call: callFloat,
			doc: Doc{"float(x)", "the number of a number or a text", `float("2.50")`, `2.5`}},
		{name: "round", types: signature(new(func(any) int)), call: rounding("round", math.Round),
			doc: Doc{"round(x)", "the nearest whole number; to keep decimals, `format(\"%.1f\", x)`", `round(2.5)`, `3`}},
		{name: "floor", types: signature(new(func(any) int)), call: rounding("floor", math.Floor),
			doc: Doc{"floor(x)", "the next whole number below", `floor(-2.5)`, `-3`}},
		{name: "ceil", types: signature(new(func(any) int)), call: rounding("ceil", math.Ceil),
			doc: Doc{"ceil(x)", "the next whole number above", `ceil(2.1)`, `3`}},
		{name: "abs", types: number, call: callAbs,
			doc: Doc{"abs(x)", "the number without its sign", `abs(3 - payload.no)`, `4`}},
		{name: "min", types: signature(new(func(any, ...any) any)), call: extreme("min", -1),
			doc: Doc{"min(a, b, …)", "the smallest of numbers, or of a list of them", `min(payload.no, 5)`, `5`}},
		{name: "max", types: signature(new(func(any, ...any) any)), call: extreme("max", 1),
			doc: Doc{"max(a, b, …)", "the largest of numbers, or of a list of them", `max([3, payload.no, 5])`, `7`}},
		{name: "sum", types: signature(new(func([]any) any)), call: callSum,
			doc: Doc{"sum(list)", "the sum of the numbers of a list", `sum(map(payload.items, .id))`, `3`}},
	}
}

// callInt is int(x): a number without its fraction; text is parsed.
func callInt(_ *Scope, args []any) (any, error) { return rounded("int", args[0], math.Trunc) }

func rounding(name string, round func(float64) float64) func(*Scope, []any) (any, error) {
	return func(_ *Scope, args []any) (any, error) { return rounded(name, args[0], round) }
}

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
	if text, ok := value.String(v); ok {
		i, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		return i, err == nil
	}
	return value.Whole(v)
}

func callFloat(_ *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	if text, ok := value.String(args[0]); ok {
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, value.Refuse("expression", "%s is not a number", value.Quote(text))
		}
		return f, nil
	}
	n, ok := value.Number(args[0])
	switch {
	case isTime(args[0]):
		return nil, value.Refuse("expression", "a time is not a number; write seconds(…)")
	case !ok:
		return nil, value.Refuse("expression", "%s is not a number", value.TypeName(args[0]))
	}
	return toFloat(n), nil
}

func callAbs(_ *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	n, ok := value.Number(args[0])
	if !ok {
		return nil, refuseType("abs", "a number", args[0])
	}
	if i, ok := n.(int64); ok && i != math.MinInt64 {
		return max(i, -i), nil
	}
	return math.Abs(toFloat(n)), nil
}

// extreme makes min, for which a better number compares less, and max.
func extreme(name string, better int) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		if list, ok := args[0].([]any); ok && len(args) == 1 {
			args = list
		}
		if err := s.spendVisit(args); err != nil {
			return nil, err
		}
		if slices.Contains(args, nil) || len(args) == 0 {
			return nil, nil
		}
		best := args[0]
		for _, v := range args {
			n, ok := value.Number(v)
			if !ok {
				return nil, refuseType(name, "numbers", v)
			}
			if c, _ := compare(n, best); c == better {
				best = n
			}
		}
		return best, nil
	}
}

func callSum(s *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	if !ok {
		return nil, refuseType("sum", "a list of numbers", args[0])
	}
	if err := s.spendVisit(list); err != nil {
		return nil, err
	}
	var sum any = int64(0)
	for i, v := range list {
		if _, ok := value.Number(v); !ok {
			return nil, value.Refuse("expression", "sum: element %d is %s, not a number", i, value.TypeName(v))
		}
		var err error
		if sum, err = addNumbers(s, []any{sum, v}); err != nil {
			return nil, err
		}
	}
	return sum, nil
}
