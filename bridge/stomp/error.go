package stomp

import "errors"

// ErrIncomplete is what Next returns when the frame's end has not been written yet.
var ErrIncomplete = errors.New("stomp: frame is incomplete")

// Error is an error as the peer gets it: Message is the value of an ERROR frame's message header,
// Detail its body, which may be empty. The codec's own errors are fixed texts, which hold nothing
// that a peer sent and no digits, so that no client takes one for a status code.
type Error struct{ Message, Detail string }

// Error returns both parts.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Message
	}
	return e.Message + ": " + e.Detail
}

func malformed(detail string) *Error { return &Error{Message: "malformed frame", Detail: detail} }
func overLimit(detail string) *Error { return &Error{Message: "frame over a limit", Detail: detail} }
