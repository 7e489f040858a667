package contract

import (
	"bytes"
	"encoding/binary"
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
	b = append(b, `"________-____-____-____-____________"`...)
	return b, lowerUUID((*[idLength]byte)(b[len(b)-1-idLength:]), (*[idLength]byte)(s.Bytes))
}

// lowerUUID copies the digits of a UUID, with letters in lower case; false if it is none.
func lowerUUID(to, from *[idLength]byte) bool {
	le := binary.LittleEndian
	w0, ok0 := lowerHex(le.Uint64(from[0:]))
	w1, ok1 := lowerHex(uint64(le.Uint32(from[9:])) | uint64(le.Uint32(from[14:]))<<32)
	w2, ok2 := lowerHex(uint64(le.Uint32(from[19:])) | uint64(le.Uint32(from[24:]))<<32)
	w3, ok3 := lowerHex(le.Uint64(from[28:]))
	le.PutUint64(to[0:], w0)
	le.PutUint32(to[9:], uint32(w1))
	le.PutUint32(to[14:], uint32(w1>>32))
	le.PutUint32(to[19:], uint32(w2))
	le.PutUint32(to[24:], uint32(w2>>32))
	le.PutUint64(to[28:], w3)
	return ok0 && ok1 && ok2 && ok3 && from[8] == '-' && from[13] == '-' && from[18] == '-' && from[23] == '-'
}

// lowerHex returns eight hexadecimal digits in lower case; false if one of them is none. It looks at
// all of them at once: the highest bit of each byte says what is true of it.
func lowerHex(x uint64) (lower uint64, ok bool) {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	lower = x | 0x20*ones // digits stay
	digit := ((lower | highs) - '0'*ones) &^ ((lower | highs) - ('9'+1)*ones)
	letter := ((lower | highs) - 'a'*ones) &^ ((lower | highs) - ('f'+1)*ones)
	printed := (x | highs) - '0'*ones // or the bit of the lower case has made a digit of it
	return lower, (digit|letter)&printed&^x&highs == highs
}

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
			return appendPlain(b, text), true
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
