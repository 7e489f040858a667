package contract

// A Shape is the fields of a payload, in the order of the document. The payload's JSON is put
// together in that order: what each field's Append adds, one after the other, and then End.
type Shape struct {
	Name   string // equal for queues that share a shape
	Fields []Field

	end string                   // of the JSON
	key func(body []byte) []byte // the key's text in the JSON; nil: there is no key
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

// End appends what ends the JSON of a payload, all of whose fields are there.
func (s *Shape) End(b []byte) []byte { return append(b, s.end...) }

// Key returns the key of a payload, of whose JSON the first field at least is there: a
// conversation's id for unread counts, a channel's for channels; "" where there is none.
func (s *Shape) Key(body []byte) string {
	if s.key == nil {
		return ""
	}
	return string(s.key(body))
}

// A Field is one field of a shape.
type Field struct {
	Name     string // nested ones as message.sent_at
	Target   *Target
	Optional bool // absent when there is no value, or an empty one
	Received bool // the time of receipt when the rule does not have it
	Stamped  bool // a Received that must rise within its key: clients drop a payload that is not newer

	before string // of the JSON: what stands between the field before and the value
}

// Append converts v and appends the field to the JSON of a payload that has the fields before it. An
// error is a *value.Refusal, and what it returns is then b.
func (f *Field) Append(b []byte, v any) ([]byte, error) {
	longer, err := f.Target.Convert(append(b, f.before...), v)
	if err != nil || f.Optional && f.empty(longer[len(b):]) {
		return b, err
	}
	return longer, nil
}

// empty reports whether the field, as it has been appended, is one of an empty text.
func (f *Field) empty(appended []byte) bool { return string(appended[len(f.before):]) == `""` }
