package contract

import (
	"bytes"
	"strings"

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

// spanUUID takes UUIDs as they are mostly written.
func spanUUID(b []byte, s value.Span) ([]byte, bool) {
	const dashes = "........-....-....-....-............"
	if !s.Text() || len(s.Bytes) != len(dashes) {
		return b, false
	}
	b = append(b, '"')
	for i, c := range s.Bytes {
		if dashes[i] != '-' {
			c = hexDigit[c]
		}
		if c == 0 || dashes[i] == '-' && c != '-' {
			return b, false
		}
		b = append(b, c)
	}
	return append(b, '"'), true
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
	t, ok := instant.ParseUTC(s.Bytes)
	if n, whole := s.Whole(); whole {
		t, ok = instant.Epoch(n)
	} else if !s.Text() {
		return b, false
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
		if bytes.EqualFold(s.Bytes, []byte(text)) {
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
