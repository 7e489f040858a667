package writer

import "mqtt-stomp-bridge/bridge/hub"

// A Status is how a Writer stands.
type Status struct {
	HeldUp        bool // its last write waits for the client to read
	AnswerBytes   int  // of answers that wait beside it
	Subscriptions []hub.Status
}

// Status returns how the Writer stands.
func (w *Writer) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{HeldUp: w.blocked, AnswerBytes: len(w.answers)}
	if w.broadcast == nil {
		s.Subscriptions = w.feed.Status()
		return s
	}
	w.broadcast.mu.Lock()
	defer w.broadcast.mu.Unlock()
	s.Subscriptions = w.broadcast.group.Status(w.feed)
	return s
}

// Trace calls f with what tells of a subscription of the Writer's what it has come through, between
// two writes. f must not call the Writer.
func (w *Writer) Trace(f func(trace func(*hub.Cursor) hub.Trace)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broadcast == nil {
		f(w.feed.Trace)
		return
	}
	w.broadcast.mu.Lock()
	defer w.broadcast.mu.Unlock()
	f(func(c *hub.Cursor) hub.Trace { return w.broadcast.group.Trace(w.feed, c) })
}

// Lag raises most, destination -> waiting entries, to what the Writer's subscriptions have waiting,
// and reports whether the Writer is held up.
func (w *Writer) Lag(most map[string]int64) (heldUp bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broadcast == nil {
		w.feed.Lag(most)
		return w.blocked
	}
	w.broadcast.mu.Lock()
	defer w.broadcast.mu.Unlock()
	w.broadcast.group.Lag(w.feed, most)
	return w.blocked
}
