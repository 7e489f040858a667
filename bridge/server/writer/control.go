package writer

import (
	"time"

	"mqtt-stomp-bridge/bridge/hub"
)

// Update calls f with the feed, and appends to the answers that wait the messages that f returns.
// Both happen between two writes, so an answer goes out before anything that the change brings.
// Update blocks while too many answers wait; after End it does nothing.
func (w *Writer) Update(f func(feed *hub.Feed, answers []byte) []byte) {
	w.mu.Lock()
	for len(w.answers) > w.limits.AnswerBytes && !w.ending() {
		w.drained.Wait()
	}
	if !w.ending() {
		w.takeBack()
		w.answers = f(w.feed, w.answers)
	}
	w.mu.Unlock()
	w.flush()
}

// Adjust calls f with the feed between two writes. Unlike Update it never waits for the client:
// others than the session call it. After End it does nothing.
func (w *Writer) Adjust(f func(feed *hub.Feed)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ending() {
		w.takeBack()
		f(w.feed)
		w.Wake()
	}
}

// takeBack has the feed be the session's own again, so that it can be changed.
func (w *Writer) takeBack() {
	w.joining = nil
	if rest := w.leave(); rest != nil {
		w.writeShared(rest)
	}
	w.changed = true
}

func (w *Writer) ending() bool { return w.final != nil || w.finished }

// Reply writes a message unless too much waits already. It is for answers that the peer can do
// without, such as a pong, and never blocks.
func (w *Writer) Reply(message []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ending():
	case !w.blocked:
		w.say(message)
	case len(w.answers) <= w.limits.AnswerBytes:
		w.answers = append(w.answers, message...)
	}
}

// say writes a message between two writes of the feed or the broadcast.
func (w *Writer) say(message []byte) {
	n, done, err := w.try(message)
	switch {
	case err != nil:
		w.finish(err)
	case !done:
		buffer := getBuffer()
		*buffer = append(*buffer, message[n:]...)
		rest := w.leave()
		w.block(unread{own: buffer, pieces: [][]byte{*buffer, rest}, shared: rest})
	}
}

// KeepAlive sends beat, whole messages, at every interval, unless a write waits for the client.
// Call it once.
func (w *Writer) KeepAlive(beat []byte, every time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beat, w.every = beat, every
	w.beats = time.AfterFunc(every, w.sendBeat)
}

func (w *Writer) sendBeat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending() {
		return
	}
	if !w.blocked { // else more than a beat is on its way
		w.say(w.beat)
	}
	w.beats.Reset(w.every)
}

// End makes what f returns the last bytes, after the answers that wait. f is called when all before
// is written, so that the feed knows its position. Only the first call counts.
func (w *Writer) End(f func(feed *hub.Feed) []byte) {
	w.mu.Lock()
	if w.final == nil {
		w.final = f
		w.joining = nil
		w.leave()      // what is not written the feed will count
		if w.blocked { // a write that hangs now must not keep the session alive
			w.conn.SetWriteDeadline(time.Now().Add(finalTimeout))
		}
		if w.beats != nil {
			w.beats.Stop()
		}
		w.drained.Broadcast()
	}
	w.mu.Unlock()
	w.flush()
}

// Await returns when nothing is written any more: the last bytes are out, or a write has failed.
func (w *Writer) Await() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.finished {
		w.drained.Wait()
	}
}

// Err returns the error of the write that failed, nil when none did.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close gives up the feed; what was not written counts as left behind. Await comes before it.
func (w *Writer) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.feed.Close()
}
