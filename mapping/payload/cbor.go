package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"mqtt-stomp-bridge/mapping/value"
)

// cborForm checks the form of what is to be read.
var cborForm = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		MaxNestedLevels:  value.MaxDepth + 1, // it counts the outermost too
		MaxArrayElements: maxValues,
		MaxMapPairs:      maxValues,
	}.DecMode()
	if err != nil {
		panic("payload: options of CBOR: " + err.Error())
	}
	return mode
}()

// decodeCBOR decodes one item of CBOR (RFC 8949). Byte strings are Bytes, tags 0 and 1 times, 2 and
// 3 whole numbers; of any other tag only the content counts. The library checks the form of the
// whole first, and what it lets through is read here, without the reflection that it would need.
func decodeCBOR(payload []byte) (value.Document, error) {
	if err := value.CheckSize(payload); err != nil {
		return value.Document{}, err
	}
	if countCBOR(payload) > maxValues {
		return value.Document{}, tooMany()
	}
	if err := cborForm.Wellformed(payload); err != nil {
		return value.Document{}, notCBOR(err)
	}
	r := cborReader{text: string(payload)}
	v, err := r.value()
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
		if (kind == cborBytes || kind == cborText) && info <= 27 { // in one piece
			if i > len(payload) || argument > uint64(len(payload)-i) {
				return n
			}
			i += int(argument)
		}
	}
	return n
}

func notCBOR(err error) error {
	switch err.(type) {
	case *cbor.MaxNestedLevelError:
		return value.Refuse("too deep", "nests deeper than %d levels", value.MaxDepth)
	case *cbor.MaxArrayElementsError, *cbor.MaxMapPairsError:
		return tooMany()
	}
	reason := strings.TrimPrefix(err.Error(), "cbor: ")
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		reason = endsEarly
	}
	return value.Refuse("not CBOR", "is not CBOR: %s", reason)
}

// endsEarly is said of a binary payload that is not whole.
const endsEarly = "it ends within a value"

// The major types of items.
const (
	cborUnsigned = iota
	cborNegative
	cborBytes
	cborText
	cborList
	cborObject
	cborTag
	cborSimple
)

// indefinite says in a head that a break ends the item, not a length.
const indefinite = 31

// A cborReader reads items of CBOR whose form has been checked. Texts are parts of the payload.
type cborReader struct {
	text string
	pos  int
}

// head reads the head of an item.
func (r *cborReader) head() (kind, info byte, argument uint64) {
	kind, info = r.text[r.pos]>>5, r.text[r.pos]&31
	r.pos++
	if info < 24 || info > 27 {
		return kind, info, uint64(info)
	}
	for range 1 << (info - 24) {
		argument = argument<<8 | uint64(r.text[r.pos])
		r.pos++
	}
	return kind, info, argument
}

func (r *cborReader) value() (any, error) {
	switch kind, info, n := r.head(); kind {
	case cborUnsigned:
		return unsigned(n), nil
	case cborNegative:
		if n <= math.MaxInt64 {
			return -1 - int64(n), nil
		}
		return json.Number("-" + new(big.Int).Add(new(big.Int).SetUint64(n), big.NewInt(1)).String()), nil
	case cborBytes:
		return value.Bytes(r.string(info, n)), nil
	case cborText:
		text := r.string(info, n)
		if !utf8.ValidString(text) {
			return nil, misfitOf("not UTF-8", "text that is not UTF-8")
		}
		return text, nil
	case cborList:
		return r.list(info, n)
	case cborObject:
		return r.object(info, n)
	case cborTag:
		return r.tagged(n)
	default:
		return simple(info, n)
	}
}

// string reads a string behind its head: so many bytes, or pieces up to a break.
func (r *cborReader) string(info byte, n uint64) string {
	if info != indefinite {
		r.pos += int(n)
		return r.text[r.pos-int(n) : r.pos]
	}
	var b strings.Builder
	for !r.ended() {
		_, info, n := r.head()
		b.WriteString(r.string(info, n))
	}
	return b.String()
}

// ended steps over a break, and reports whether there was one.
func (r *cborReader) ended() bool {
	if r.text[r.pos] != 0xff {
		return false
	}
	r.pos++
	return true
}

func (r *cborReader) list(info byte, n uint64) (any, error) {
	list := []any{}
	if info != indefinite {
		list = make([]any, 0, n)
	}
	for i := uint64(0); info == indefinite && !r.ended() || info != indefinite && i < n; i++ {
		v, err := r.value()
		if err != nil {
			return nil, in(value.Step{Index: int(i), IsIndex: true}, err)
		}
		list = append(list, v)
	}
	return list, nil
}

func (r *cborReader) object(info byte, n uint64) (any, error) {
	object := map[string]any{}
	for i := uint64(0); info == indefinite && !r.ended() || info != indefinite && i < n; i++ {
		k, err := r.value()
		if err != nil {
			return nil, err
		}
		key, err := keyOf(k)
		if err != nil {
			return nil, err
		}
		v, err := r.value()
		if err == nil {
			err = put(object, key, v)
		}
		if err != nil {
			return nil, in(value.Step{Key: key}, err)
		}
	}
	return object, nil
}

// tagged reads the content of a tag.
func (r *cborReader) tagged(tag uint64) (any, error) {
	v, err := r.value()
	if err != nil || tag > 3 {
		return v, err
	}
	if tag < 2 {
		return cborTime(v)
	}
	digits, ok := v.(value.Bytes)
	if !ok {
		return nil, misfitOf("not a number", "a tag of big numbers without bytes")
	}
	n := new(big.Int).SetBytes([]byte(digits))
	if tag == 3 {
		n.Not(n) // -1 - n
	}
	return bigNumber(n)
}

// cborTime returns the time that the content of a tag 0 or 1 stands for.
func cborTime(v any) (any, error) {
	var t time.Time
	switch v := v.(type) {
	case string:
		if parsed, err := time.Parse(time.RFC3339, v); err == nil {
			return parsed.UTC(), nil
		}
	case int64:
		t = time.Unix(v, 0)
	case float64:
		seconds, part := math.Modf(v)
		if math.Abs(seconds) < 1<<40 {
			t = time.Unix(int64(seconds), int64(math.Round(part*1e6))*1000) // a float64 of today has microseconds
		}
	}
	return checkedTime(t)
}

// simple returns a simple value or a float.
func simple(info byte, n uint64) (any, error) {
	switch {
	case info == 20 || info == 21:
		return info == 21, nil
	case info == 22 || info == 23: // null, undefined
		return nil, nil
	case info == 25:
		return number(half(uint16(n)))
	case info == 26:
		return number(float64(math.Float32frombits(uint32(n))))
	case info == 27:
		return number(math.Float64frombits(n))
	}
	return nil, misfitOf("not a value", fmt.Sprintf("the simple value %d, which has no meaning here,", n))
}

// half returns the number that 16 bits stand for (RFC 8949, appendix D).
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	var f float64
	switch {
	case exponent == 0:
		f = math.Ldexp(fraction, -24)
	case exponent < 31:
		f = math.Ldexp(fraction+1024, exponent-25)
	case fraction == 0:
		f = math.Inf(1)
	default:
		f = math.NaN()
	}
	if bits>>15 == 1 {
		f = -f
	}
	return f
}
