package writer

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
)

// A Writer writes to one connection. Pool.New makes it. Its methods are safe for concurrent use.
type Writer struct {
	conn   net.Conn
	raw    syscall.RawConn // of conn; nil: it has none, which is so with TLS
	sealed *recordConn     // below the TLS of conn; nil: none. Without both every write may wait, so each has a goroutine
	shard  *shard
	limits *Limits
	turns  chan struct{} // the Pool's, see next
	ledger *ledger
	failed func(error)
	queued atomic.Bool // waits for its turn in the shard, or catches up
	barren atomic.Bool // the last step had nothing for the client, and there is more

	mu      sync.Mutex // see the package comment for the order of locks
	drained sync.Cond  // answers were taken, or the end has come

	// Where the frames come from.
	feed      *hub.Feed
	changed   bool       // the feed moved on, or has other subscriptions, since it last asked to join a broadcast
	joining   *broadcast // it waits to be taken in there
	broadcast *broadcast // it is a member there
	pass      uint64     // the last of broadcast's passes that was written here

	// What is written.
	answers []byte                      // whole messages that wait
	final   func(feed *hub.Feed) []byte // makes the last bytes; set once
	beat    []byte                      // what is sent at intervals, whole messages; may be empty
	every   time.Duration
	beats   *time.Timer

	// How writing goes.
	blocked  bool  // a goroutine writes
	last     bool  // the last bytes were taken
	finished bool  // nothing is written any more
	err      error // of the write that failed
}

// writeBytes is about how much one write takes from the feed.
const writeBytes = 64 << 10

// finalTimeout bounds the write of the last bytes, and the wait for the peer's close frame after
// it: a session must be gone within a second of its token's end, whatever its client does.
const finalTimeout = 400 * time.Millisecond

// Wake implements hub.Owner: it has the shard write what waits.
func (w *Writer) Wake() {
	if !w.queued.Swap(true) {
		w.shard.add(w)
	}
}

// Serve implements hub.Owner.
func (w *Writer) Serve() {
	if !w.queued.Swap(true) {
		w.shard.serve(w)
	}
}

func (w *Writer) quick() bool { return true }

// turn is Wake's, in the shard. What one write cannot do is no work for the shard, where others
// wait.
func (w *Writer) turn() {
	w.queued.Store(false) // before looking: what comes from here on wakes it again
	if (w.barren.Load() || w.step()) && !w.queued.Swap(true) {
		go w.catchUp()
	}
}

// catchUp writes all that waits. It leaves queued set, so that entries that come meanwhile do not
// put the Writer into the shard's row, where it would only wait for the lock.
func (w *Writer) catchUp() {
	for w.next() {
	}
	w.turn() // what came since woke nobody
}

// flush writes all that waits, as long as the kernel takes it. Answers, which are for now, do not
// wait for a turn.
func (w *Writer) flush() {
	for more := w.step(); more; {
		more = w.next()
	}
}

// next is step, where that had nothing for the client before, as in a long replay of what is for
// others, in turn: such steps of all Writers come one after the other, and pause. They must not
// keep the processors from those who have something to write.
func (w *Writer) next() (more bool) {
	if !w.barren.Load() {
		return w.step()
	}
	w.turns <- struct{}{}
	defer func() { <-w.turns }()
	began := time.Now()
	more = w.step()
	if w.barren.Load() {
		time.Sleep(time.Since(began))
	}
	return more
}

// step writes what waits in one write, and reports whether there is more.
func (w *Writer) step() (more bool) {
	w.mu.Lock()
	more, err := w.stepLocked()
	w.mu.Unlock()
	if err != nil {
		w.failed(err)
		return true // the last bytes
	}
	return more
}

func (w *Writer) stepLocked() (more bool, err error) {
	if w.blocked || w.finished || w.broadcast != nil || w.joining != nil {
		w.barren.Store(false)
		return false, nil
	}
	buffer := getBuffer()
	*buffer = append(*buffer, w.answers...)
	w.answers = nil
	w.drained.Broadcast()
	if w.final != nil {
		*buffer = append(*buffer, w.final(w.feed)...)
		w.last = true
		w.barren.Store(false)
		w.write(buffer)
		return false, nil
	}
	answers := len(*buffer)
	*buffer, more, err = w.feed.Next(*buffer, writeBytes)
	w.barren.Store(more && err == nil && len(*buffer) == answers)
	w.write(buffer) // after an error too: Next has counted what it has appended
	if !more && err == nil {
		w.askToJoin()
	}
	return more, err
}

// write writes the buffer, which is its own from now on.
func (w *Writer) write(buffer *[]byte) {
	n, done, err := w.try(*buffer)
	switch {
	case err != nil:
		w.finish(err)
	case !done:
		w.block(unread{own: buffer, pieces: [][]byte{(*buffer)[n:]}})
		return
	case n > 0 || w.last:
		w.wrote()
	}
	putBuffer(buffer)
}

// writeShared writes bytes that others may have too.
func (w *Writer) writeShared(p []byte) {
	n, done, err := w.try(p)
	switch {
	case err != nil:
		w.finish(err)
	case !done:
		w.block(unread{pieces: [][]byte{p[n:]}, shared: p})
	default:
		w.wrote()
	}
}

// try writes p as far as the kernel takes it at once. It returns how much of p nobody has to keep
// any more, and whether the kernel has all of it: of a record of TLS it may have taken a part.
func (w *Writer) try(p []byte) (n int, done bool, err error) {
	switch {
	case len(p) == 0:
		return 0, true, nil
	case w.sealed != nil:
		return w.sealed.try(p)
	case w.raw != nil:
		n, err = writeAtOnce(w.raw, p)
	}
	return n, n == len(p), err
}

// block has a goroutine write the rest.
func (w *Writer) block(rest unread) {
	w.blocked = true
	rest.trim(w.sealed)
	w.ledger.hold(w, rest)
	w.joining = nil // it is not up to date any more
	timeout := w.limits.WriteTimeout
	if w.last {
		timeout = finalTimeout
	}
	w.conn.SetWriteDeadline(time.Now().Add(timeout))
	go func() {
		err := rest.writeTo(w.conn, w.sealed)
		w.ledger.release(w)
		if rest.own != nil {
			putBuffer(rest.own)
		}
		w.unblock(err)
		w.flush()
	}()
}

func (w *Writer) unblock(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blocked = false
	if err != nil {
		w.finish(err)
		return
	}
	w.conn.SetWriteDeadline(time.Time{})
	w.wrote()
}

// wrote notes that all that was taken so far is written.
func (w *Writer) wrote() {
	if w.last {
		w.finish(nil)
		return
	}
	w.feed.Wrote()
	w.changed = true
}

// finish notes that nothing is written any more. After an error the connection is closed, which
// wakes its reader; after the last bytes it is closed a little later if the peer does not do it:
// closing with unread input would reset the connection, and the peer might never see them.
func (w *Writer) finish(err error) {
	if w.finished {
		return
	}
	w.finished, w.err = true, err
	w.drained.Broadcast()
	if err == nil {
		time.AfterFunc(finalTimeout, func() { w.conn.Close() })
		return
	}
	conn := w.conn
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn() // Close of TLS would write an alert, and might wait for that
	}
	conn.Close()
}
