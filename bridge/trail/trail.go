// Package trail keeps what has become of recent events and sessions, in bounded memory, for those who
// ask why a client did not get a message.
package trail

import (
	"iter"
	"slices"
	"sort"
	"sync"
	"time"
)

// chunkSize is about how much is forgotten at a time.
const chunkSize = 64 << 10

// A Ring keeps the newest records, as bytes: none is a value for the garbage collector to go
// through. Their numbers begin at 1. New makes it. It is safe for concurrent use.
type Ring struct {
	limit int // bytes

	mu     sync.Mutex
	chunks []chunk // the oldest first; none is empty
	size   int
	last   uint64    // number of the newest record
	since  time.Time // all that was added since then is there
}

// A chunk is memory for records, which are never changed once they stand there.
type chunk struct {
	began time.Time // when its first record was added
	first uint64    // its number
	bytes []byte    // of all records
	ends  []int32   // of each
}

// record returns the i-th record.
func (c *chunk) record(i int) []byte {
	from := int32(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.bytes[from:c.ends[i]:c.ends[i]]
}

// New returns a Ring of that many bytes, which it takes as they are needed.
func New(limit int) *Ring { return &Ring{limit: limit, since: time.Now()} }

// Add adds a copy of the record and returns its number. The oldest go where it lacks room.
func (r *Ring) Add(record []byte) (number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := min(chunkSize, r.limit/8)
	n := len(r.chunks)
	if n == 0 || len(r.chunks[n-1].bytes)+len(record) > cap(r.chunks[n-1].bytes) {
		size = max(size, len(record))
		for n > 0 && r.size+size > r.limit {
			r.forget()
			n--
		}
		r.chunks = append(r.chunks, chunk{began: time.Now(), first: r.last + 1, bytes: make([]byte, 0, size)})
		r.size += size
	}
	c := &r.chunks[len(r.chunks)-1]
	c.bytes = append(c.bytes, record...)
	c.ends = append(c.ends, int32(len(c.bytes)))
	r.last++
	return r.last
}

// forget forgets the oldest chunk.
func (r *Ring) forget() {
	r.size -= cap(r.chunks[0].bytes)
	r.chunks = append(r.chunks[:0:0], r.chunks[1:]...) // a copy: All may go through the old one
	r.since = time.Now()
	if len(r.chunks) > 0 {
		r.since = r.chunks[0].began
	}
}

// Since returns the time from which on nothing was forgotten.
func (r *Ring) Since() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since
}

// Last returns the number of the newest record, 0 before the first.
func (r *Ring) Last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Get returns the record with that number, if it is there. It must not be changed.
func (r *Ring) Get(number uint64) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number > r.last {
		return nil, false
	}
	i := r.chunkLocked(number)
	if i < 0 {
		return nil, false
	}
	return r.chunks[i].record(int(number - r.chunks[i].first)), true
}

// chunkLocked returns the index of the chunk that has, or will have, the record with that number; a
// negative one where it was forgotten.
func (r *Ring) chunkLocked(number uint64) int {
	return sort.Search(len(r.chunks), func(i int) bool { return r.chunks[i].first > number }) - 1
}

// Before returns a number: the records up to it were added before that time.
func (r *Ring) Before(at time.Time) (number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := sort.Search(len(r.chunks), func(i int) bool { return !r.chunks[i].began.Before(at) }) - 1
	if i < 0 {
		return 0
	}
	return r.chunks[i].first - 1
}

// Forward yields the records that are there now and have come after the one with that number, with
// their numbers, the oldest first. They must not be changed.
func (r *Ring) Forward(after uint64) iter.Seq2[uint64, []byte] {
	chunks := r.after(after)
	return func(yield func(uint64, []byte) bool) {
		for _, c := range chunks {
			for i := range c.ends {
				if number := c.first + uint64(i); number > after && !yield(number, c.record(i)) {
					return
				}
			}
		}
	}
}

// Backward is Forward with the newest first.
func (r *Ring) Backward(after uint64) iter.Seq2[uint64, []byte] {
	chunks := r.after(after)
	return func(yield func(uint64, []byte) bool) {
		for _, c := range slices.Backward(chunks) {
			for i := range slices.Backward(c.ends) {
				number := c.first + uint64(i)
				if number <= after || !yield(number, c.record(i)) {
					return
				}
			}
		}
	}
}

// after returns the chunks that have records after the one with that number.
func (r *Ring) after(number uint64) []chunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number >= r.last {
		return nil
	}
	return slices.Clone(r.chunks[max(0, r.chunkLocked(number+1)):])
}
