package value

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// MaxText is the most bytes that a text may grow to.
const MaxText = 1 << 20

// AppendJSON appends the JSON text of v: keys sorted, no HTML escapes, whole numbers exact.
func AppendJSON(b []byte, v any) ([]byte, error) { return appendJSON(b, v, nil) }

// appendJSON appends v as AppendJSON does; those of its parts whose texts are known, as they are.
func appendJSON(b []byte, v any, texts *Texts) ([]byte, error) {
	if len(b) > MaxText {
		return b, Refuse("too large", "the JSON text is longer than %d bytes", MaxText)
	}
	if text, ok := texts.Of(v); ok {
		return append(b, text...), nil
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return AppendText(b, v), nil
	case Bytes:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), []byte(v)), '"'), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case json.Number:
		return append(b, v...), nil
	case float64:
		return appendFloat(b, v)
	case time.Time:
		return AppendTime(b, v), nil
	case []any:
		return appendList(b, v, texts)
	case map[string]any:
		return appendObject(b, v, texts)
	}
	return b, Refuse("not JSON", "%s has no JSON text", TypeName(v))
}

func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, Refuse("not JSON", "%v has no JSON text", f)
	}
	text, err := json.Marshal(f)
	return append(b, text...), err
}

func appendList(b []byte, list []any, texts *Texts) ([]byte, error) {
	var err error
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, v, texts); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, object map[string]any, texts *Texts) ([]byte, error) {
	var err error
	b = append(b, '{')
	for i, k := range sortedKeys(object) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendText(b, k), ':')
		if b, err = appendJSON(b, object[k], texts); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// TimeLayout is the document's yyyy-MM-dd'T'HH:mm:ss.SSSZ, in UTC.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// AppendTime appends t as a JSON string in TimeLayout.
func AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return append(t.AppendFormat(append(b, '"'), TimeLayout), '"')
	}
	hour, minute, second := t.Clock()
	milli := t.Nanosecond() / 1e6
	return append(b, '"',
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-', digit(int(month)/10), digit(int(month)), '-', digit(day/10), digit(day), 'T',
		digit(hour/10), digit(hour), ':', digit(minute/10), digit(minute), ':', digit(second/10), digit(second),
		'.', digit(milli/100), digit(milli/10), digit(milli), 'Z', '"')
}

// digit returns the last digit of i.
func digit(i int) byte { return '0' + byte(i%10) }

// asItIs are the bytes that stand for themselves in a JSON string.
var asItIs = func() (is [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// AppendText appends s as a JSON string, escaping no more than JSON and JavaScript need; what is
// not UTF-8 becomes U+FFFD.
func AppendText[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0 // of what has not been appended yet
	for i := 0; i < len(s); {
		c := s[i]
		if asItIs[c] {
			for i++; i < len(s) && asItIs[s[i]]; {
				i++
			}
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
		}
		b = appendEscape(append(b, s[start:i]...), r)
		i += size
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// appendEscape appends the escape of a character below U+10000.
func appendEscape(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
