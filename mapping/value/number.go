package value

import (
	"encoding/json"
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
	if n, ok := Number(v); ok {
		if i, ok := n.(int64); ok {
			return strconv.FormatInt(i, 10), nil
		}
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
