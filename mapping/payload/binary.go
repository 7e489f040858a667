package payload

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping/value"
)

// maxValues is how many values a payload holds at most, lists and objects and their keys included.
// A few bytes of a binary encoding may stand for an object of some hundred: this bounds the memory.
const maxValues = 1 << 17

func tooMany() error {
	return value.Refuse("too many values", "holds more than %d values", maxValues)
}

// maxBits is how many bits a whole number has at most: writing its digits takes long.
const maxBits = 4096

// A misfit is a part of a payload that cannot be a value.
type misfit struct {
	kind, reason string
	back         []value.Step // the way to the part, from its end
}

func (m *misfit) Error() string { return m.reason }

func misfitOf(kind, reason string) error { return &misfit{kind: kind, reason: reason} }

// in adds to an error of a part the step that leads to it.
func in(step value.Step, err error) error {
	if m, ok := errors.AsType[*misfit](err); ok {
		m.back = append(m.back, step)
	}
	return err
}

// refused returns the refusal that a misfit is: "holds … at a.b[0]".
func refused(err error) error {
	m, ok := errors.AsType[*misfit](err)
	if !ok {
		return err
	}
	if len(m.back) == 0 {
		return value.Refuse(m.kind, "holds %s", strings.TrimSuffix(m.reason, ","))
	}
	slices.Reverse(m.back)
	return value.Refuse(m.kind, "holds %s at %s", m.reason, value.At(m.back))
}

// number returns a float as a value. What 32 bits hold exactly, and is not whole, was most likely
// written with few digits: it is taken for these, so that 21.3 does not become 21.299999237060547.
func number(f float64) (any, error) {
	switch {
	case math.IsNaN(f):
		return nil, misfitOf("not a number", "NaN, which JSON does not have,")
	case math.IsInf(f, 0):
		return nil, misfitOf("not a number", "an infinite number, which JSON does not have,")
	case f != math.Trunc(f) && float64(float32(f)) == f:
		return strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	}
	return f, nil
}

// unsigned returns a whole number as a value.
func unsigned(n uint64) any {
	if n <= math.MaxInt64 {
		return int64(n)
	}
	return json.Number(strconv.FormatUint(n, 10))
}

func bigNumber(n *big.Int) (any, error) {
	switch {
	case n.IsInt64():
		return n.Int64(), nil
	case n.BitLen() > maxBits:
		return nil, misfitOf("too large", "a whole number of "+strconv.Itoa(n.BitLen())+" bits")
	}
	return json.Number(n.String()), nil
}

// checkedTime returns a time as a value; the zero time is none.
func checkedTime(t time.Time) (any, error) {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return nil, misfitOf("not a time", "a time that is none")
	}
	return t, nil
}

// keyOf returns the key of an object that a decoded key stands for: text, or the digits of a whole
// number.
func keyOf(key any) (string, error) {
	text, err := value.Text(key)
	if err != nil {
		return "", misfitOf("not a key", "a key that is neither text nor a whole number")
	}
	return text, nil
}

// put adds a member to the object.
func put(object map[string]any, key string, v any) error {
	if _, twice := object[key]; twice {
		return misfitOf("duplicate key", "the key "+value.Quote(key)+" twice in one object")
	}
	object[key] = v
	return nil
}
