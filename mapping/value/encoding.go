package value

import "unicode/utf8"

// Bounds of what is decoded.
const (
	MaxPayload = 1 << 20 // bytes
	MaxDepth   = 64      // how deep objects and lists may nest
)

// An Encoding is a way in which a payload encodes a value: what the key payload of a rule names. To
// add one, add an entry to Encodings.
type Encoding struct {
	Name  string
	Takes func(size int) bool // whether rules of this encoding are for payloads of so many bytes
	Text  bool                // the value is always text

	// Decode returns the value; an error is a *Refusal of the payload. nil: rules do not see the
	// payload.
	Decode func(payload []byte) (Document, error)
}

// A Document is a decoded payload.
type Document struct {
	Value any
	Raw   string // its JSON text; "" where the payload is not JSON
}

// Encodings returns all encodings; the first is the default.
func Encodings() []*Encoding {
	return []*Encoding{
		{Name: "json", Takes: someBytes, Decode: decodePayload(DecodeJSON)},
		{Name: "text", Takes: someBytes, Decode: decodePayload(decodeText), Text: true},
		{Name: "empty", Takes: func(size int) bool { return size == 0 }},
		{Name: "ignore", Takes: func(int) bool { return true }},
	}
}

func someBytes(size int) bool { return size > 0 }

// decodePayload makes a Decode of a decoder whose refusals are predicates, such as "is not JSON".
func decodePayload(decode func([]byte) (Document, error)) func([]byte) (Document, error) {
	return func(payload []byte) (Document, error) {
		d, err := decode(payload)
		if err == nil {
			return d, nil
		}
		reason := "the payload " + err.Error()
		if r, ok := err.(*Refusal); ok && r.hint != "" {
			reason += " (payload: " + r.hint + ")"
		}
		return Document{}, &Refusal{Kind: KindOf(err), Reason: reason, Payload: true}
	}
}

func decodeText(payload []byte) (Document, error) {
	if err := checkBytes(payload); err != nil {
		return Document{}, err
	}
	return Document{Value: string(payload)}, nil
}

func checkBytes(text []byte) error {
	if len(text) > MaxPayload {
		return Refuse("too large", "is %d bytes; at most %d are decoded", len(text), MaxPayload)
	}
	if !utf8.Valid(text) {
		return &Refusal{Kind: "not UTF-8", Reason: "is not UTF-8 text", hint: "ignore does not look at it"}
	}
	return nil
}
