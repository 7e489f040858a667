package expression

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"mqtt-stomp-bridge/mapping/value"
)

func byteFunctions() []function {
	text := signature(new(func(any) string))
	return append([]function{
		{name: "bytes", types: signature(new(func(any) any)), call: callBytes,
			doc: Doc{"bytes(x)", "the bytes of a text, or of a list of numbers from 0 to 255: `len` and `[0:4]` then count bytes", `len(bytes("Ö"))`, `2`}},
		{name: "fromBase64", types: signature(new(func(string) any)), call: decoding("fromBase64", "base64", 3, 4, fromBase64),
			doc: Doc{"fromBase64(text)", "what the base64 text stands for: text where it is UTF-8, bytes otherwise. Both alphabets are read, with padding or without", `fromBase64("SGk=")`, `"Hi"`}},
		{name: "toBase64", types: text, call: encoding("toBase64", 4, 3, base64.StdEncoding.EncodeToString),
			doc: Doc{"toBase64(x)", "the base64 text of a text or bytes", `toBase64("Hi")`, `"SGk="`}},
		{name: "fromHex", types: signature(new(func(string) any)), call: decoding("fromHex", "hexadecimal", 1, 2, hex.DecodeString),
			doc: Doc{"fromHex(text)", "what the hexadecimal text stands for: text where it is UTF-8, bytes otherwise", `fromHex("4869")`, `"Hi"`}},
		{name: "toHex", types: text, call: encoding("toHex", 2, 1, hex.EncodeToString),
			doc: Doc{"toHex(x)", "the hexadecimal text of a text or bytes", `toHex(fromBase64(payload.data))`, `"0102c0a80001"`}},
	}, numberReaders()...)
}

// callBytes is bytes(x).
func callBytes(s *Scope, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil, value.Bytes:
		return v, nil
	case string:
		return value.Bytes(v), s.Spend(len(v))
	case []any:
		if err := s.spendVisit(v); err != nil {
			return nil, err
		}
		b := make([]byte, len(v))
		for i, e := range v {
			n, ok := value.Whole(e)
			if !ok || n < 0 || n > 255 {
				return nil, value.Refuse("expression", "bytes: element %d is not a whole number from 0 to 255", i)
			}
			b[i] = byte(n)
		}
		return value.Bytes(b), nil
	}
	return nil, refuseType("bytes", "text, bytes or a list of numbers", args[0])
}

func fromBase64(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=\r\n")
	if strings.ContainsAny(text, "-_") {
		return base64.RawURLEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}

// decoding makes a function from text in the named encoding, of which units of `of` characters hold
// `gives` bytes.
func decoding(name, encoding string, gives, of int, decode func(string) ([]byte, error)) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		text, ok := value.String(args[0])
		if !ok {
			return nil, refuseType(name, "text", args[0])
		}
		if len(text)/of*gives > value.MaxText {
			return nil, tooLong(name)
		}
		if err := s.Spend(2 * len(text)); err != nil {
			return nil, err
		}
		b, err := decode(text)
		if err != nil {
			return nil, value.Refuse("expression", "%s: %s is not %s", name, value.Quote(text), encoding)
		}
		if utf8.Valid(b) {
			return string(b), nil
		}
		return value.Bytes(b), nil
	}
}

// encoding makes a function to text, of which units of `of` bytes need `needs` characters.
func encoding(name string, needs, of int, encode func([]byte) string) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		b, err := bytesOf(name, args[0])
		if err != nil {
			return nil, err
		}
		if (len(b)/of+1)*needs > value.MaxText {
			return nil, tooLong(name)
		}
		return encode([]byte(b)), s.Spend(3 * len(b))
	}
}

// bytesOf returns the bytes of text or bytes.
func bytesOf(name string, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case value.Bytes:
		return string(v), nil
	}
	return "", refuseType(name, "bytes or text", v)
}

// numberReaders are uint16be(b, i) and the like: numbers out of bytes.
func numberReaders() []function {
	be, le := binary.BigEndian, binary.LittleEndian
	whole := signature(new(func(any, int) int))
	fraction := signature(new(func(any, int) float64))
	family := []function{
		{name: "uint8", types: whole, call: numberAt("uint8", 1, func(b []byte) any { return int64(b[0]) })},
		{name: "int8", types: whole, call: numberAt("int8", 1, func(b []byte) any { return int64(int8(b[0])) })},
	}
	for _, o := range []struct {
		name  string
		order binary.ByteOrder
	}{{"be", be}, {"le", le}} {
		order := o.order
		for _, r := range []struct {
			name  string
			types []any
			size  int
			read  func(b []byte) any
		}{
			{"uint16", whole, 2, func(b []byte) any { return int64(order.Uint16(b)) }},
			{"int16", whole, 2, func(b []byte) any { return int64(int16(order.Uint16(b))) }},
			{"uint32", whole, 4, func(b []byte) any { return int64(order.Uint32(b)) }},
			{"int32", whole, 4, func(b []byte) any { return int64(int32(order.Uint32(b))) }},
			{"uint64", whole, 8, func(b []byte) any { return unsigned(order.Uint64(b)) }},
			{"int64", whole, 8, func(b []byte) any { return int64(order.Uint64(b)) }},
			{"float32", fraction, 4, func(b []byte) any { return float64(math.Float32frombits(order.Uint32(b))) }},
			{"float64", fraction, 8, func(b []byte) any { return math.Float64frombits(order.Uint64(b)) }},
		} {
			name := r.name + o.name
			family = append(family, function{name: name, types: r.types, call: numberAt(name, r.size, r.read)})
		}
	}
	names := make([]string, len(family))
	for i, f := range family {
		names[i] = f.name
	}
	family[0].doc = Doc{strings.Join(names, "(b, i) ") + "(b, i)",
		"the number in bytes or a text, from byte i (counted from 0) on, big-endian or little-endian; nil where they are too short",
		`uint16be(fromBase64(payload.data), 4)`, `1`}
	return family
}

// unsigned returns n as a number of rules, which have no larger ones than an int64 but as digits.
func unsigned(n uint64) any {
	if n > math.MaxInt64 {
		return json.Number(strconv.FormatUint(n, 10))
	}
	return int64(n)
}

// numberAt makes a function that reads a number of size bytes at an offset, which counts from the
// end where it is negative.
func numberAt(name string, size int, read func(b []byte) any) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		if args[0] == nil || args[1] == nil {
			return nil, nil
		}
		b, err := bytesOf(name, args[0])
		if err != nil {
			return nil, err
		}
		i, ok := value.Whole(args[1])
		if !ok {
			return nil, value.Refuse("expression", "%s: the offset is a whole number, not %s", name, described(args[1]))
		}
		if i < 0 {
			i += int64(len(b))
		}
		if i < 0 || i > int64(len(b)-size) {
			s.missed(miss{text: fmt.Sprintf("%d bytes have no %s at %v", len(b), name, described(args[1]))})
			return nil, nil
		}
		v := read([]byte(b[i : int(i)+size]))
		if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			s.missed(miss{text: fmt.Sprintf("the %s at %d is not a number", name, i)})
			return nil, nil
		}
		return v, nil
	}
}
