// Package trail keeps what has become of recent events and sessions, in bounded memory, for those who
// ask why a client did not get a message.
package trail

import (
	"iter"
	"sync"
	"time"
)

// chunkSize is about how much is forgotten at a time.
const chunkSize = 64 << 10

// A Ring keeps the newest records, as bytes: none is a value for the garbage collector to go
// through. New makes it. It is safe for concurrent use.
type Ring struct {
	limit int // bytes

	mu     sync.Mutex
	chunks []chunk // the oldest first
	size   int
	since  time.Time // all that was added since then is there
}

// A chunk is memory for records, which are never changed once they stand there.
type chunk struct {
	began time.Time // when its first record was added
	bytes []byte    // of all records
	ends  []int32   // of each
}

// New returns a Ring of that many bytes, which it takes as they are needed.
func New(limit int) *Ring { return &Ring{limit: limit, since: time.Now()} }

// Add adds a copy of the record. The oldest go where it lacks room.
func (r *Ring) Add(record []byte) {
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
		r.chunks = append(r.chunks, chunk{began: time.Now(), bytes: make([]byte, 0, size)})
		r.size += size
	}
	c := &r.chunks[len(r.chunks)-1]
	c.bytes = append(c.bytes, record...)
	c.ends = append(c.ends, int32(len(c.bytes)))
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

// All yields the records that are there now, the oldest first. They must not be changed.
func (r *Ring) All() iter.Seq[[]byte] {
	r.mu.Lock()
	chunks := append([]chunk(nil), r.chunks...)
	r.mu.Unlock()
	return func(yield func([]byte) bool) {
		for _, c := range chunks {
			from := int32(0)
			for _, end := range c.ends {
				if !yield(c.bytes[from:end:end]) {
					return
				}
				from = end
			}
		}
	}
}
