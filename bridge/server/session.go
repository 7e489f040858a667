package server

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/server/writer"
	"mqtt-stomp-bridge/bridge/stomp"
)

// A session is one client's connection. One goroutine at a time reads (run); out writes.
type session struct {
	// Never changed.
	server *Server
	conn   *websocket.Conn // reads from in
	in     *inbound
	out    *writer.Writer
	id     string
	remote string // see Server.remote
	since  int64  // when it began, in seconds since 1970

	// Owned by the reader.
	decoder    *stomp.Decoder
	connected  bool
	begun      time.Time     // when the frame began that has not ended; zero: there is none
	unauthed   int           // bytes read before CONNECT was accepted
	deep       bool          // a request has needed a deep stack
	warned     bool          // that it unsubscribed from what was not open
	silence    time.Duration // how long the peer may be silent; 0 until CONNECT was accepted
	lastNumber int           // of the subscriptions so far that are acknowledged
	closedAt   uint64        // the greatest position at which one of these was closed

	// Owned by the reader too, but until it runs by who starts the session.
	handshake auth.Credentials // what the handshake has shown, until CONNECT
	denied    *auth.Error      // why that token is refused; nil: it is not, or there is none
	entered   bool             // counted among the sessions of its user and its address
	enteredAs string           // its user, as Server.enter has counted it; never changes then
	expiry    *time.Timer      // ends the session with its token; nil: it has no end, or none is known yet

	// Written by the reader alone, which reads it without the lock.
	subsMu sync.Mutex
	subs   []*subscription
	gone   []*subscription // unsubscribed, for the trail

	// For all goroutines.
	version     atomic.Uint32               // a stomp.Version, set by CONNECT
	credentials atomic.Pointer[credentials] // set by letIn
	ended       atomic.Pointer[ending]      // why the session ended; the first cause counts
}

// An ending is why a session ends and what its client is told.
type ending struct {
	cause   string                // for logs and counters
	err     *stomp.Error          // sent as an ERROR frame; nil: none
	headers []stomp.Header        // of the ERROR frame, beside its message
	code    int                   // WebSocket close code
	lastID  bool                  // name the last position, so that the client can resume
	quiet   bool                  // log at debug: the client left by itself, or never connected
	detail  error                 // for the log alone; may be nil
	closed  *websocket.CloseError // what the client closed with; nil: it did not
}

// readChunk is how much of a message is read at a time.
const readChunk = 4 << 10

var readPool = sync.Pool{New: func() any { return new([readChunk]byte) }}

// newSession returns a session on an upgraded connection.
func (s *Server) newSession(conn *websocket.Conn, in *inbound, remote string) *session {
	x := &session{
		server:  s,
		conn:    conn,
		in:      in,
		id:      newID(),
		remote:  remote,
		since:   time.Now().Unix(),
		decoder: stomp.NewDecoder(s.config.Limits.Frame),
	}
	x.out = s.writers.New(in.Conn, x.feedFailed)
	in.wasRead = x.checkUnauthenticated
	s.opened.Add(1)
	conn.SetPongHandler(func(string) error {
		x.heard()
		return nil
	})
	conn.SetPingHandler(func(data string) error {
		x.heard()
		x.out.Reply(appendMessage(nil, opPong, []byte(data)))
		return nil
	})
	conn.SetCloseHandler(func(code int, text string) error {
		return nil // answered by the end of the session, in order with everything else
	})
	return x
}

// run reads messages until the connection ends, and returns when nothing of the session is left.
// After the session's end it drops what comes.
func (x *session) run() {
	x.in.Conn.SetReadDeadline(time.Now().Add(x.server.config.Limits.ConnectTimeout))
	x.read()
}

// read is run after its beginning. Its stack lives as long as the session waits, and does not shrink
// again by itself: after a request that needs a deep one, a goroutine with a new one goes on.
func (x *session) read() {
	for {
		_, r, err := x.conn.NextReader()
		if err == nil && x.ended.Load() == nil {
			err = x.readMessage(r)
		}
		if err != nil && !errors.Is(err, errEnded) {
			x.hangUp(err)
			return
		}
		if x.deep {
			x.deep = false
			go x.read()
			return
		}
	}
}

// hangUp ends the session, for the reason that reading stopped if there was none before, and waits
// for its last bytes.
func (x *session) hangUp(err error) {
	x.readingEnded(err)
	x.out.Await()
	x.countRepeats()
	if x.in.broken { // gorilla reads no more
		io.Copy(io.Discard, x.in.Conn)
	}
	x.in.Conn.Close()
	if x.expiry != nil {
		x.expiry.Stop()
	}
	x.out.Close()
	x.noteEnd()
	x.logEnd()
	x.server.unregister(x)
}

// readMessage feeds one WebSocket message to the decoder, piece by piece.
func (x *session) readMessage(r io.Reader) error {
	buffer := readPool.Get().(*[readChunk]byte)
	defer readPool.Put(buffer)
	for {
		n, err := r.Read(buffer[:])
		if n > 0 {
			if err := x.input(buffer[:n]); err != nil {
				return err
			}
			x.heard() // after the input was handled, which may take longer than the client may be silent
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// heard renews the time that the peer may be silent. A frame that has begun must end in the time
// that a client has to connect, whatever else comes meanwhile.
func (x *session) heard() {
	switch {
	case !x.decoder.Open():
		x.begun = time.Time{}
	case x.begun.IsZero():
		x.begun = time.Now()
	}
	if x.silence == 0 {
		return
	}
	deadline := time.Now().Add(x.silence)
	if end := x.begun.Add(x.server.config.Limits.ConnectTimeout); !x.begun.IsZero() && end.Before(deadline) {
		deadline = end
	}
	x.conn.SetReadDeadline(deadline)
}

// checkUnauthenticated ends a session that has sent too much before its CONNECT was accepted. All
// bytes count, also those of WebSocket frames without content, which gorilla does not show.
func (x *session) checkUnauthenticated(n int) {
	if x.connected {
		return
	}
	if x.unauthed += n; x.unauthed > x.server.config.Limits.UnauthenticatedBytes {
		x.fail("unauthenticated bytes", nil, &stomp.Error{Message: "too many bytes before CONNECT was accepted"})
	}
}

var errEnded = errors.New("server: the session has ended")

// input decodes and handles the frames in p, and in what came before it.
func (x *session) input(p []byte) error {
	if x.ended.Load() != nil {
		return errEnded
	}
	x.decoder.Write(p)
	for {
		f, err := x.decoder.Next()
		switch {
		case errors.Is(err, stomp.ErrIncomplete):
			return nil
		case err != nil:
			x.reject(nil, err)
			return errEnded
		}
		if x.ended.Load() != nil {
			return errEnded
		}
		x.handle(&f)
	}
}

// readingEnded ends the session for the reason that reading stopped, unless it has ended already.
func (x *session) readingEnded(err error) {
	var closed *websocket.CloseError
	var timeout net.Error
	failure := x.out.Err()
	switch {
	case failure != nil:
		x.end(ending{cause: writeCause(failure), detail: failure, code: websocket.CloseGoingAway})
	case x.in.broken:
		x.end(ending{cause: "malformed WebSocket frame", code: websocket.CloseProtocolError})
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure: // which stands for no close frame at all
		x.server.closes.add(closeLabel(closed.Code))
		x.end(ending{cause: "client closed", code: websocket.CloseNormalClosure, closed: closed, detail: x.unfinished()})
	case errors.As(err, &timeout) && timeout.Timeout() && x.decoder.Open():
		x.fail("frame without its NUL", nil, &stomp.Error{Message: "the end of a frame has not come in time", Detail: noNUL})
	case errors.As(err, &timeout) && timeout.Timeout() && !x.connected:
		x.fail("connect timeout", nil, &stomp.Error{Message: "no CONNECT in time"})
	case errors.As(err, &timeout) && timeout.Timeout():
		x.fail("heart-beat timeout", nil, &stomp.Error{
			Message: "heart-beat timeout",
			Detail:  "nothing was received for three times the heart-beat interval",
		})
	default:
		x.end(ending{cause: causeLost, detail: cmp.Or(x.unfinished(), err), code: websocket.CloseGoingAway, quiet: !x.connected})
	}
}

// noNUL says what is wrong with a client whose frames do not end.
const noNUL = "a frame ends with a NUL byte, which never came; some clients cut text off there, and on React Native need " +
	"stompjs with forceBinaryWSFrames and appendMissingNULLonIncoming"

var errUnfinished = errors.New("its last frame has not ended: " + noNUL)

// unfinished returns errUnfinished if the client has left in the middle of a frame.
func (x *session) unfinished() error {
	if x.decoder.Open() {
		return errUnfinished
	}
	return nil
}

// fail ends the session with an ERROR frame, in answer to f unless that is nil.
func (x *session) fail(cause string, f *stomp.Frame, err *stomp.Error, headers ...stomp.Header) {
	if f != nil {
		if receipt, ok := f.Get("receipt"); ok {
			headers = append(headers, stomp.Header{Key: "receipt-id", Value: receipt})
		}
	}
	x.end(ending{cause: cause, err: err, headers: headers, code: websocket.ClosePolicyViolation})
}

// feedFailed ends the session because its next entries cannot be read.
func (x *session) feedFailed(err error) {
	e := ending{cause: "journal", detail: err, code: websocket.CloseInternalServerErr, lastID: true,
		err: &stomp.Error{Message: "the journal could not be read"}}
	switch {
	case errors.Is(err, hub.ErrBehind):
		e.cause, e.detail, e.code = "too slow", nil, websocket.CloseTryAgainLater
		e.err = &stomp.Error{Message: "too slow, the next messages are no longer kept"}
	case errors.Is(err, hub.ErrAway):
		e.code = websocket.CloseTryAgainLater
		e.err = &stomp.Error{Message: "the journal cannot be reached"}
	case errors.Is(err, writer.ErrUnread):
		e.cause, e.code = "too slow", websocket.CloseTryAgainLater
		e.err = &stomp.Error{Message: "too slow, too much waits to be read"}
	}
	x.end(e)
}

// end ends the session: the answers that wait are written, then the ERROR frame and the close
// frame. Only the first call counts. It may be called from any goroutine.
func (x *session) end(e ending) {
	if !x.ended.CompareAndSwap(nil, &e) {
		return
	}
	x.out.End(func(feed *hub.Feed) []byte {
		var last []byte
		if e.err != nil {
			last = appendFrame(last, x.v(), e.frame(x.server.config.Hub, feed.Position()))
		}
		return appendClose(last, e.code, e.cause)
	})
}

// frame returns the ERROR frame that tells the client. It never holds anything the client sent but
// its receipt.
func (e *ending) frame(epochs epochs, position uint64) *stomp.Frame {
	f := &stomp.Frame{Command: stomp.CommandError, Headers: []stomp.Header{{Key: "message", Value: e.err.Message}}}
	f.Headers = append(f.Headers, e.headers...)
	if e.lastID {
		f.Headers = append(f.Headers, stomp.Header{Key: "last-message-id", Value: string(appendMessageID(nil, epochs, position))})
	}
	if e.err.Detail != "" {
		f.Headers = append(f.Headers, stomp.Header{Key: "content-type", Value: "text/plain;charset=utf-8"})
		f.Body = []byte(e.err.Detail)
	}
	return f
}

// log logs a line about the session. The logger is made each time, because few sessions log more
// than twice.
func (x *session) log(level slog.Level, message string, attrs ...any) {
	logger, ctx := x.server.config.Logger, context.Background()
	if logger.Enabled(ctx, level) {
		logger.With("session", x.id, "remote", x.remote).Log(ctx, level, message, attrs...)
	}
}

// logEnd logs why the session ended, and counts it.
func (x *session) logEnd() {
	e := x.ended.Load()
	x.server.ends.add(e.cause)
	level := slog.LevelInfo
	if e.quiet {
		level = slog.LevelDebug
	}
	attrs := []any{"cause", e.cause}
	if c := x.credentials.Load(); c != nil {
		attrs = append(attrs, "user", c.identity.User)
	}
	if e.closed != nil {
		attrs = append(attrs, "code", e.closed.Code, "reason", e.closed.Text)
	}
	if e.detail != nil {
		attrs = append(attrs, "error", e.detail)
	}
	if !x.connected && !e.quiet { // clients that were never let in could cause any number of these
		x.server.refusalLog.add(level, e.cause, x.remote, "session ended", append(attrs, "session", x.id, "remote", x.remote)...)
		return
	}
	x.log(level, "session ended", attrs...)
}

// wireError returns the part of a codec's error that the peer may see.
func wireError(err error) *stomp.Error {
	var wire *stomp.Error
	if errors.As(err, &wire) {
		return wire
	}
	return &stomp.Error{Message: "malformed frame"}
}

// closeLabel names the code of a client's close frame: those of RFC 6455 by their number, the
// ranges for libraries and applications as one each.
func closeLabel(code int) string {
	switch {
	case 1000 <= code && code <= 1015:
		return strconv.Itoa(code)
	case 3000 <= code && code <= 3999:
		return "3xxx"
	case 4000 <= code && code <= 4999:
		return "4xxx"
	}
	return "other"
}

// Causes that lie with the client or the way to it.
const (
	causeLost         = "connection lost"
	causeWriteTimeout = "write timeout"
)

func writeCause(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return causeWriteTimeout
	}
	return causeLost
}
