package mapping

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
)

// maxText is the most bytes that an expression or a content may grow to.
const maxText = 1 << 20

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// appendJSON appends the JSON text of a value of an expression: keys sorted, no HTML escapes, whole numbers exact.
func appendJSON(b []byte, v any) ([]byte, error) {
	if len(b) > maxText {
		return b, refuse("too large", "the JSON text is longer than %d bytes", maxText)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendText(b, v), nil
	case int:
		return appendInt(b, int64(v)), nil
	case int64:
		return appendInt(b, v), nil
	case json.Number:
		return append(b, v...), nil
	case float64:
		return appendFloat(b, v)
	case time.Time:
		return appendTime(b, v), nil
	case []any:
		return appendList(b, v)
	case map[string]any:
		return appendObject(b, v)
	}
	return b, refuse("not JSON", "%s has no JSON text", typeName(v))
}

func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, refuse("not JSON", "%v has no JSON text", f)
	}
	text, err := json.Marshal(f)
	return append(b, text...), err
}

func appendList(b []byte, list []any) ([]byte, error) {
	var err error
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, v); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, object map[string]any) ([]byte, error) {
	var err error
	b = append(b, '{')
	for i, k := range sortedKeys(object) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, k), ':')
		if b, err = appendJSON(b, object[k]); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
