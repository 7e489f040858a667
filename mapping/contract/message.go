package contract

import (
	"time"

	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping/value"
)

// A message is the payload of QueueMessage.
type message struct {
	conversationID, channelID, id uuid.UUID
	content                       string
	deliveryState, senderType     string
	sentAt                        time.Time
}

func messageShape() *Shape {
	return &Shape{Name: "message", Make: func() Payload { return new(message) }, Fields: []Field{
		{Name: "conversation_id", Target: uuidTarget, set: setter(toUUID, func(m *message) *uuid.UUID { return &m.conversationID })},
		{Name: "channel_id", Target: uuidTarget, set: setter(toUUID, func(m *message) *uuid.UUID { return &m.channelID })},
		{Name: "message.id", Target: uuidTarget, set: setter(toUUID, func(m *message) *uuid.UUID { return &m.id })},
		{Name: "message.content", Target: ContentTarget, set: setter(toContent, func(m *message) *string { return &m.content })},
		{Name: "message.delivery_state", Target: deliveryTarget,
			set: setter(deliveryStates.convert, func(m *message) *string { return &m.deliveryState })},
		{Name: "message.sender_type", Target: senderTarget,
			set: setter(senderTypes.convert, func(m *message) *string { return &m.senderType })},
		{Name: "message.sent_at", Target: timeTarget, Received: true,
			set: setter(toTime, func(m *message) *time.Time { return &m.sentAt })},
	}}
}

func (m *message) Key() string { return "" }

func (m *message) AppendJSON(b []byte) []byte {
	b = appendUUID(append(b, `{"conversation_id":`...), m.conversationID)
	b = appendUUID(append(b, `,"channel_id":`...), m.channelID)
	b = appendUUID(append(b, `,"message":{"id":`...), m.id)
	b = value.AppendText(append(b, `,"content":`...), m.content)
	b = value.AppendText(append(b, `,"delivery_state":`...), m.deliveryState)
	b = value.AppendText(append(b, `,"sender_type":`...), m.senderType)
	b = value.AppendTime(append(b, `,"sent_at":`...), m.sentAt)
	return append(b, "}}"...)
}
