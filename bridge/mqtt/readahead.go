package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"sync"
)

const readAheadChunk = 256 << 10

// A readAhead receives from a connection whether or not anybody takes what has come, up to a limit.
// Mosquitto writes all retained messages of a subscription in one go, without looking at what it
// receives meanwhile, and drops those that find its queue full: so whoever reads them must not
// pause.
type readAhead struct {
	src   io.Reader
	limit int // of the bytes that wait

	mu     sync.Mutex
	moved  sync.Cond // something came, was taken, or it has ended
	chunks [][]byte  // what waits, in order
	size   int       // bytes in chunks
	err    error     // of src, after the last chunk; or that it was stopped
}

// readAhead makes c read ahead until it is closed. It must be called before the first Read.
func (c *conn) readAhead(limit int) {
	r := &readAhead{src: c.Conn, limit: limit}
	r.moved.L = &r.mu
	context.AfterFunc(c.ctx, func() { r.stop(io.ErrClosedPipe) })
	c.r = bufio.NewReaderSize(r, readBuffer)
	c.ahead.Go(r.receive)
}

// receive ends with the connection, whose Read returns then.
func (r *readAhead) receive() {
	for {
		chunk := make([]byte, readAheadChunk)
		n, err := r.src.Read(chunk)
		if n < len(chunk)/2 {
			chunk = bytes.Clone(chunk[:n]) // small packets must not keep large chunks
		}
		r.add(chunk[:n])
		if err != nil {
			r.stop(err)
			return
		}
		if !r.awaitRoom() {
			return
		}
	}
}

func (r *readAhead) add(chunk []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(chunk) > 0 {
		r.chunks = append(r.chunks, chunk)
		r.size += len(chunk)
		r.moved.Broadcast()
	}
}

// awaitRoom waits until less than the limit waits, and reports whether to go on.
func (r *readAhead) awaitRoom() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.size >= r.limit && r.err == nil {
		r.moved.Wait()
	}
	return r.err == nil
}

// stop ends it with the error, if nothing has before.
func (r *readAhead) stop(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.moved.Broadcast()
}

// Read returns what has come, in order, and then the error of the connection.
func (r *readAhead) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.chunks) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.moved.Wait()
	}
	n := copy(p, r.chunks[0])
	if r.chunks[0] = r.chunks[0][n:]; len(r.chunks[0]) == 0 {
		r.chunks = r.chunks[1:]
	}
	r.size -= n
	r.moved.Broadcast()
	return n, nil
}
