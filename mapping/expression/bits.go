package expression

import (
	"encoding/json"
	"slices"
	"strconv"

	"mqtt-stomp-bridge/mapping/value"
)

// bitFunctions are those of expr by the same names, on whole numbers of 64 bits.
func bitFunctions() []function {
	// The second lets a fraction pass that may be whole, such as 2 ** 3; the call checks it.
	two := signature(new(func(int, int) int), new(func(float64, float64) int))
	one := signature(new(func(int) int), new(func(float64) int))
	shiftLeft := func(a bits64, n int64) bits64 { return bits64{a.n << n, a.unsigned} }
	return []function{
		{name: "bitand", types: two, call: bitwise("bitand", func(a, b uint64) uint64 { return a & b }),
			doc: Doc{"bitand(a, b) bitor(a, b) bitxor(a, b)", "whole numbers bit by bit; `bitand(a, 4) != 0` asks for one bit", `bitand(payload.no, 0x05)`, `5`}},
		{name: "bitor", types: two, call: bitwise("bitor", func(a, b uint64) uint64 { return a | b })},
		{name: "bitxor", types: two, call: bitwise("bitxor", func(a, b uint64) uint64 { return a ^ b })},
		{name: "bitnot", types: one, call: callBitNot,
			doc: Doc{"bitnot(a)", "every bit of a whole number turned over", `bitand(payload.no, bitnot(2))`, `5`}},
		{name: "bitshl", types: two, call: shifting("bitshl", shiftLeft),
			doc: Doc{"bitshl(a, n) bitshr(a, n)", "the bits of a whole number n places, 0 to 63, to the left or to the right, which keeps the sign", `bitand(bitshr(payload.no, 1), 1)`, `1`}},
		{name: "bitshr", types: two, call: shifting("bitshr", shiftRight)},
	}
}

// bits64 are a whole number. Those that no int64 holds, as of uint64be, are unsigned.
type bits64 struct {
	n        uint64
	unsigned bool
}

// value returns the number that the bits are.
func (b bits64) value() any {
	if b.unsigned {
		return unsigned(b.n)
	}
	return int64(b.n)
}

func bitsOf(name string, v any) (bits64, error) {
	if i, ok := value.Whole(v); ok {
		return bits64{n: uint64(i)}, nil
	}
	if n, ok := v.(json.Number); ok {
		if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
			return bits64{u, true}, nil
		}
	}
	return bits64{}, value.Refuse("expression", "%s takes whole numbers of 64 bits, not %s; write int(…)", name, described(v))
}

func bitwise(name string, operate func(a, b uint64) uint64) func(*Scope, []any) (any, error) {
	return func(_ *Scope, args []any) (any, error) {
		if slices.Contains(args, nil) {
			return nil, nil
		}
		a, err := bitsOf(name, args[0])
		if err != nil {
			return nil, err
		}
		b, err := bitsOf(name, args[1])
		if err != nil {
			return nil, err
		}
		return bits64{operate(a.n, b.n), a.unsigned || b.unsigned}.value(), nil
	}
}

func callBitNot(_ *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	a, err := bitsOf("bitnot", args[0])
	if err != nil {
		return nil, err
	}
	return bits64{^a.n, a.unsigned}.value(), nil
}

func shiftRight(a bits64, n int64) bits64 {
	if a.unsigned {
		return bits64{a.n >> n, true}
	}
	return bits64{n: uint64(int64(a.n) >> n)}
}

func shifting(name string, shift func(a bits64, n int64) bits64) func(*Scope, []any) (any, error) {
	return func(_ *Scope, args []any) (any, error) {
		if slices.Contains(args, nil) {
			return nil, nil
		}
		a, err := bitsOf(name, args[0])
		if err != nil {
			return nil, err
		}
		n, ok := value.Whole(args[1])
		if !ok || n < 0 || n > 63 {
			return nil, value.Refuse("expression", "%s: the places are a whole number from 0 to 63, not %s", name, described(args[1]))
		}
		return shift(a, n).value(), nil
	}
}
