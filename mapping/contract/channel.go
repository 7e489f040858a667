package contract

import (
	"github.com/google/uuid"

	"mqtt-stomp-bridge/mapping/value"
)

// A channel is the payload of QueueChannelConnected and QueueChannelDisconnected.
type channel struct {
	id                               uuid.UUID
	name, source, sourceID, imageURL string
}

func channelShape() *Shape {
	return &Shape{Name: "channel", Make: func() Payload { return new(channel) }, Fields: []Field{
		{Name: "id", Target: uuidTarget, set: setter(toUUID, func(c *channel) *uuid.UUID { return &c.id })},
		{Name: "name", Target: textTarget, set: setter(value.Text, func(c *channel) *string { return &c.name })},
		{Name: "source", Target: textTarget, set: setter(value.Text, func(c *channel) *string { return &c.source })},
		{Name: "source_channel_id", Target: textTarget, set: setter(value.Text, func(c *channel) *string { return &c.sourceID })},
		{Name: "image_url", Target: textTarget, Optional: true, set: setter(value.Text, func(c *channel) *string { return &c.imageURL })},
	}}
}

func (c *channel) Key() string { return c.id.String() }

func (c *channel) AppendJSON(b []byte) []byte {
	b = appendUUID(append(b, `{"id":`...), c.id)
	b = value.AppendText(append(b, `,"name":`...), c.name)
	b = value.AppendText(append(b, `,"source":`...), c.source)
	b = value.AppendText(append(b, `,"source_channel_id":`...), c.sourceID)
	if c.imageURL != "" { // absent, never null or ""
		b = value.AppendText(append(b, `,"image_url":`...), c.imageURL)
	}
	return append(b, '}')
}
