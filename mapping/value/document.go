package value

import (
	"strings"
	"unicode/utf8"
)

// Bounds of what is decoded.
const (
	MaxPayload = 1 << 20 // bytes
	MaxDepth   = 64      // how deep objects and lists may nest
)

// A Document is a decoded payload.
type Document struct {
	Value any
	Raw   string // its JSON text; "" where the payload is not JSON
}

// WithoutMark returns the text without a byte order mark at its beginning, which some programs
// write and no format needs.
func WithoutMark(text []byte) []byte {
	if len(text) >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF {
		return text[3:]
	}
	return text
}

// CheckText refuses what is too large to be decoded, or not UTF-8.
func CheckText(text []byte) error {
	if err := CheckSize(text); err != nil {
		return err
	}
	if !utf8.Valid(text) {
		return &Refusal{Kind: "not UTF-8", Reason: "is not UTF-8 text", hint: "bytes would take it as it is"}
	}
	return nil
}

// CheckSize refuses what is too large to be decoded.
func CheckSize(data []byte) error {
	if len(data) > MaxPayload {
		return Refuse("too large", "is %d bytes; at most %d are decoded", len(data), MaxPayload)
	}
	return nil
}

// OfPayload says of "the payload" what the refusal says without a subject, with what a rule could
// say instead. Any other error stays as it is.
func OfPayload(err error) error {
	r, ok := err.(*Refusal)
	if !ok {
		return err
	}
	reason := "the payload " + r.Reason
	if r.hint != "" {
		reason += " (payload: " + r.hint + ")"
	}
	return &Refusal{Kind: r.Kind, Reason: reason, Payload: true}
}

// At returns the way to a part of a value as people write it: a.b[0]; "" for the value itself.
func At(steps []Step) string {
	var b strings.Builder
	for _, st := range steps {
		b.WriteString(st.String())
	}
	return strings.TrimPrefix(b.String(), ".")
}
