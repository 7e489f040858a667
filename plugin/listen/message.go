package listen

import (
	"fmt"

	"mqtt-stomp-bridge/bridge/stomp"
)

// Message is what a MESSAGE frame holds.
type Message struct {
	Queue        string // the destination
	ID           string // the message-id
	Subscription string // the id of the subscription it came for
	Ack          string // what ACK and NACK have to name; empty with ack mode auto
	TraceParent  string // of the event; empty where it had none
	Headers      []stomp.Header
	Body         []byte
}

func newMessage(f stomp.Frame) Message {
	m := Message{Headers: f.Headers, Body: f.Body}
	m.Queue, _ = f.Get("destination")
	m.ID, _ = f.Get("message-id")
	m.Subscription, _ = f.Get("subscription")
	m.Ack, _ = f.Get("ack")
	m.TraceParent, _ = f.Get("traceparent")
	return m
}

// ServerError is an ERROR frame. The server closes the connection after it.
type ServerError struct {
	Message string // the message header
	Headers []stomp.Header
	Body    []byte
}

func newServerError(f stomp.Frame) *ServerError {
	e := &ServerError{Headers: f.Headers, Body: f.Body}
	e.Message, _ = f.Get("message")
	return e
}

// Error quotes the message header, and the body if there is one.
func (e *ServerError) Error() string {
	if len(e.Body) == 0 {
		return fmt.Sprintf("the server says %q", e.Message)
	}
	return fmt.Sprintf("the server says %q: %q", e.Message, e.Body)
}
