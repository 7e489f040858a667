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
	bucketEntries = []byte("entries")                   // position -> record: First to Last
	bucketKept    = []byte("kept")                      // position -> record: newest of their key, before First
	bucketMarks   = []byte("marks")                     // name -> mark

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

// A record is an entry's value:
//
//	checksum 4 | stamp 8, nanoseconds | time 8, seconds | 4, nanoseconds | length of queue 2 | of key 2 | queue | key | body
//
// Where the length of the queue has its highest bit set, a trace parent stands before the body:
//
//	length 1 | trace parent
//
// Where the length of the key has its highest bit set, an audience stands before the body, after the trace parent:
//
//	length of what follows 4 | for each token: length 2, token
const (
	recordHeader   = 28
	traceHeader    = 1
	audienceHeader = 4
	tokenHeader    = 2
	withTrace      = 1 << 15
	withAudience   = 1 << 15
)

type record []byte

func newRecord(position []byte, e *journal.Entry, stamp time.Duration) record {
	r := make([]byte, recordHeader, recordHeader+len(e.Queue)+len(e.Key)+traceHeader+len(e.TraceParent)+audienceLen(e.Audience)+len(e.Body))
	binary.BigEndian.PutUint64(r[4:], uint64(stamp))
	binary.BigEndian.PutUint64(r[12:], uint64(e.Time.Unix()))
	binary.BigEndian.PutUint32(r[20:], uint32(e.Time.Nanosecond()))
	binary.BigEndian.PutUint16(r[24:], uint16(len(e.Queue)))
	binary.BigEndian.PutUint16(r[26:], uint16(len(e.Key)))
	r = append(r, e.Queue...)
	r = append(r, e.Key...)
	if e.TraceParent != "" {
		binary.BigEndian.PutUint16(r[24:], withTrace|uint16(len(e.Queue)))
		r = append(append(r, byte(len(e.TraceParent))), e.TraceParent...)
	}
	if e.Audience != nil {
		binary.BigEndian.PutUint16(r[26:], withAudience|uint16(len(e.Key)))
		r = appendAudience(r, e.Audience)
	}
	r = append(r, e.Body...)
	return seal(position, r)
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

func appendAudience(r []byte, tokens []string) []byte {
	r = binary.BigEndian.AppendUint32(r, uint32(audienceLen(tokens)-audienceHeader))
	for _, t := range tokens {
		r = binary.BigEndian.AppendUint16(r, uint16(len(t)))
		r = append(r, t...)
	}
	return r
}

// check reports whether the record under the position is what was written; nothing else may be asked of one that is not.
func (r record) check(position []byte) error {
	if err := unseal(position, r, recordHeader); err != nil {
		return err
	}
	if len(r) < recordHeader+r.queueLen()+r.keyLen() {
		return fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(r))
	}
	_, err := r.split()
	return err
}

var (
	errTrace    = fmt.Errorf("%w: a trace parent that does not fit", ErrDamaged)
	errAudience = fmt.Errorf("%w: an audience that does not fit", ErrDamaged)
)

func (r record) queueLen() int { return int(binary.BigEndian.Uint16(r[24:]) &^ withTrace) }
func (r record) keyLen() int   { return int(binary.BigEndian.Uint16(r[26:]) &^ withAudience) }

func (r record) stamp() time.Duration { return time.Duration(binary.BigEndian.Uint64(r[4:])) }
func (r record) queue() string        { return string(r[recordHeader:][:r.queueLen()]) }
func (r record) key() string          { return string(r[recordHeader+r.queueLen():][:r.keyLen()]) }
func (r record) size() int64          { return retention.Size(len(r) - recordHeader) }

// parts are what follows the key of a record, as it lies there.
type parts struct {
	trace  []byte // empty for none
	tokens []byte // nil for everybody
	body   []byte
}

func (r record) split() (p parts, err error) {
	p.body = r[recordHeader+r.queueLen()+r.keyLen():]
	if binary.BigEndian.Uint16(r[24:])&withTrace != 0 {
		if len(p.body) < traceHeader || len(p.body) < traceHeader+int(p.body[0]) {
			return parts{}, errTrace
		}
		end := traceHeader + int(p.body[0])
		p.trace, p.body = p.body[traceHeader:end], p.body[end:]
	}
	if binary.BigEndian.Uint16(r[26:])&withAudience != 0 {
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
func (r record) entry(position uint64) (journal.Entry, error) {
	p, err := r.split()
	if err != nil {
		return journal.Entry{}, err
	}
	audience, err := readAudience(p.tokens)
	return journal.Entry{
		Position:    position,
		Time:        time.Unix(int64(binary.BigEndian.Uint64(r[12:])), int64(binary.BigEndian.Uint32(r[20:]))).UTC(),
		Queue:       r.queue(),
		Key:         r.key(),
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

// A mark's value:
//
//	checksum 4 | 1 if it expires | time 8, seconds | 4, nanoseconds | value
const markHeader = 17

func newMark(m journal.Mark) []byte {
	v := make([]byte, markHeader, markHeader+len(m.Value))
	if !m.Expires.IsZero() {
		v[4] = 1
		binary.BigEndian.PutUint64(v[5:], uint64(m.Expires.Unix()))
		binary.BigEndian.PutUint32(v[13:], uint32(m.Expires.Nanosecond()))
	}
	return seal([]byte(m.Name), append(v, m.Value...))
}

// readMark returns a copy.
func readMark(name, v []byte) (journal.Mark, error) {
	if err := unseal(name, v, markHeader); err != nil {
		return journal.Mark{}, fmt.Errorf("journal: mark %q: %w", name, err)
	}
	return journal.Mark{Name: string(name), Value: append([]byte{}, v[markHeader:]...), Expires: markExpires(v)}, nil
}

func markExpires(v []byte) time.Time {
	if v[4] == 0 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(v[5:])), int64(binary.BigEndian.Uint32(v[13:]))).UTC()
}

// The state of the log as a whole, written with every commit:
//
//	checksum 4 | format 4 | first 8 | last 8 | bytes 8 | kept 8 | marks 8 | lived 8, nanoseconds | wall clock 8, nanoseconds | epoch
type state struct {
	totals
	lived time.Duration // by the log's clock, at the last commit
	left  time.Time     // by the wall clock
	epoch string
}

// Totals tell whether all is there.
type totals struct {
	first, last uint64 // positions of the entries; first is last+1 when there are none
	bytes       int64  // of the entries
	kept        int64  // bytes of the newest entries of keys, before first
	marks       int64
}

const (
	stateHeader = 64
	format      = 3 // of the buckets and values above; every format has its number here
	oldest      = 1 // format that is read as well; 1 has no audiences, 2 no trace parents. The first commit makes it the newest
)

var errFormat = errors.New("another version's file")

func (s state) encode() []byte {
	v := make([]byte, 4, stateHeader+len(s.epoch))
	v = binary.BigEndian.AppendUint32(v, format)
	for _, n := range []uint64{
		s.first, s.last, uint64(s.bytes), uint64(s.kept), uint64(s.marks), uint64(s.lived), uint64(s.left.UnixNano()),
	} {
		v = binary.BigEndian.AppendUint64(v, n)
	}
	return seal(keyState, append(v, s.epoch...))
}

func decodeState(v []byte) (state, error) {
	if err := unseal(keyState, v, 8); err != nil {
		return state{}, err
	}
	if f := binary.BigEndian.Uint32(v[4:]); f < oldest || f > format {
		return state{}, fmt.Errorf("%w: format %d, this program reads %d to %d", errFormat, f, oldest, format)
	}
	if len(v) < stateHeader {
		return state{}, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(v))
	}
	field := func(i int) uint64 { return binary.BigEndian.Uint64(v[8+8*i:]) }
	return state{
		totals: totals{first: field(0), last: field(1), bytes: int64(field(2)), kept: int64(field(3)), marks: int64(field(4))},
		lived:  time.Duration(field(5)),
		left:   time.Unix(0, int64(field(6))),
		epoch:  string(v[stateHeader:]),
	}, nil
}
