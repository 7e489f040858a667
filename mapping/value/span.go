package value

import (
	"unicode/utf16"
	"unicode/utf8"
)

// A Span is a value as it stands in a JSON text, or a text beside one, of which nothing has been
// made yet. The zero value is no value.
type Span struct {
	Kind  Kind
	Bytes []byte // which are not the span's own
}

// A Kind says what a span is.
type Kind uint8

// The kinds, with what the bytes of each are.
const (
	KindNone    Kind = iota
	KindNull         // null
	KindPlain        // text, which needs no escapes as JSON
	KindText         // text
	KindEscaped      // a text's JSON, without the quotes
	KindNumber       // JSON
	KindBool         // JSON
	KindList         // JSON
	KindObject       // JSON
)

// Missing reports whether the span is none, or null.
func (s Span) Missing() bool { return s.Kind <= KindNull }

// Text reports whether the span is a text, whose bytes are the text itself.
func (s Span) Text() bool { return s.Kind == KindPlain || s.Kind == KindText }

// Nested reports whether the span is a list or an object.
func (s Span) Nested() bool { return s.Kind >= KindList }

// Unescaped returns the span; of an escaped one its text, for which it uses the space of *b.
func (s Span) Unescaped(b *[]byte) Span {
	if s.Kind != KindEscaped {
		return s
	}
	*b = appendUnescaped((*b)[:0], s.Bytes)
	return Span{KindText, *b}
}

// Digits reports whether the span is a number of digits alone, which is the text of what is decoded
// from it.
func (s Span) Digits() bool {
	if s.Kind != KindNumber {
		return false
	}
	for _, c := range s.Bytes {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// Whole returns the whole number that the span is, if it is one of digits alone.
func (s Span) Whole() (n int64, ok bool) {
	const most = 18 // digits, which an int64 always holds
	if s.Kind != KindNumber || len(s.Bytes) > most {
		return 0, false
	}
	for _, c := range s.Bytes {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// AppendJSON appends the JSON text of the span: of lists and objects as it stands there, of all else
// as AppendJSON has it.
func (s Span) AppendJSON(b []byte) []byte {
	switch s.Kind {
	case KindNone:
		return append(b, "null"...)
	case KindPlain:
		return append(append(append(b, '"'), s.Bytes...), '"')
	case KindText:
		return AppendText(b, s.Bytes)
	case KindEscaped:
		return AppendText(b, appendUnescaped(nil, s.Bytes))
	case KindNumber:
		if string(s.Bytes) == "-0" { // decoded as a whole number
			return append(b, '0')
		}
	}
	return append(b, s.Bytes...)
}

// Raw returns the JSON text of a span on a tape, as it stands there.
func (s Span) Raw() string {
	switch s.Kind {
	case KindPlain, KindText, KindEscaped:
		return `"` + string(s.Bytes) + `"`
	}
	return string(s.Bytes)
}

// Value returns the value of a span that is neither a list nor an object.
func (s Span) Value() any {
	switch s.Kind {
	case KindPlain, KindText:
		return string(s.Bytes)
	case KindEscaped:
		return string(appendUnescaped(nil, s.Bytes))
	case KindNumber:
		return JSONNumber(string(s.Bytes))
	case KindBool:
		return s.Bytes[0] == 't'
	}
	return nil
}

// appendUnescaped appends the text of valid JSON that stands between quotes. Half a surrogate pair
// becomes U+FFFD, as in encoding/json.
func appendUnescaped(b, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c != '\\' {
			b = append(b, c)
			i++
			continue
		}
		i += len(`\n`)
		switch c = s[i-1]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, size := unescapedRune(s[i-len(`\u`):])
			b = utf8.AppendRune(b, r)
			i += size - len(`\u`)
		default:
			b = append(b, c)
		}
	}
	return b
}

// unescapedRune returns the character with whose \u or pair of them the text begins, and their length.
func unescapedRune(s []byte) (rune, int) {
	r := hexRune(s)
	if utf16.IsSurrogate(r) {
		if pair := utf16.DecodeRune(r, hexRune(s[len(`\u0000`):])); pair != utf8.RuneError {
			return pair, 2 * len(`\u0000`)
		}
		r = utf8.RuneError
	}
	return r, len(`\u0000`)
}

// hexRune returns what the \u at the beginning of s stands for; utf8.RuneError where there is none.
func hexRune(s []byte) (r rune) {
	if len(s) < len(`\u0000`) || s[0] != '\\' || s[1] != 'u' {
		return utf8.RuneError
	}
	for _, c := range s[2:6] {
		r = r<<4 | rune(c&15)
		if c > '9' {
			r += 9 // letters of either case end in 1 to 6
		}
	}
	return r
}
