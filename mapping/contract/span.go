package contract

import (
	"bytes"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping/instant"
	"mqtt-stomp-bridge/mapping/value"
)

// AppendSpan appends what Append appends for the value of the span, where that can be told from its
// bytes. Otherwise it returns b and false, and Append must take the value.
func (f *Field) AppendSpan(b []byte, s value.Span) ([]byte, bool) {
	longer, ok := f.Target.span(append(b, f.before...), s)
	if !ok || f.Optional && f.empty(longer[len(b):]) {
		return b, ok
	}
	return longer, true
}

// spanUUID takes UUIDs as they are mostly written: 8-4-4-4-12 digits.
func spanUUID(b []byte, s value.Span) ([]byte, bool) {
	if !s.Text() || len(s.Bytes) != idLength {
		return b, false
	}
	b = append(append(append(b, '"'), s.Bytes...), '"')
	id := b[len(b)-1-idLength : len(b)-1]
	ok := id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' &&
		lowerHex(id[0:8]) && lowerHex(id[9:13]) && lowerHex(id[14:18]) && lowerHex(id[19:23]) && lowerHex(id[24:])
	return b, ok
}

// lowerHex makes the digits lower case; false where one is none.
func lowerHex(digits []byte) bool {
	for i, c := range digits {
		if digits[i] = hexDigit[c]; digits[i] == 0 {
			return false
		}
	}
	return true
}

// hexDigit is the lower case of a hexadecimal digit; 0: it is none.
var hexDigit = func() (lower [256]byte) {
	for _, c := range []byte("0123456789abcdef") {
		lower[c], lower[strings.ToUpper(string(c))[0]] = c, c
	}
	return lower
}()

// spanTime takes whole numbers, and times in UTC.
func spanTime(b []byte, s value.Span) ([]byte, bool) {
	var t time.Time
	var ok bool
	if s.Text() {
		t, ok = instant.ParseUTC(s.Bytes)
	} else if n, whole := s.Whole(); whole {
		t, ok = instant.Epoch(n)
	}
	if !ok {
		return b, false
	}
	return value.AppendTime(b, t), true
}

// spanCount takes digits that are what is sent.
func spanCount(b []byte, s value.Span) ([]byte, bool) {
	if s.Text() && (len(s.Bytes) == 1 || len(s.Bytes) > 1 && s.Bytes[0] != '0') {
		s.Kind = value.KindNumber
	}
	if _, ok := s.Whole(); !ok {
		return b, false
	}
	return append(b, s.Bytes...), true
}

// span takes the values in any letter case.
func (e enumeration) span(b []byte, s value.Span) ([]byte, bool) {
	if !s.Text() {
		return b, false
	}
	for _, text := range e {
		if string(s.Bytes) == text || bytes.EqualFold(s.Bytes, []byte(text)) {
			return value.AppendText(b, text), true
		}
	}
	return b, false
}

// spanText takes texts, and numbers of digits.
func spanText(b []byte, s value.Span) ([]byte, bool) {
	switch {
	case s.Text():
		return s.AppendJSON(b), true
	case s.Digits():
		return append(append(append(b, '"'), s.Bytes...), '"'), true
	}
	return b, false
}

// spanContent takes all but lists and objects, whose texts a rule may send in another way.
func spanContent(b []byte, s value.Span) ([]byte, bool) {
	switch {
	case s.Text():
		return s.AppendJSON(b), true
	case s.Kind == value.KindNumber, s.Kind == value.KindBool:
		return append(s.AppendJSON(append(b, '"')), '"'), true
	}
	return b, false
}
