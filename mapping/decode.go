package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth   = 64      // how deep objects and lists may nest
	maxPayload = 1 << 20 // bytes of a payload that is decoded
)

// A payloadKind is what a rule's key payload may say. Another encoding is another entry of payloadKinds.
type payloadKind struct {
	name   string
	takes  func(size int) bool                    // the sizes of payload that rules of this kind are for
	decode func(payload []byte) (document, error) // nil: rules of this kind do not see the payload
	text   bool                                   // the document is always text
}

// A document is a decoded payload.
type document struct {
	value any
	raw   string // its JSON text; "" where the payload is no JSON
}

func someBytes(size int) bool { return size > 0 }

// payloadKinds returns what payload: may say; the first is the default.
func payloadKinds() []*payloadKind {
	return []*payloadKind{
		{name: "json", takes: someBytes, decode: decodeJSON},
		{name: "text", takes: someBytes, decode: decodeText, text: true},
		{name: "empty", takes: func(size int) bool { return size == 0 }},
		{name: "ignore", takes: func(int) bool { return true }},
	}
}

func checkBytes(payload []byte) error {
	if len(payload) > maxPayload {
		return refuse("too large", "the payload is %d bytes; %d are the most that is decoded", len(payload), maxPayload)
	}
	if !utf8.Valid(payload) {
		return refuse("not UTF-8", "the payload is not UTF-8 text (payload: ignore does not look at it)")
	}
	return nil
}

func decodeText(payload []byte) (document, error) {
	if err := checkBytes(payload); err != nil {
		return document{}, err
	}
	return document{value: string(payload)}, nil
}

// decodeJSON decodes one JSON value: objects as map[string]any, lists as []any, numbers as int64 where they are whole and fit,
// as float64 where they have a fraction or an exponent, and as json.Number where neither can hold them.
func decodeJSON(payload []byte) (document, error) {
	if err := checkBytes(payload); err != nil {
		return document{}, err
	}
	if !json.Valid(payload) {
		return document{}, notJSON(payload)
	}
	raw := strings.Trim(string(payload), " \t\r\n")
	r := jsonReader{text: raw}
	value, err := r.value(0)
	return document{value: value, raw: raw}, err
}

func notJSON(payload []byte) error {
	err := json.Unmarshal(payload, new(json.RawMessage))
	var se *json.SyntaxError
	if errors.As(err, &se) && se.Offset > 1 {
		return refuse("not JSON", "the payload is not JSON: %v, at byte %d of %d", err, se.Offset, len(payload))
	}
	return refuse("not JSON", "the payload is not JSON: %v (payload: text would take it as it is)", err)
}

// A jsonReader reads values out of text that json.Valid has accepted; so it need not look for syntax errors. Strings of the
// value are parts of the text where they hold no escape.
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

// more is called within an object or a list: it steps over a comma, or over the closing byte and then returns false.
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
	if depth > maxDepth {
		return nil, refuse("too deep", "the payload nests deeper than %d levels", maxDepth)
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
			return nil, refuse("duplicate key", "the payload has the key %s twice in one object", quote(key))
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
	return jsonNumber(r.text[start:r.pos])
}

// jsonNumber returns the number that the JSON text stands for.
func jsonNumber(text string) any {
	if strings.ContainsAny(text, ".eE") {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	} else if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	return json.Number(text)
}

// skip steps over the next value and returns its text.
func (r *jsonReader) skip() string {
	c := r.skipSpace()
	start := r.pos
	switch c {
	case '"':
		r.skipString()
	case '{', '[':
		r.skipNested()
	default:
		for r.pos < len(r.text) && strings.IndexByte(",]} \t\r\n", r.text[r.pos]) < 0 {
			r.pos++
		}
	}
	return r.text[start:r.pos]
}

func (r *jsonReader) skipNested() {
	for depth := 0; ; {
		switch r.text[r.pos] {
		case '"':
			r.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if r.pos++; depth == 0 {
			return
		}
	}
}

// rawAt returns the text of the value at the steps within the JSON text, which has been decoded before; false when it has
// no such value.
func rawAt(text string, steps []step) (string, bool) {
	for _, st := range steps {
		r := jsonReader{text: text}
		opening := r.skipSpace()
		r.pos++
		found := false
		switch {
		case opening == '{' && !st.isIndex:
			text, found = r.member(st.key)
		case opening == '[' && st.isIndex:
			text, found = r.element(st.index)
		}
		if !found {
			return "", false
		}
	}
	return text, true
}

func (r *jsonReader) member(key string) (string, bool) {
	for r.more('}') {
		r.skipSpace()
		same := r.str() == key
		r.skipSpace()
		r.pos++ // the colon
		if text := r.skip(); same {
			return text, true
		}
	}
	return "", false
}

func (r *jsonReader) element(index int) (string, bool) {
	if index < 0 {
		return "", false
	}
	for ; r.more(']'); index-- {
		if text := r.skip(); index == 0 {
			return text, true
		}
	}
	return "", false
}

// rawElements returns the texts of the elements of a list.
func rawElements(text string) []string {
	r := jsonReader{text: text}
	r.skipSpace()
	r.pos++
	var elements []string
	for r.more(']') {
		elements = append(elements, r.skip())
	}
	return elements
}

// A refusal says why a value, a payload or an evaluation was refused. The kind names no value of the event.
type refusal struct {
	kind    string
	reason  string
	payload bool // it is the payload that was refused, whoever looked at it
}

func (e *refusal) Error() string { return e.reason }

func refuse(kind, format string, args ...any) error {
	return &refusal{kind: kind, reason: fmt.Sprintf(format, args...)}
}

// quote returns s in quotes, cut to a length that people read.
func quote(s string) string {
	const most = 80 // bytes
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut] + "…")
}
