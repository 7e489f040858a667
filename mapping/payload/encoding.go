// Package payload turns the bytes of an event's payload into a value.
//
// The bytes are hostile: a decoder never panics, and before it takes memory it checks what the
// payload claims against the bytes that are there, value.MaxDepth and maxValues. What it refuses is
// a *value.Refusal of the payload.
package payload

import "mqtt-stomp-bridge/mapping/value"

// An Encoding is a way in which a payload encodes a value: what the key payload of a rule names.
type Encoding struct {
	Name  string              // as a rule writes it, with its options
	Takes func(size int) bool // whether rules of this encoding are for payloads of so many bytes
	Types value.Types         // what the value can be
	JSON  bool                // a payload that is JSON is the value that it is as JSON

	// Decode returns the value; an error is a *value.Refusal of the payload. nil: rules do not see
	// the payload.
	Decode func(payload []byte) (value.Document, error)
}

// Default is the name of the encoding of rules that name none.
const Default = "json"

// Named returns the encodings that need nothing but their name.
func Named() []*Encoding {
	return []*Encoding{
		alsoJSON(decoded(Default, value.AnyType, value.DecodeJSON)),
		decoded("text", value.TypeText, decodeText),
		{Name: "empty", Takes: func(size int) bool { return size == 0 }},
		{Name: "ignore", Takes: func(int) bool { return true }},
		alsoJSON(decoded("auto", value.AnyType, decodeAuto)),
		decoded("form", value.TypeObject, decodeForm),
		decoded("cbor", value.AnyType, decodeCBOR),
		decoded("msgpack", value.AnyType, decodeMessagePack),
		CSV{Comma: ','}.Encoding(),
		decoded("bytes", value.AnyType, decodeBytes), // AnyType: text, where they are UTF-8
	}
}

// LenientJSON returns the encoding {json: lenient}.
func LenientJSON() *Encoding {
	return alsoJSON(decoded("{json: lenient}", value.AnyType, value.DecodeLenientJSON))
}

func alsoJSON(e *Encoding) *Encoding {
	e.JSON = true
	return e
}

// decoded returns the encoding of payloads of at least one byte. Refusals of decode are predicates,
// such as "is not JSON".
func decoded(name string, types value.Types, decode func([]byte) (value.Document, error)) *Encoding {
	return &Encoding{
		Name:  name,
		Takes: func(size int) bool { return size > 0 },
		Types: types,
		Decode: func(payload []byte) (value.Document, error) {
			d, err := decode(payload)
			if err != nil {
				return value.Document{}, value.OfPayload(err)
			}
			return d, nil
		},
	}
}

func decodeText(payload []byte) (value.Document, error) {
	if err := value.CheckText(payload); err != nil {
		return value.Document{}, err
	}
	return value.Document{Value: string(value.WithoutMark(payload))}, nil
}

// decodeBytes takes the payload as it is.
func decodeBytes(payload []byte) (value.Document, error) {
	if err := value.CheckSize(payload); err != nil {
		return value.Document{}, err
	}
	return value.Document{Value: value.Bytes(payload)}, nil
}

// decodeAuto takes JSON for JSON, and anything else for text.
func decodeAuto(payload []byte) (value.Document, error) {
	d, err := value.DecodeJSON(payload)
	if err != nil && value.KindOf(err) == "not JSON" {
		return decodeText(payload)
	}
	return d, err
}
