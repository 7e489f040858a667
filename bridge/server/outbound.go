package server

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
)

// An outbound is everything that is written to one connection. Frames that answer the client come first, then what its feed
// holds, all that waits in one write. Whoever has something to say writes it, as far as the kernel takes it at once; only
// where it does not is there a goroutine that waits for it. A feed that is up to date is handed to a lane.
type outbound struct {
	conn   net.Conn
	raw    syscall.RawConn // nil: there are no writes that do not wait
	shard  *shard
	limits *Limits
	failed func(error) // told of an error of the feed; it must end the outbound
	queued atomic.Bool // waits for its turn in the shard, or catches up

	mu       sync.Mutex
	feed     *hub.Feed
	changed  bool                        // the feed moved on, or has other subscriptions, since it last tried to join a lane
	joining  *lane                       // waits to be taken in there, and until then appends nothing from the feed
	lane     *lane                       // writes what the feed would; nil: none
	pass     uint64                      // the lane's last that was written here
	place    int                         // in the lane's members; guarded by the lane's mu
	blocked  bool                        // a goroutine writes
	control  []byte                      // whole WebSocket messages that wait for it
	drained  sync.Cond                   // control was taken, or the end has come
	final    func(feed *hub.Feed) []byte // set once: makes the last bytes
	last     bool                        // they are taken
	finished bool                        // nothing is written any more
	err      error                       // of the write that failed; nil: none did
	beat     []byte                      // what is sent at intervals, whole messages; may be empty
	every    time.Duration
	beats    *time.Timer
}

// writeBytes is about how much one write takes from the feed.
const writeBytes = 64 << 10

// finalTimeout bounds the write of the last bytes, and the wait for the peer's close frame after it: a session must be gone
// within a second of its token's end, whatever its client does.
const finalTimeout = 400 * time.Millisecond

func (s *shard) newOutbound(conn net.Conn, h *hub.Hub, limits *Limits, failed func(error)) *outbound {
	o := &outbound{conn: conn, raw: rawConn(conn), shard: s, limits: limits, failed: failed}
	o.feed = h.NewFeed(o)
	o.drained.L = &o.mu
	return o
}

// Wake implements hub.Owner: it has the shard write what waits.
func (o *outbound) Wake() {
	if !o.queued.Swap(true) {
		o.shard.add(o)
	}
}

// turn is Wake's, in the shard. What does not go out at once is no work for the shard, where others wait.
func (o *outbound) turn() {
	o.queued.Store(false)
	if o.step() && !o.queued.Swap(true) {
		go o.catchUp()
	}
}

// catchUp writes all that waits. Wake leaves it alone: the shard would only wait for the lock.
func (o *outbound) catchUp() {
	o.flush()
	o.turn() // what came since woke nobody
}

// flush writes all that waits.
func (o *outbound) flush() {
	for o.step() {
	}
}

// step writes all that waits in one write, and reports whether there is more.
func (o *outbound) step() (more bool) {
	o.mu.Lock()
	more, err := o.stepLocked()
	o.mu.Unlock()
	if err != nil {
		o.failed(err)
		return true
	}
	return more
}

func (o *outbound) stepLocked() (more bool, err error) {
	if o.blocked || o.finished || o.lane != nil || o.joining != nil {
		return false, nil
	}
	b := getBuffer()
	*b = append(*b, o.control...)
	o.control = nil
	o.drained.Broadcast()
	if o.final != nil {
		*b = append(*b, o.final(o.feed)...)
		o.last = true
		o.write(b)
		return false, nil
	}
	*b, more, err = o.feed.Next(*b, writeBytes)
	o.write(b)
	if !more && err == nil {
		o.join()
	}
	return more, err
}

// write writes what is in the buffer, which is its own from now on.
func (o *outbound) write(b *[]byte) {
	n, err := o.try(*b)
	switch {
	case err != nil:
		o.finish(err)
	case n < len(*b):
		o.block(b, n)
		return
	case n > 0:
		o.wrote()
	}
	putBuffer(b)
}

// try writes p as far as the kernel takes it at once.
func (o *outbound) try(p []byte) (n int, err error) {
	if o.raw == nil || len(p) == 0 {
		return 0, nil
	}
	return writeAtOnce(o.raw, p)
}

// block has a goroutine write what is in the buffer from byte n on.
func (o *outbound) block(b *[]byte, n int) {
	o.blocked = true
	o.joining = nil
	timeout := o.limits.WriteTimeout
	if o.last {
		timeout = finalTimeout
	}
	o.conn.SetWriteDeadline(time.Now().Add(timeout))
	go func() {
		_, err := o.conn.Write((*b)[n:])
		putBuffer(b)
		o.unblock(err)
		o.flush()
	}()
}

func (o *outbound) unblock(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blocked = false
	if err != nil {
		o.finish(err)
		return
	}
	o.conn.SetWriteDeadline(time.Time{})
	o.wrote()
}

// wrote notes that all that was taken so far is written.
func (o *outbound) wrote() {
	if o.last {
		o.finish(nil)
		return
	}
	o.feed.Wrote()
	o.changed = true
}

// finish notes that nothing is written any more. After an error the connection is closed, which wakes its reader; after the
// last bytes it is closed a little later if the peer does not do it: closing with unread input would reset the connection, and
// the peer might never see them.
func (o *outbound) finish(err error) {
	if o.finished {
		return
	}
	o.finished, o.err = true, err
	o.drained.Broadcast()
	if err == nil {
		time.AfterFunc(finalTimeout, func() { o.conn.Close() })
		return
	}
	conn := o.conn
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn() // TLS would say goodbye, and wait for that
	}
	conn.Close()
}

// failure returns the error of the write that failed, nil when none did.
func (o *outbound) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// await returns when nothing is written any more.
func (o *outbound) await() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.finished {
		o.drained.Wait()
	}
}

// update calls f with the feed, and appends the messages that it returns to what waits: both happen between two writes, so
// an answer goes out before anything that the change brings. It blocks while too many answers wait.
func (o *outbound) update(f func(feed *hub.Feed, control []byte) []byte) {
	o.mu.Lock()
	for len(o.control) > o.limits.OutgoingBytes && !o.ending() {
		o.drained.Wait()
	}
	if !o.ending() {
		o.takeBack()
		o.control = f(o.feed, o.control)
	}
	o.mu.Unlock()
	o.flush()
}

// adjust calls f with the feed between two writes. Unlike update it waits for nobody: others than the session call it.
func (o *outbound) adjust(f func(feed *hub.Feed)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ending() {
		o.takeBack()
		f(o.feed)
		o.Wake()
	}
}

// takeBack has the feed be the session's own again, so that it can be changed.
func (o *outbound) takeBack() {
	o.joining = nil
	if rest := o.leave(); rest != nil {
		o.write(rest)
	}
	o.changed = true
}

func (o *outbound) ending() bool { return o.final != nil || o.finished }

// reply writes a message unless too much waits already: for answers that the peer can do without, such as a pong.
func (o *outbound) reply(message []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ending():
	case !o.blocked:
		o.say(message)
	case len(o.control) <= o.limits.OutgoingBytes:
		o.control = append(o.control, message...)
	}
}

// say writes a message between two writes of the feed or the lane.
func (o *outbound) say(message []byte) {
	n, err := o.try(message)
	switch {
	case err != nil:
		o.finish(err)
	case n < len(message):
		b := getBuffer()
		*b = append(*b, message[n:]...)
		if rest := o.leave(); rest != nil {
			*b = append(*b, *rest...)
			putBuffer(rest)
		}
		o.block(b, 0)
	}
}

// keepAlive has beat, whole messages, sent at every interval, whatever else is.
func (o *outbound) keepAlive(beat []byte, every time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beat, o.every = beat, every
	o.beats = time.AfterFunc(every, o.sendBeat)
}

func (o *outbound) sendBeat() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending() {
		return
	}
	if !o.blocked { // else more than a beat is on its way
		o.say(o.beat)
	}
	o.beats.Reset(o.every)
}

// end makes what f returns the last bytes, after what waits of the answers. f is called when all before is written, so that
// the feed knows its place. Only the first call counts.
func (o *outbound) end(f func(feed *hub.Feed) []byte) {
	o.mu.Lock()
	if o.final == nil {
		o.final = f
		o.joining = nil
		if rest := o.leave(); rest != nil {
			putBuffer(rest) // not written, and so the feed will count it
		}
		if o.blocked { // a write that hangs now must not keep the session alive
			o.conn.SetWriteDeadline(time.Now().Add(finalTimeout))
		}
		if o.beats != nil {
			o.beats.Stop()
		}
		o.drained.Broadcast()
	}
	o.mu.Unlock()
	o.flush()
}

// close gives up the feed; what was not written counts as left behind. The end must have come.
func (o *outbound) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.feed.Close()
}

var bufferPool = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// maxPooled is the largest buffer that is kept for the next write.
const maxPooled = 256 << 10

// getBuffer returns an empty buffer.
func getBuffer() *[]byte { return bufferPool.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		bufferPool.Put(b)
	}
}
