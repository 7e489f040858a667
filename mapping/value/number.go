package value

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
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

// JSONNumber returns the number that the JSON text stands for.
func JSONNumber(text string) any {
	if strings.ContainsAny(text, ".eE") {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	} else if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	return json.Number(text)
}
