package value

import (
	"encoding/json"
	"strings"
)

// DecodeJSON decodes one JSON value: objects as map[string]any, lists as []any, numbers as int64
// where they are whole and fit, as float64 where they have a fraction, and as json.Number where
// neither can hold them or their text would be lost. A byte order mark before it is skipped. A
// refusal's Reason is a predicate, such as "is not JSON: …", whose subject the caller puts before
// it.
func DecodeJSON(text []byte) (Document, error) {
	if err := CheckText(text); err != nil {
		return Document{}, err
	}
	text = WithoutMark(text)
	if !json.Valid(text) {
		return Document{}, notJSON(text)
	}
	raw := strings.Trim(string(text), " \t\r\n")
	r := jsonReader{text: raw}
	value, err := r.value(0)
	return Document{Value: value, Raw: raw}, err
}

// A jsonReader reads values out of text that json.Valid has accepted; so it need not look for
// syntax errors. Strings of the value are parts of the text where they hold no escape.
type jsonReader struct {
	text string
	pos  int
}

// skipSpace goes on to the next byte that is not white space and returns it.
func (r *jsonReader) skipSpace() byte {
	for {
		switch c := r.text[r.pos]; c {
		case ' ', '\t', '\r', '\n':
			r.pos++
		default:
			return c
		}
	}
}

// more is called within an object or a list: it steps over a comma, or over the closing byte and
// then returns false.
func (r *jsonReader) more(closing byte) bool {
	switch r.skipSpace() {
	case closing:
		r.pos++
		return false
	case ',':
		r.pos++
	}
	return true
}

func (r *jsonReader) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, Refuse("too deep", "nests deeper than %d levels", MaxDepth)
	}
	switch r.skipSpace() {
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	case '"':
		return r.str(), nil
	case 't':
		r.pos += len("true")
		return true, nil
	case 'f':
		r.pos += len("false")
		return false, nil
	case 'n':
		r.pos += len("null")
		return nil, nil
	}
	return r.number(), nil
}

func (r *jsonReader) object(depth int) (any, error) {
	r.pos++
	object := map[string]any{}
	for r.more('}') {
		r.skipSpace()
		key := r.str()
		if _, twice := object[key]; twice {
			return nil, Refuse("duplicate key", "has the key %s twice in one object", Quote(key))
		}
		r.skipSpace()
		r.pos++ // the colon
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		object[key] = v
	}
	return object, nil
}

func (r *jsonReader) list(depth int) (any, error) {
	r.pos++
	list := []any{}
	if r.skipSpace(); r.text[r.pos-1] != '[' && r.text[r.pos] == ']' {
		list = make([]any, 0, 1) // an identity of its own, by which Texts finds the space in it
	}
	for r.more(']') {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// str reads a string. Half a surrogate pair becomes U+FFFD, as in encoding/json.
func (r *jsonReader) str() string {
	start := r.pos
	for r.pos++; ; r.pos++ {
		switch r.text[r.pos] {
		case '"':
			r.pos++
			return r.text[start+1 : r.pos-1]
		case '\\':
			r.pos = start
			r.skipString()
			var s string
			_ = json.Unmarshal([]byte(r.text[start:r.pos]), &s) // valid, as part of the text
			return s
		}
	}
}

func (r *jsonReader) skipString() {
	for r.pos++; r.text[r.pos] != '"'; r.pos++ {
		if r.text[r.pos] == '\\' {
			r.pos++
		}
	}
	r.pos++
}

func (r *jsonReader) number() any {
	start := r.pos
	for r.pos < len(r.text) && strings.IndexByte("+-.0123456789Ee", r.text[r.pos]) >= 0 {
		r.pos++
	}
	return JSONNumber(r.text[start:r.pos])
}
