package journal

import (
	"time"

	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

// A record is an entry and how long the log had been open when it was appended.
type record struct {
	entry Entry
	stamp time.Duration
}

// tokenSize is about what holding a token takes besides its bytes.
const tokenSize = 16

func (r *record) size() int64 {
	n := len(r.entry.Queue) + len(r.entry.Key) + len(r.entry.TraceParent) + len(r.entry.Body)
	for _, token := range r.entry.Audience {
		n += len(token) + tokenSize
	}
	return retention.Size(n)
}

// A deque holds records in chunks, so that neither end moves what lies between. The zero deque is empty.
type deque struct {
	chunks []*[chunkLen]record
	start  uint64 // of the first record in the first chunk
	len    uint64
}

const chunkLen = 512

func (d *deque) push(r record) {
	at := d.start + d.len
	if at == uint64(len(d.chunks))*chunkLen {
		d.chunks = append(d.chunks, new([chunkLen]record))
	}
	d.chunks[at/chunkLen][at%chunkLen] = r
	d.len++
}

// at returns the i-th record, which must exist.
func (d *deque) at(i uint64) *record {
	i += d.start
	return &d.chunks[i/chunkLen][i%chunkLen]
}

// pop takes the first record away.
func (d *deque) pop() {
	d.chunks[0][d.start] = record{}
	d.len--
	if d.start++; d.start == chunkLen {
		d.chunks[0] = nil
		d.chunks = d.chunks[1:]
		d.start = 0
	}
}
