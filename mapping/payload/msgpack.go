package payload

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"mqtt-stomp-bridge/mapping/value"
)

// decodeMessagePack decodes one value of MessagePack. The library reads the heads of values; what
// they claim is checked here before memory is taken. Binary data and text that is not UTF-8, which
// old encoders write for it, are Bytes; the extension of timestamps is a time, and of any other
// only the data counts.
func decodeMessagePack(payload []byte) (value.Document, error) {
	if err := value.CheckSize(payload); err != nil {
		return value.Document{}, err
	}
	p := packReader{payload: string(payload)}
	p.rest = strings.NewReader(p.payload)
	p.heads = msgpack.NewDecoder(p.rest)
	v, err := p.value(0)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		err = value.Refuse("not MessagePack", "is not MessagePack: %s", endsEarly)
	case err == nil && p.rest.Len() > 0:
		err = value.Refuse("not MessagePack", "is not MessagePack: %d bytes follow the value", p.rest.Len())
	}
	return value.Document{Value: v}, refused(err)
}

// A packReader reads values of MessagePack.
type packReader struct {
	payload string           // of which the texts of the value are parts
	rest    *strings.Reader  // of the payload
	heads   *msgpack.Decoder // reads from rest, and not ahead
	values  int              // claimed so far by lists and objects
}

func (p *packReader) value(depth int) (any, error) {
	if depth > value.MaxDepth {
		return nil, value.Refuse("too deep", "nests deeper than %d levels", value.MaxDepth)
	}
	if p.rest.Len() == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	code := p.payload[p.at()]
	switch {
	case msgpcode.IsFixedNum(code):
		return checked(p.heads.DecodeInt64())
	case msgpcode.IsFixedMap(code):
		return p.object(depth)
	case msgpcode.IsFixedArray(code):
		return p.list(depth)
	case msgpcode.IsFixedString(code):
		return p.text()
	}
	switch code {
	case msgpcode.Nil:
		return nil, p.heads.DecodeNil()
	case msgpcode.False, msgpcode.True:
		return checked(p.heads.DecodeBool())
	case msgpcode.Float, msgpcode.Double:
		f, err := p.heads.DecodeFloat64()
		if err != nil {
			return nil, err
		}
		return number(f)
	case msgpcode.Uint8, msgpcode.Uint16, msgpcode.Uint32, msgpcode.Uint64:
		n, err := p.heads.DecodeUint64()
		return unsigned(n), err
	case msgpcode.Int8, msgpcode.Int16, msgpcode.Int32, msgpcode.Int64:
		return checked(p.heads.DecodeInt64())
	case msgpcode.Str8, msgpcode.Str16, msgpcode.Str32:
		return p.text()
	case msgpcode.Bin8, msgpcode.Bin16, msgpcode.Bin32:
		data, err := p.bytes()
		return value.Bytes(data), err
	case msgpcode.Array16, msgpcode.Array32:
		return p.list(depth)
	case msgpcode.Map16, msgpcode.Map32:
		return p.object(depth)
	}
	return p.extension()
}

// checked returns what the library has decoded as a value.
func checked[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// at returns how much has been read.
func (p *packReader) at() int { return len(p.payload) - p.rest.Len() }

// take reads so many bytes.
func (p *packReader) take(n int) (string, error) {
	if n < 0 || n > p.rest.Len() { // less than 0: on machines of 32 bits
		return "", io.ErrUnexpectedEOF
	}
	at := p.at()
	_, err := p.rest.Seek(int64(n), io.SeekCurrent)
	return p.payload[at : at+n], err
}

// claim counts n elements or members that the payload says to hold, each of so many values, before
// there is memory for them. A byte at least stands for a value.
func (p *packReader) claim(n, values int) error {
	if n < 0 || n > p.rest.Len()/values {
		return io.ErrUnexpectedEOF
	}
	if p.values += n * values; p.values > maxValues {
		return tooMany()
	}
	return nil
}

func (p *packReader) bytes() (string, error) {
	n, err := p.heads.DecodeBytesLen()
	if err != nil {
		return "", err
	}
	return p.take(n)
}

func (p *packReader) text() (any, error) {
	text, err := p.bytes()
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(text) {
		return value.Bytes(text), nil
	}
	return text, nil
}

func (p *packReader) list(depth int) (any, error) {
	n, err := p.heads.DecodeArrayLen()
	if err == nil {
		err = p.claim(n, 1)
	}
	if err != nil {
		return nil, err
	}
	list := make([]any, n)
	for i := range list {
		if list[i], err = p.value(depth + 1); err != nil {
			return nil, in(value.Step{Index: i, IsIndex: true}, err)
		}
	}
	return list, nil
}

func (p *packReader) object(depth int) (any, error) {
	n, err := p.heads.DecodeMapLen()
	if err == nil {
		err = p.claim(n, 2)
	}
	if err != nil {
		return nil, err
	}
	object := make(map[string]any, min(n, 8)) // the same key may come again and again
	for range n {
		key, err := p.key(depth + 1)
		if err != nil {
			return nil, err
		}
		v, err := p.value(depth + 1)
		if err == nil {
			err = put(object, key, v)
		}
		if err != nil {
			return nil, in(value.Step{Key: key}, err)
		}
	}
	return object, nil
}

func (p *packReader) key(depth int) (string, error) {
	v, err := p.value(depth)
	if err != nil {
		return "", err
	}
	return keyOf(v)
}

// timestamp is the type of the extension that is a time.
const timestamp = -1

func (p *packReader) extension() (any, error) {
	kind, n, err := p.heads.DecodeExtHeader()
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			err = value.Refuse("not MessagePack", "is not MessagePack: no value begins with the byte %#x", byte(0xc1))
		}
		return nil, err
	}
	data, err := p.take(n)
	if kind != timestamp || err != nil {
		return value.Bytes(data), err
	}
	t, ok := packTime([]byte(data))
	if !ok {
		return nil, misfitOf("not a time", "a time that is none")
	}
	return checkedTime(t)
}

// packTime returns the time of a timestamp: seconds in 32 bits; nanoseconds in 30 bits and seconds
// in 34; or nanoseconds in 32 bits and seconds in 64.
func packTime(data []byte) (time.Time, bool) {
	var seconds, nanoseconds int64
	switch len(data) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(data))
	case 8:
		both := binary.BigEndian.Uint64(data)
		seconds, nanoseconds = int64(both&(1<<34-1)), int64(both>>34)
	case 12:
		seconds, nanoseconds = int64(binary.BigEndian.Uint64(data[4:])), int64(binary.BigEndian.Uint32(data))
	default:
		return time.Time{}, false
	}
	return time.Unix(seconds, nanoseconds), nanoseconds < 1e9
}
