package payload

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"mqtt-stomp-bridge/mapping/value"
)

// maxMessages is how deep messages may nest on the wire: a google.protobuf.Struct needs three of
// them for one level of objects.
const maxMessages = 3 * value.MaxDepth

// A protobuf decodes messages of one type.
type protobuf struct {
	message protoreflect.MessageDescriptor
}

// decode decodes a message: the object of its fields by their names in the .proto file. Bytes are
// base64 text, enumerations the name of the value, or its number where it has no name. A field
// that is not there is left out where the sender can leave it out, and otherwise has its default.
// Unknown fields are skipped.
func (p protobuf) decode(payload []byte) (value.Document, error) {
	if err := value.CheckSize(payload); err != nil {
		return value.Document{}, err
	}
	var c fieldCounter
	if err := c.message(p.message, payload, 0); err != nil {
		return value.Document{}, p.refused(err)
	}
	m := dynamicpb.NewMessage(p.message)
	options := proto.UnmarshalOptions{AllowPartial: true, DiscardUnknown: true, Resolver: (*protoregistry.Types)(nil), RecursionLimit: maxMessages + 1}
	if err := options.Unmarshal(payload, m); err != nil {
		return value.Document{}, p.refused(err)
	}
	v, err := fromMessage(m, 0)
	return value.Document{Value: v}, refused(err)
}

// refused returns the refusal of a payload that is no message.
func (p protobuf) refused(err error) error {
	if _, ok := err.(*value.Refusal); ok {
		return err
	}
	// The library puts one of two spaces behind its name, so that nobody relies on its texts.
	reason := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
	if errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "it ends within a field"
	}
	return value.Refuse("not a message", "is not a message %s: %s", p.message.FullName(), reason)
}

// A fieldCounter counts the values that a message becomes, before there is memory for them.
type fieldCounter struct{ values int }

func (c *fieldCounter) add(n int) error {
	if c.values += n; c.values > maxValues {
		return tooMany()
	}
	return nil
}

// message counts a message: each of its fields may have a default.
func (c *fieldCounter) message(d protoreflect.MessageDescriptor, bytes []byte, depth int) error {
	if depth > maxMessages {
		return value.Refuse("too deep", "nests deeper than %d levels", value.MaxDepth)
	}
	if err := c.add(1 + d.Fields().Len()); err != nil {
		return err
	}
	for len(bytes) > 0 {
		number, kind, n := protowire.ConsumeTag(bytes)
		if n < 0 {
			return protowire.ParseError(n)
		}
		bytes = bytes[n:]
		if n = protowire.ConsumeFieldValue(number, kind, bytes); n < 0 {
			return protowire.ParseError(n)
		}
		if f := d.Fields().ByNumber(number); f != nil {
			if err := c.field(f, kind, bytes[:n], depth); err != nil {
				return err
			}
		}
		bytes = bytes[n:]
	}
	return nil
}

func (c *fieldCounter) field(f protoreflect.FieldDescriptor, kind protowire.Type, bytes []byte, depth int) error {
	switch {
	case f.ContainingMessage().IsMapEntry() && f.Number() == 1 && kind != keyType(f.Kind()):
		// The library (v1.36) panics where a member has a second key that is not of the key's type.
		return errKey
	case kind == protowire.StartGroupType && f.Message() != nil:
		body, _ := protowire.ConsumeGroup(f.Number(), bytes)
		return c.message(f.Message(), body, depth+1)
	case kind == protowire.BytesType && f.Message() != nil:
		body, _ := protowire.ConsumeBytes(bytes)
		return c.message(f.Message(), body, depth+1)
	case kind == protowire.BytesType && f.IsList():
		return c.add(max(1, packed(f.Kind(), bytes)))
	}
	return c.add(1)
}

var errKey = errors.New("a key of a map is of another type")

// keyType returns how keys of the kind are written.
func keyType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.StringKind:
		return protowire.BytesType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}

// packed returns how many elements a packed list of the kind has at most.
func packed(kind protoreflect.Kind, bytes []byte) int {
	switch kind {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return 1
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return len(bytes) / 8
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return len(bytes) / 4
	}
	n := 0
	for _, b := range bytes {
		if b < 0x80 { // the last byte of a number
			n++
		}
	}
	return n
}

// fromMessage returns the value that a message stands for.
func fromMessage(m protoreflect.Message, depth int) (any, error) {
	d := m.Descriptor()
	if depth > value.MaxDepth {
		return nil, value.Refuse("too deep", "nests deeper than %d levels", value.MaxDepth)
	}
	if strings.HasPrefix(d.ParentFile().Path(), wellKnown) {
		if v, ok, err := fromWellKnown(m, depth); ok || err != nil {
			return v, err
		}
	}
	object := map[string]any{}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.HasPresence() && !m.Has(f) {
			continue
		}
		v, err := fromField(f, m.Get(f), depth)
		if err != nil {
			return nil, in(value.Step{Key: string(f.Name())}, err)
		}
		object[string(f.Name())] = v
	}
	return object, nil
}

func fromField(f protoreflect.FieldDescriptor, v protoreflect.Value, depth int) (any, error) {
	switch {
	case f.IsList():
		return fromList(f, v.List(), depth+1)
	case f.IsMap():
		return fromMap(f.MapValue(), v.Map(), depth+1)
	}
	return fromSingle(f, v, depth+1)
}

func fromList(f protoreflect.FieldDescriptor, elements protoreflect.List, depth int) (any, error) {
	list := make([]any, elements.Len())
	for i := range list {
		var err error
		if list[i], err = fromSingle(f, elements.Get(i), depth); err != nil {
			return nil, in(value.Step{Index: i, IsIndex: true}, err)
		}
	}
	return list, nil
}

func fromMap(f protoreflect.FieldDescriptor, members protoreflect.Map, depth int) (any, error) {
	object := make(map[string]any, members.Len())
	for k, v := range members.Range {
		member, err := fromSingle(f, v, depth)
		if err != nil {
			return nil, in(value.Step{Key: k.String()}, err)
		}
		object[k.String()] = member
	}
	return object, nil
}

// fromSingle returns a field that is no list and no map, or an element of one.
func fromSingle(f protoreflect.FieldDescriptor, v protoreflect.Value, depth int) (any, error) {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return fromMessage(v.Message(), depth)
	case protoreflect.EnumKind:
		if named := f.Enum().Values().ByNumber(v.Enum()); named != nil {
			return string(named.Name()), nil
		}
		return int64(v.Enum()), nil
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(v.Bytes()), nil
	case protoreflect.StringKind:
		if !utf8.ValidString(v.String()) {
			return nil, misfitOf("not UTF-8", "text that is not UTF-8")
		}
	}
	switch v := v.Interface().(type) {
	case int32:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case uint64:
		return unsigned(v), nil
	case float32:
		return number(float64(v))
	case float64:
		return number(v)
	default: // bool, string, int64
		return v, nil
	}
}

// fromWellKnown returns the value of a message of google/protobuf that stands for something simpler
// than its fields; false for any other.
func fromWellKnown(m protoreflect.Message, depth int) (v any, ok bool, err error) {
	field := func(i int) protoreflect.FieldDescriptor { return m.Descriptor().Fields().Get(i) }
	get := func(i int) protoreflect.Value { return m.Get(field(i)) }
	switch m.Descriptor().Name() {
	case "Timestamp": // seconds, nanos
		v, err = checkedTime(time.Unix(get(0).Int(), get(1).Int()))
	case "DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue",
		"Struct", "ListValue": // value, fields, values
		v, err = fromField(field(0), get(0), depth-1)
	case "Value": // one of its fields
		f := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
		if f != nil && f.Kind() != protoreflect.EnumKind {
			v, err = fromField(f, m.Get(f), depth-1)
		}
	default:
		return nil, false, nil
	}
	return v, true, err
}
