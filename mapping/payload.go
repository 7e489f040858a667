package mapping

import (
	"encoding/hex"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping/contract"
)

// A payload is what a queue delivers. Its fields are of the types that the document demands, so it cannot hold a wrong one.
type payload interface {
	appendJSON(b []byte) []byte // the fields in the order of the document
	key() string                // Output.Key
}

// shapeOf returns the shape of a queue's payload; nil for an unknown queue.
func shapeOf(queue string) *shape {
	switch queue {
	case contract.QueueMessage:
		return messageShape()
	case contract.QueueUnreadCount:
		return unreadShape()
	case contract.QueueChannelConnected, contract.QueueChannelDisconnected:
		return channelShape()
	}
	return nil
}

// A shape is the fields of a payload, in the order of the document.
type shape struct {
	name   string // equal for queues that share a shape
	fields []fieldSpec
	make   func() payload
}

// A fieldSpec is one field of a shape.
type fieldSpec struct {
	name     string // message.sent_at
	target   *target
	optional bool // absent when there is no value
	received bool // the time of receipt when the rule does not have it
	set      func(p payload, v any) error
}

// setter makes the function that converts a value and stores it in its place.
func setter[P payload, T any](convert func(any) (T, error), place func(P) *T) func(payload, any) error {
	return func(p payload, v any) error {
		t, err := convert(v)
		if err == nil {
			*place(p.(P)) = t
		}
		return err
	}
}

type message struct {
	conversationID, channelID, id uuid.UUID
	content                       string
	deliveryState, senderType     string
	sentAt                        time.Time
}

func messageShape() *shape {
	return &shape{name: "message", make: func() payload { return new(message) }, fields: []fieldSpec{
		{name: "conversation_id", target: uuidTarget, set: setter(toUUID, func(m *message) *uuid.UUID { return &m.conversationID })},
		{name: "channel_id", target: uuidTarget, set: setter(toUUID, func(m *message) *uuid.UUID { return &m.channelID })},
		{name: "message.id", target: uuidTarget, set: setter(toUUID, func(m *message) *uuid.UUID { return &m.id })},
		{name: "message.content", target: contentTarget, set: setter(toContent, func(m *message) *string { return &m.content })},
		{name: "message.delivery_state", target: deliveryTarget, set: setter(deliveryStates.convert, func(m *message) *string { return &m.deliveryState })},
		{name: "message.sender_type", target: senderTarget, set: setter(senderTypes.convert, func(m *message) *string { return &m.senderType })},
		{name: "message.sent_at", target: timeTarget, received: true, set: setter(toTime, func(m *message) *time.Time { return &m.sentAt })},
	}}
}

func (m *message) key() string { return "" }

func (m *message) appendJSON(b []byte) []byte {
	b = appendUUID(append(b, `{"conversation_id":`...), m.conversationID)
	b = appendUUID(append(b, `,"channel_id":`...), m.channelID)
	b = appendUUID(append(b, `,"message":{"id":`...), m.id)
	b = appendText(append(b, `,"content":`...), m.content)
	b = appendText(append(b, `,"delivery_state":`...), m.deliveryState)
	b = appendText(append(b, `,"sender_type":`...), m.senderType)
	b = appendTime(append(b, `,"sent_at":`...), m.sentAt)
	return append(b, "}}"...)
}

type unreadCount struct {
	conversationID uuid.UUID
	count          int64
	timestamp      time.Time
}

func unreadShape() *shape {
	return &shape{name: "unread count", make: func() payload { return new(unreadCount) }, fields: []fieldSpec{
		{name: "conversation_id", target: uuidTarget, set: setter(toUUID, func(u *unreadCount) *uuid.UUID { return &u.conversationID })},
		{name: "unread_message_count", target: countTarget, set: setter(toCount, func(u *unreadCount) *int64 { return &u.count })},
		{name: "timestamp", target: timeTarget, received: true, set: setter(toTime, func(u *unreadCount) *time.Time { return &u.timestamp })},
	}}
}

func (u *unreadCount) key() string { return u.conversationID.String() }

func (u *unreadCount) appendJSON(b []byte) []byte {
	b = appendUUID(append(b, `{"conversation_id":`...), u.conversationID)
	b = appendInt(append(b, `,"unread_message_count":`...), u.count)
	b = appendTime(append(b, `,"timestamp":`...), u.timestamp)
	return append(b, '}')
}

type channel struct {
	id                               uuid.UUID
	name, source, sourceID, imageURL string
}

func channelShape() *shape {
	return &shape{name: "channel", make: func() payload { return new(channel) }, fields: []fieldSpec{
		{name: "id", target: uuidTarget, set: setter(toUUID, func(c *channel) *uuid.UUID { return &c.id })},
		{name: "name", target: textTarget, set: setter(toText, func(c *channel) *string { return &c.name })},
		{name: "source", target: textTarget, set: setter(toText, func(c *channel) *string { return &c.source })},
		{name: "source_channel_id", target: textTarget, set: setter(toText, func(c *channel) *string { return &c.sourceID })},
		{name: "image_url", target: textTarget, optional: true, set: setter(toText, func(c *channel) *string { return &c.imageURL })},
	}}
}

func (c *channel) key() string { return c.id.String() }

func (c *channel) appendJSON(b []byte) []byte {
	b = appendUUID(append(b, `{"id":`...), c.id)
	b = appendText(append(b, `,"name":`...), c.name)
	b = appendText(append(b, `,"source":`...), c.source)
	b = appendText(append(b, `,"source_channel_id":`...), c.sourceID)
	if c.imageURL != "" { // absent, never null or ""
		b = appendText(append(b, `,"image_url":`...), c.imageURL)
	}
	return append(b, '}')
}

func appendUUID(b []byte, u uuid.UUID) []byte {
	b = hex.AppendEncode(append(b, '"'), u[0:4])
	b = hex.AppendEncode(append(b, '-'), u[4:6])
	b = hex.AppendEncode(append(b, '-'), u[6:8])
	b = hex.AppendEncode(append(b, '-'), u[8:10])
	b = hex.AppendEncode(append(b, '-'), u[10:16])
	return append(b, '"')
}

// timeLayout is the document's yyyy-MM-dd'T'HH:mm:ss.SSSZ, in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

func appendTime(b []byte, t time.Time) []byte {
	b = t.UTC().AppendFormat(append(b, '"'), timeLayout)
	return append(b, '"')
}

// appendText appends s as a JSON string, escaping no more than JSON and JavaScript need; what is not UTF-8 becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0 // of what is not yet appended
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if c >= utf8.RuneSelf && (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
			i += size
			continue
		}
		b = append(b, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		}
		i += size
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
