// Package contract is what clients are promised: four queues, each with its payload.
//
// The JSON of a payload is put together field by field, in the order of the document: each has a
// Target that converts what a rule gives, or refuses it with a *value.Refusal, so that no payload
// holds a value of a wrong type. Whatever is written here is read back here (ParseUnread).
//
// To add a queue: its name and its entry in queue.go, and its Shape in ShapeOf.
package contract

// The names of the queues.
const (
	QueueMessage             = "/queue/message"
	QueueUnreadCount         = "/queue/unread-count"
	QueueChannelConnected    = "/queue/channel/connected"
	QueueChannelDisconnected = "/queue/channel/disconnected"
)

// A Queue is one of the four queues.
type Queue struct {
	Name      string
	Keyed     bool // each payload has a key, and the newest of each key is the present state
	Conflated bool // of what waits for a client, a newer payload replaces older ones of its key

	// Filters are the ids by which a client may select: name -> what finds the id in a body that
	// was written here, as a part of the body.
	Filters map[string]func(body []byte) []byte
}

type filters = map[string]func([]byte) []byte

// Queues returns the queues in the order of the document.
func Queues() []Queue {
	return []Queue{
		{Name: QueueMessage, Filters: filters{FilterConversation: conversationOf, FilterChannel: channelOfMessage}},
		{Name: QueueUnreadCount, Keyed: true, Conflated: true, Filters: filters{FilterConversation: conversationOf}},
		{Name: QueueChannelConnected, Keyed: true, Filters: filters{FilterChannel: channelOf}},
		{Name: QueueChannelDisconnected, Keyed: true, Filters: filters{FilterChannel: channelOf}},
	}
}

// QueueNames returns the names of the queues in the order of the document.
func QueueNames() []string {
	var names []string
	for _, q := range Queues() {
		names = append(names, q.Name)
	}
	return names
}
