package contract

// channelShape is that of QueueChannelConnected and QueueChannelDisconnected. An image_url is absent,
// never null or "".
func channelShape() *Shape {
	return &Shape{Name: "channel", end: "}", key: channelOf, Fields: []Field{
		{Name: "id", Target: uuidTarget, before: `{"id":`},
		{Name: "name", Target: textTarget, before: `,"name":`},
		{Name: "source", Target: textTarget, before: `,"source":`},
		{Name: "source_channel_id", Target: textTarget, before: `,"source_channel_id":`},
		{Name: "image_url", Target: textTarget, Optional: true, before: `,"image_url":`},
	}}
}
