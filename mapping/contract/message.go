package contract

func messageShape() *Shape {
	return &Shape{Name: "message", end: "}}", Fields: []Field{
		{Name: "conversation_id", Target: uuidTarget, before: `{"conversation_id":`},
		{Name: "channel_id", Target: uuidTarget, before: `,"channel_id":`},
		{Name: "message.id", Target: uuidTarget, before: `,"message":{"id":`},
		{Name: "message.content", Target: ContentTarget, before: `,"content":`},
		{Name: "message.delivery_state", Target: deliveryTarget, before: `,"delivery_state":`},
		{Name: "message.sender_type", Target: senderTarget, before: `,"sender_type":`},
		{Name: "message.sent_at", Target: timeTarget, Received: true, before: `,"sent_at":`},
	}}
}
