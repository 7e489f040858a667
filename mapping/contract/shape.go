package contract

import (
	"encoding/hex"

	"github.com/google/uuid"
)

// A Payload is what a queue delivers. Its fields are of the types that the document demands, so it
// cannot hold a wrong one.
type Payload interface {
	AppendJSON(b []byte) []byte // appends the fields in the order of the document
	Key() string                // a conversation's id for unread counts, a channel's for channels; else ""
}

// A Shape is the fields of a payload, in the order of the document.
type Shape struct {
	Name   string // equal for queues that share a shape
	Fields []Field
	Make   func() Payload // a new one, without values
}

// ShapeOf returns the shape of a queue's payload; nil for an unknown queue.
func ShapeOf(queue string) *Shape {
	switch queue {
	case QueueMessage:
		return messageShape()
	case QueueUnreadCount:
		return unreadShape()
	case QueueChannelConnected, QueueChannelDisconnected:
		return channelShape()
	}
	return nil
}

// Names returns the names of the fields in their order.
func (s *Shape) Names() []string {
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names
}

// A Field is one field of a shape.
type Field struct {
	Name     string // nested ones as message.sent_at
	Target   *Target
	Optional bool // absent when there is no value
	Received bool // the time of receipt when the rule does not have it
	Stamped  bool // a Received that must rise within its key: clients drop a payload that is not newer

	set func(p Payload, v any) error
}

// Set converts v, and stores it in p, a payload of the field's shape. An error is a *value.Refusal,
// and p is as before.
func (f *Field) Set(p Payload, v any) error { return f.set(p, v) }

// setter makes a Field's set: it stores the converted value in the variable of P that in returns.
func setter[P Payload, T any](convert func(any) (T, error), in func(P) *T) func(Payload, any) error {
	return func(p Payload, v any) error {
		t, err := convert(v)
		if err == nil {
			*in(p.(P)) = t
		}
		return err
	}
}

func appendUUID(b []byte, u uuid.UUID) []byte {
	b = hex.AppendEncode(append(b, '"'), u[0:4])
	b = hex.AppendEncode(append(b, '-'), u[4:6])
	b = hex.AppendEncode(append(b, '-'), u[6:8])
	b = hex.AppendEncode(append(b, '-'), u[8:10])
	b = hex.AppendEncode(append(b, '-'), u[10:16])
	return append(b, '"')
}
