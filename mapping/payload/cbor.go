package payload

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"mqtt-stomp-bridge/mapping/value"
)

// cborMode decodes objects whose keys are all text, as nearly all are; cborAnyKeys any others.
var cborMode, cborAnyKeys = cborModeFor(map[string]any(nil)), cborModeFor(map[any]any(nil))

func cborModeFor(object any) cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:             cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:       value.MaxDepth + 1, // it counts the outermost too
		MaxArrayElements:      maxValues,
		MaxMapPairs:           maxValues,
		MapKeyByteString:      cbor.MapKeyByteStringAllowed,
		DefaultMapType:        reflect.TypeOf(object),
		DefaultByteStringType: reflect.TypeFor[value.Bytes](),
		BigIntDec:             cbor.BigIntDecodePointer,
	}.DecMode()
	if err != nil {
		panic("payload: options of CBOR: " + err.Error())
	}
	return mode
}

// decodeCBOR decodes one item of CBOR (RFC 8949). Byte strings are Bytes, tags 0 and 1 times, 2 and
// 3 whole numbers; of any other tag only the content counts.
func decodeCBOR(payload []byte) (value.Document, error) {
	if err := value.CheckSize(payload); err != nil {
		return value.Document{}, err
	}
	if n := countCBOR(payload); n > maxValues {
		return value.Document{}, tooMany()
	}
	var v any
	err := cborMode.Unmarshal(payload, &v)
	if _, other := err.(*cbor.UnmarshalTypeError); other { // a key that is not text
		v = nil
		err = cborAnyKeys.Unmarshal(payload, &v)
	}
	if err != nil {
		return value.Document{}, notCBOR(err)
	}
	v, err = fromCBOR(v)
	return value.Document{Value: v}, refused(err)
}

// countCBOR returns how many items the payload consists of, or begins with where it is not CBOR. It
// needs no memory: an item is a head and what its length says, whatever it belongs to.
func countCBOR(payload []byte) int {
	n := 0
	for i := 0; i < len(payload); n++ {
		kind, info := payload[i]>>5, payload[i]&31
		i++
		argument := uint64(info)
		if info >= 24 && info <= 27 { // the argument is in the next 1, 2, 4 or 8 bytes
			size := 1 << (info - 24)
			argument = 0
			for _, b := range payload[i:min(i+size, len(payload))] {
				argument = argument<<8 | uint64(b)
			}
			i += size
		}
		if (kind == 2 || kind == 3) && info <= 27 { // a byte string or a text, in one piece
			if i > len(payload) || argument > uint64(len(payload)-i) {
				return n
			}
			i += int(argument)
		}
	}
	return n
}

func notCBOR(err error) error {
	switch err := err.(type) {
	case *cbor.MaxNestedLevelError:
		return value.Refuse("too deep", "nests deeper than %d levels", value.MaxDepth)
	case *cbor.MaxArrayElementsError, *cbor.MaxMapPairsError:
		return tooMany()
	case *cbor.DupMapKeyError:
		return value.Refuse("duplicate key", "has the key %s twice in one object", value.Quote(fmt.Sprint(err.Key)))
	case *cbor.InvalidMapKeyTypeError:
		return value.Refuse("not a key", "holds a key that is neither text nor a whole number")
	}
	reason := strings.TrimPrefix(err.Error(), "cbor: ")
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		reason = endsEarly
	}
	return value.Refuse("not CBOR", "is not CBOR: %s", reason)
}

// endsEarly is said of a binary payload that is not whole.
const endsEarly = "it ends within a value"

// fromCBOR returns the value that a decoded item stands for. It reuses lists and objects.
func fromCBOR(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int64, value.Bytes:
		return v, nil
	case time.Time:
		if v.IsZero() || v.Year() < 0 || v.Year() > 9999 { // the library takes NaN for the zero time
			return nil, misfitOf("not a time", "a time that is none")
		}
		return v.UTC(), nil
	case uint64:
		return unsigned(v), nil
	case float64:
		return number(v)
	case *big.Int:
		return bigNumber(v)
	case cbor.Tag:
		return fromCBOR(v.Content)
	case cbor.ByteString:
		return value.Bytes(v), nil
	case []any:
		for i := range v {
			var err error
			if v[i], err = fromCBOR(v[i]); err != nil {
				return nil, in(value.Step{Index: i, IsIndex: true}, err)
			}
		}
		return v, nil
	case map[string]any:
		for key, member := range v {
			var err error
			if v[key], err = fromCBOR(member); err != nil {
				return nil, in(value.Step{Key: key}, err)
			}
		}
		return v, nil
	case map[any]any:
		return objectFromCBOR(v)
	}
	return nil, misfitOf("not a value", fmt.Sprintf("%v, which has no meaning here,", v)) // a simple value
}

func objectFromCBOR(members map[any]any) (any, error) {
	object := make(map[string]any, len(members))
	for k, v := range members {
		k, err := fromCBOR(k)
		if err != nil {
			return nil, err
		}
		key, err := keyOf(k)
		if err != nil {
			return nil, err
		}
		if v, err = fromCBOR(v); err == nil {
			err = put(object, key, v)
		}
		if err != nil {
			return nil, in(value.Step{Key: key}, err)
		}
	}
	return object, nil
}
