package server

import (
	"net"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
)

// An outbound is everything that is written to one connection. Frames that answer the client come first, then what its feed
// holds, all that waits in one write.
type outbound struct {
	conn         net.Conn
	writeTimeout time.Duration
	wake         chan struct{} // capacity 1; never closed

	mu      sync.Mutex
	feed    *hub.Feed
	control []byte                      // whole WebSocket messages that wait
	drained *sync.Cond                  // control was taken, or the end has come; on mu
	beat    []byte                      // what is sent at intervals, whole messages; may be empty
	every   time.Duration               // the interval; 0: never
	due     time.Time                   // when the next beat is
	final   func(feed *hub.Feed) []byte // set once: makes the last bytes
}

// maxControl is how many bytes of answers wait before the reader has to: a client that asks and never reads.
const maxControl = 64 << 10

// writeBytes is about how much one write takes from the feed.
const writeBytes = 64 << 10

// finalTimeout bounds the write of the last bytes, and the wait for the peer's close frame after it: a session must be gone
// within a second of its token's end, whatever its client does.
const finalTimeout = 400 * time.Millisecond

func newOutbound(conn net.Conn, feed *hub.Feed, writeTimeout time.Duration) *outbound {
	o := &outbound{conn: conn, feed: feed, writeTimeout: writeTimeout, wake: make(chan struct{}, 1)}
	o.drained = sync.NewCond(&o.mu)
	return o
}

func (o *outbound) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// update calls f with the feed, and appends the messages that it returns to what waits: both happen between two writes, so
// an answer goes out before anything that the change brings. It blocks while too many answers wait.
func (o *outbound) update(f func(feed *hub.Feed, control []byte) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.control) > maxControl && o.final == nil {
		o.drained.Wait()
	}
	if o.final != nil {
		return
	}
	o.control = f(o.feed, o.control)
	o.signal()
}

// send queues whole messages.
func (o *outbound) send(messages []byte) {
	o.update(func(_ *hub.Feed, control []byte) []byte { return append(control, messages...) })
}

// reply queues a message unless too much waits already: for answers that the peer can do without, such as a pong.
func (o *outbound) reply(message []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.control) <= maxControl && o.final == nil {
		o.control = append(o.control, message...)
		o.signal()
	}
}

// keepAlive has beat, whole messages, sent at every interval, whatever else is.
func (o *outbound) keepAlive(beat []byte, every time.Duration) {
	o.mu.Lock()
	o.beat, o.every, o.due = beat, every, time.Now().Add(every)
	o.mu.Unlock()
	o.signal()
}

// end makes what f returns the last bytes, after what waits of the answers. f is called when all before is written, so that
// the feed knows its place. Only the first call counts.
func (o *outbound) end(f func(feed *hub.Feed) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.final != nil {
		return
	}
	o.final = f
	o.drained.Broadcast()
	// A write that hangs now must not keep the session alive.
	o.conn.SetWriteDeadline(time.Now().Add(finalTimeout))
	o.signal()
}

var bufferPool = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// maxPooled is the largest write buffer that is kept for the next write.
const maxPooled = 256 << 10

// run writes until the end was written or a write fails. onError is called with an error of the feed; it must end the
// outbound.
func (o *outbound) run(onError func(error)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wrote, ended, err := o.pass(onError)
		if ended || err != nil {
			return err
		}
		if !wrote {
			o.wait(timer)
		}
	}
}

// pass writes all that waits in one write.
func (o *outbound) pass(onError func(error)) (wrote, ended bool, err error) {
	buffer := bufferPool.Get().(*[]byte)
	out, ended, feedErr := o.take((*buffer)[:0])
	if feedErr != nil {
		onError(feedErr)
	}
	if len(out) > 0 {
		err = o.write(out, ended)
	}
	if cap(out) <= maxPooled {
		*buffer = out
		bufferPool.Put(buffer)
	}
	return len(out) > 0 || feedErr != nil, ended, err
}

// take appends everything that waits to buf.
func (o *outbound) take(buf []byte) (out []byte, ended bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	buf = append(buf, o.control...)
	o.control = nil
	if o.final != nil {
		return append(buf, o.final(o.feed)...), true, nil
	}
	o.drained.Broadcast()
	if now := time.Now(); o.every > 0 && !now.Before(o.due) {
		buf = append(buf, o.beat...)
		o.due = now.Add(o.every)
	}
	out, err = o.feed.Next(buf, writeBytes)
	return out, false, err
}

func (o *outbound) write(out []byte, ended bool) error {
	o.mu.Lock()
	switch {
	case ended:
		o.conn.SetWriteDeadline(time.Now().Add(finalTimeout))
	case o.final == nil: // else end has set a deadline already
		o.conn.SetWriteDeadline(time.Now().Add(o.writeTimeout))
	}
	o.mu.Unlock()
	if _, err := o.conn.Write(out); err != nil {
		return err
	}
	o.mu.Lock()
	o.feed.Wrote()
	o.mu.Unlock()
	return nil
}

// wait returns when there may be something to write.
func (o *outbound) wait(timer *time.Timer) {
	o.mu.Lock()
	until := time.Hour
	if o.every > 0 {
		until = time.Until(o.due)
	}
	o.mu.Unlock()
	timer.Reset(until)
	select {
	case <-o.wake:
	case <-o.feed.Wake():
	case <-timer.C:
	}
}

// close gives up the feed; what was not written counts as left behind.
func (o *outbound) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.feed.Close()
}
