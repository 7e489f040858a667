package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// Buckets. Numbers are big-endian.
var (
	bucketLog     = []byte("mqtt-stomp-bridge journal") // keyState -> state
	bucketEntries = []byte("entries")                   // position -> value: First to Last
	bucketKept    = []byte("kept")                      // position -> value: newest of their key, before First
	bucketRecords = []byte("records")                   // name -> record

	// first position -> incarnation; not there before a log's first entry, nor in files of versions
	// that gave all positions under the state's epoch
	bucketIncarnations = []byte("incarnations")

	keyState = []byte("state")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers a pair as it lies in a bucket; the value begins with its checksum.
func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value[4:])
}

func seal(key, value []byte) []byte {
	binary.BigEndian.PutUint32(value, checksum(key, value))
	return value
}

// unseal checks a value of at least min bytes.
func unseal(key, value []byte, min int) error {
	if len(value) < max(4, min) {
		return fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(value))
	}
	if got, want := checksum(key, value), binary.BigEndian.Uint32(value); got != want {
		return fmt.Errorf("%w: checksum %08x, want %08x", ErrDamaged, got, want)
	}
	return nil
}

func positionKey(p uint64) []byte { return binary.BigEndian.AppendUint64(nil, p) }

// A value is what an entry is kept as, under its position:
//
//	checksum 4 | appended at 8, nanoseconds | time 8, seconds | 4, nanoseconds | flags 1 | length of queue 2 | of key 2 |
//	queue | key | trace parent, if flagged: length 1, text | audience, if flagged | body
//
// An audience:
//
//	length of what follows 4 | for each token: length 2, token
const (
	valueHeader    = 29
	traceHeader    = 1
	audienceHeader = 4
	tokenHeader    = 2

	withTrace    = 1
	withAudience = 2
)

type value []byte

func newValue(position []byte, e *journal.Entry, appendedAt time.Duration) value {
	size := valueHeader + len(e.Queue) + len(e.Key) + traceHeader + len(e.TraceParent) + audienceLen(e.Audience) + len(e.Body)
	v := make([]byte, valueHeader, size)
	binary.BigEndian.PutUint64(v[4:], uint64(appendedAt))
	binary.BigEndian.PutUint64(v[12:], uint64(e.Time.Unix()))
	binary.BigEndian.PutUint32(v[20:], uint32(e.Time.Nanosecond()))
	binary.BigEndian.PutUint16(v[25:], uint16(len(e.Queue)))
	binary.BigEndian.PutUint16(v[27:], uint16(len(e.Key)))
	v = append(v, e.Queue...)
	v = append(v, e.Key...)
	if e.TraceParent != "" {
		v[24] |= withTrace
		v = append(append(v, byte(len(e.TraceParent))), e.TraceParent...)
	}
	if e.Audience != nil {
		v[24] |= withAudience
		v = appendAudience(v, e.Audience)
	}
	v = append(v, e.Body...)
	return seal(position, v)
}

// audienceLen is how many bytes an audience takes in a record.
func audienceLen(tokens []string) int {
	if tokens == nil {
		return 0
	}
	n := audienceHeader
	for _, t := range tokens {
		n += tokenHeader + len(t)
	}
	return n
}

func appendAudience(v []byte, tokens []string) []byte {
	v = binary.BigEndian.AppendUint32(v, uint32(audienceLen(tokens)-audienceHeader))
	for _, t := range tokens {
		v = binary.BigEndian.AppendUint16(v, uint16(len(t)))
		v = append(v, t...)
	}
	return v
}

// check reports whether the value under the position is what was written; nothing else may be asked
// of one that is not.
func (v value) check(position []byte) error {
	if err := unseal(position, v, valueHeader); err != nil {
		return err
	}
	if len(v) < valueHeader+v.queueLen()+v.keyLen() {
		return fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(v))
	}
	_, err := v.split()
	return err
}

var (
	errTrace    = fmt.Errorf("%w: a trace parent that does not fit", ErrDamaged)
	errAudience = fmt.Errorf("%w: an audience that does not fit", ErrDamaged)
)

func (v value) queueLen() int { return int(binary.BigEndian.Uint16(v[25:])) }
func (v value) keyLen() int   { return int(binary.BigEndian.Uint16(v[27:])) }

func (v value) appendedAt() time.Duration { return time.Duration(binary.BigEndian.Uint64(v[4:])) }
func (v value) queue() string             { return string(v[valueHeader:][:v.queueLen()]) }
func (v value) key() string               { return string(v[valueHeader+v.queueLen():][:v.keyLen()]) }
func (v value) size() int64               { return retention.Size(len(v) - valueHeader) }

// parts are what follows the key of a value, as it lies there.
type parts struct {
	trace  []byte // empty for none
	tokens []byte // nil for everybody
	body   []byte
}

func (v value) split() (p parts, err error) {
	p.body = v[valueHeader+v.queueLen()+v.keyLen():]
	if v[24]&withTrace != 0 {
		if len(p.body) < traceHeader || len(p.body) < traceHeader+int(p.body[0]) {
			return parts{}, errTrace
		}
		end := traceHeader + int(p.body[0])
		p.trace, p.body = p.body[traceHeader:end], p.body[end:]
	}
	if v[24]&withAudience != 0 {
		if len(p.body) < audienceHeader {
			return parts{}, errAudience
		}
		size := binary.BigEndian.Uint32(p.body)
		if p.body = p.body[audienceHeader:]; size == 0 || uint64(size) > uint64(len(p.body)) {
			return parts{}, errAudience
		}
		p.tokens, p.body = p.body[:size], p.body[size:]
	}
	return p, nil
}

// entry returns a copy.
func (v value) entry(position uint64) (journal.Entry, error) {
	p, err := v.split()
	if err != nil {
		return journal.Entry{}, err
	}
	audience, err := readAudience(p.tokens)
	return journal.Entry{
		Position:    position,
		Time:        time.Unix(int64(binary.BigEndian.Uint64(v[12:])), int64(binary.BigEndian.Uint32(v[20:]))).UTC(),
		Queue:       v.queue(),
		Key:         v.key(),
		Audience:    audience,
		Body:        append([]byte{}, p.body...),
		TraceParent: string(p.trace),
	}, err
}

func readAudience(b []byte) (tokens []string, err error) {
	for len(b) > 0 {
		if len(b) < tokenHeader {
			return nil, errAudience
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[tokenHeader:]; n > len(b) {
			return nil, errAudience
		}
		tokens, b = append(tokens, string(b[:n])), b[n:]
	}
	return tokens, nil
}

// A record's value, under its name:
//
//	checksum 4 | 1 if it expires | time 8, seconds | 4, nanoseconds | value
const recordHeader = 17

func newRecord(r journal.Record) []byte {
	v := make([]byte, recordHeader, recordHeader+len(r.Value))
	if !r.Expires.IsZero() {
		v[4] = 1
		binary.BigEndian.PutUint64(v[5:], uint64(r.Expires.Unix()))
		binary.BigEndian.PutUint32(v[13:], uint32(r.Expires.Nanosecond()))
	}
	return seal([]byte(r.Name), append(v, r.Value...))
}

// readRecord returns a copy.
func readRecord(name, v []byte) (journal.Record, error) {
	if err := unseal(name, v, recordHeader); err != nil {
		return journal.Record{}, fmt.Errorf("journal: record %q: %w", name, err)
	}
	return journal.Record{Name: string(name), Value: append([]byte{}, v[recordHeader:]...), Expires: recordExpires(v)}, nil
}

func recordExpires(v []byte) time.Time {
	if v[4] == 0 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(v[5:])), int64(binary.BigEndian.Uint32(v[13:]))).UTC()
}

// The state of the log as a whole, written with every commit:
//
//	checksum 4 | format 4 | first 8 | last 8 | bytes 8 | kept 8 | records 8 | lived 8, nanoseconds | wall clock 8, nanoseconds | epoch
type state struct {
	totals
	lived time.Duration // by the log's clock, at the last commit
	left  time.Time     // by the wall clock
	epoch string        // of the last position
}

// Totals tell whether all is there.
type totals struct {
	first, last uint64 // positions of the entries; first is last+1 when there are none
	bytes       int64  // of the entries
	kept        int64  // bytes of the newest entries of keys, before first
	records     int64
}

const (
	stateHeader = 64
	format      = 1 // of the buckets and values above; another has another number here
)

var errFormat = errors.New("another version's file")

func (s state) encode() []byte {
	v := make([]byte, 4, stateHeader+len(s.epoch))
	v = binary.BigEndian.AppendUint32(v, format)
	for _, n := range []uint64{
		s.first, s.last, uint64(s.bytes), uint64(s.kept), uint64(s.records), uint64(s.lived), uint64(s.left.UnixNano()),
	} {
		v = binary.BigEndian.AppendUint64(v, n)
	}
	return seal(keyState, append(v, s.epoch...))
}

func decodeState(v []byte) (state, error) {
	if err := unseal(keyState, v, 8); err != nil {
		return state{}, err
	}
	if f := binary.BigEndian.Uint32(v[4:]); f != format {
		return state{}, fmt.Errorf("%w: format %d, this program reads format %d", errFormat, f, format)
	}
	if len(v) < stateHeader {
		return state{}, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(v))
	}
	field := func(i int) uint64 { return binary.BigEndian.Uint64(v[8+8*i:]) }
	return state{
		totals: totals{first: field(0), last: field(1), bytes: int64(field(2)), kept: int64(field(3)), records: int64(field(4))},
		lived:  time.Duration(field(5)),
		left:   time.Unix(0, int64(field(6))),
		epoch:  string(v[stateHeader:]),
	}, nil
}
