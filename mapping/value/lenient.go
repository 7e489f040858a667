package value

import (
	"bytes"
	"encoding/json"
)

// DecodeLenientJSON is DecodeJSON for texts that hold what JSON does not allow and devices send all
// the same: NaN and Infinity in the ways that programs write them, which become null, comments
// (// and /* */), and a comma behind the last element. The Raw of the document is JSON: as it came,
// but for these.
func DecodeLenientJSON(text []byte) (Document, error) {
	if err := CheckText(text); err != nil {
		return Document{}, err
	}
	if text = WithoutMark(text); !json.Valid(text) {
		text = relaxed(text)
	}
	return DecodeJSON(text)
}

// relaxed returns the text with what DecodeLenientJSON allows replaced by what JSON has for it:
// comments and commas by spaces, numbers that are none by null. Strings and all other bytes stay.
func relaxed(text []byte) []byte {
	r := relaxer{in: text, out: make([]byte, 0, len(text)), comma: -1}
	for r.pos < len(r.in) {
		r.step()
	}
	return r.out
}

// A relaxer copies a text that is nearly JSON.
type relaxer struct {
	in, out []byte
	pos     int // in in
	comma   int // in out: of the last comma, if nothing but space has come behind it; otherwise -1
}

func (r *relaxer) step() {
	switch c := r.in[r.pos]; {
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		r.copy(1)
	case c == '/' && r.comment():
	case c == '"':
		r.copy(stringLength(r.in[r.pos:]))
		r.comma = -1
	case c == ',':
		r.comma = len(r.out)
		r.copy(1)
	case c == '}' || c == ']':
		if r.comma > 0 && r.closes(r.out[:r.comma]) {
			r.out[r.comma] = ' '
		}
		r.copy(1)
		r.comma = -1
	default:
		r.word()
		r.comma = -1
	}
}

// closes reports whether a comma behind the text stands behind an element: [,] stays a mistake.
func (r *relaxer) closes(text []byte) bool {
	text = bytes.TrimRight(text, " \t\r\n")
	return len(text) > 0 && bytes.IndexByte([]byte("[{,:"), text[len(text)-1]) < 0
}

func (r *relaxer) copy(n int) {
	r.out = append(r.out, r.in[r.pos:r.pos+n]...)
	r.pos += n
}

// comment puts spaces for a comment; false where there is none.
func (r *relaxer) comment() bool {
	rest, n := r.in[r.pos:], 0
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		if n = bytes.IndexByte(rest, '\n'); n < 0 {
			n = len(rest)
		}
	case bytes.HasPrefix(rest, []byte("/*")):
		if n = bytes.Index(rest[2:], []byte("*/")); n < 0 {
			return false
		}
		n += len("/**/")
	default:
		return false
	}
	for range n {
		r.out = append(r.out, ' ')
	}
	r.pos += n
	return true
}

// stringLength returns how long the string is with which the text begins; all of it where the
// string has no end.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// word copies a word, or another byte that is no part of one.
func (r *relaxer) word() {
	n := 0
	for r.pos+n < len(r.in) && isWord(r.in[r.pos+n]) {
		n++
	}
	if word := r.in[r.pos : r.pos+n]; n <= len("-infinity") && notNumber.Match(word) {
		r.out = append(r.out, "null"...)
		r.pos += n
		return
	}
	r.copy(max(n, 1))
}
