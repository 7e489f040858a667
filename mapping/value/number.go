package value

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Text returns v as text where it is text or a whole number; anything else is refused.
func Text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case Bytes:
		if text, ok := String(v); ok {
			return text, nil
		}
		return "", Refuse("not text", "these %d bytes are not UTF-8 text; write toBase64(…) or toHex(…)", len(v))
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return v.String(), nil
		}
	}
	if i, ok := Whole(v); ok {
		return strconv.FormatInt(i, 10), nil
	}
	if _, ok := Number(v); ok {
		return "", Refuse("not text", "%v has a fraction or an exponent, and text takes whole numbers; write string(…) if it is meant", v)
	}
	return "", Refuse("not text", "%s is not text", TypeName(v))
}

// Number returns v as an int64 or a float64; false when it is not a number. What neither holds
// exactly becomes a float64.
func Number(v any) (any, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return v, true
	case json.Number:
		f, _ := v.Float64() // out of range: infinite
		return f, true
	}
	return nil, false
}

// Whole returns v as an int64 where it is a whole number: 1.0 is the whole number 1. A fraction that
// is too large for its digits to be exact is none.
func Whole(v any) (int64, bool) {
	n, _ := Number(v)
	switch n := n.(type) {
	case int64:
		return n, true
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n), true
		}
	}
	return 0, false
}

// Equal reports whether two values are the same: numbers by what they stand for, however they are
// written, text and bytes by their bytes, and objects and lists by what is in them.
//
// It takes from work what that costs: two for each value that it looks at, one for each byte of digits, and
// one for 16 bytes of texts. When there is none left it stops, and what it returns means
// nothing.
func Equal(a, b any, work *int) bool {
	if *work -= 2; *work < 0 {
		return false
	}
	switch x := a.(type) {
	case string:
		return equalText(x, b, work)
	case Bytes:
		return equalText(string(x), b, work)
	case int64:
		if y, ok := b.(int64); ok {
			return x == y
		}
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key, v := range x {
			if w, there := y[key]; !there || !Equal(v, w, work) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, func(a, b any) bool { return Equal(a, b, work) })
	case time.Time:
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	if m, ok := Number(a); ok {
		n, ok := Number(b)
		*work -= digits(a) + digits(b)
		return ok && equalNumbers(a, b, m, n)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false // these cannot be compared by ==
	}
	return a == b
}

func equalText(a string, b any, work *int) bool {
	text, ok := b.(string)
	if !ok {
		var bytes Bytes
		bytes, ok = b.(Bytes)
		text = string(bytes)
	}
	if !ok || len(a) != len(text) {
		return false
	}
	*work -= len(a) / 16
	return a == text
}

// digits returns how many characters have to be read for the number.
func digits(v any) int {
	n, _ := v.(json.Number)
	return len(n)
}

// equalNumbers compares the numbers m and n, which a and b stand for. Those that a float64 may not
// hold exactly must be written alike.
func equalNumbers(a, b, m, n any) bool {
	i, whole := m.(int64)
	j, whole2 := n.(int64)
	if whole && whole2 {
		return i == j
	}
	x, y := asFloat(m), asFloat(n)
	text, isText := a.(json.Number)
	text2, isText2 := b.(json.Number)
	return x == y && (!isText || !isText2 || math.Abs(x) < 1<<53 || text == text2)
}

func asFloat(n any) float64 {
	if i, ok := n.(int64); ok {
		return float64(i)
	}
	return n.(float64)
}

// Digits returns the number that the text consists of.
func Digits(text string) (any, bool) {
	if text == "" || strings.Trim(text, "0123456789.") != "" {
		return nil, false
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// JSONNumber returns the number that the JSON text stands for; the json.Number of the text where the
// JSON text of the number would be another.
func JSONNumber(text string) any {
	if strings.ContainsAny(text, ".eE") {
		if f, err := strconv.ParseFloat(text, 64); err == nil && plain(text) {
			return f
		}
	} else if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	return json.Number(text)
}

// plain reports whether the JSON text of a number with a fraction is surely the one of its float64:
// of those there is one text of at most 15 digits, if neither an exponent nor an end of zeros is
// another way to write it.
func plain(text string) bool {
	const mostDigits = 15
	digits := strings.TrimPrefix(text, "-")
	return len(digits) <= mostDigits+len(".") && digits[len(digits)-1] != '0' && !strings.ContainsAny(digits, "eE") &&
		!strings.HasPrefix(digits, "0.00000")
}
