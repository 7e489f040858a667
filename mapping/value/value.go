// Package value is a kit for the values that rules work on, from the bytes of a payload to JSON
// text.
//
// A Tape finds the values of a JSON text where they stand, as Spans; DecodeJSON makes all of them.
//
// A value is nil, bool, string, Bytes, int64, int, float64, json.Number (a number that these cannot
// hold, or whose text they would lose, as of 1.0), time.Time, []any, or map[string]any;
// map[string]string may stand for the latter. Whatever is missing is nil. Decoding never panics and
// is bounded, by MaxPayload and MaxDepth; encoding is bounded by MaxText. What cannot be done is a
// *Refusal, whose Kind is safe to log and whose Reason may quote the value.
package value

import (
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"
)

// Bytes are binary data, such as a byte string of CBOR. They are taken as text wherever text is
// wanted and they are UTF-8; in JSON they are base64 text.
type Bytes string

// String returns v as a Go string where it is text, or Bytes that are UTF-8.
func String(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case Bytes:
		return string(v), utf8.ValidString(string(v))
	}
	return "", false
}

// TypeName names the type of a value for people, as in "a list".
func TypeName(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case Bytes:
		return "bytes"
	case bool:
		return "true or false"
	case map[string]any, map[string]string:
		return "an object"
	case []any, []string:
		return "a list"
	case time.Time:
		return "a time"
	}
	return "a number"
}

// A Step leads from a value to a part of it: to the member Key of an object, or to the element
// Index of a list.
type Step struct {
	Key     string
	Index   int
	IsIndex bool
}

// Of returns the part of v that the step leads to; nil where v has no such part.
func (st Step) Of(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if !st.IsIndex {
			return v[st.Key]
		}
	case map[string]string:
		if text, ok := v[st.Key]; ok && !st.IsIndex {
			return text
		}
	case []any:
		if st.IsIndex {
			return Element(v, st.Index)
		}
	}
	return nil
}

// String returns the step as it is written behind what it leads from: .key, ["a key"] or [0].
func (st Step) String() string {
	switch {
	case st.IsIndex:
		return "[" + strconv.Itoa(st.Index) + "]"
	case nameForm.MatchString(st.Key):
		return "." + st.Key
	}
	return "[" + strconv.Quote(st.Key) + "]"
}

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Element returns the element of the list, counted from its end where index is negative; nil where
// there is none.
func Element(list []any, index int) any {
	if index < 0 {
		index += len(list)
	}
	if index < 0 || index >= len(list) {
		return nil
	}
	return list[index]
}
