// Package contract is the queues that clients subscribe to.
package contract

// The names of the queues.
const (
	QueueMessage             = "/queue/message"
	QueueUnreadCount         = "/queue/unread-count"
	QueueChannelConnected    = "/queue/channel/connected"
	QueueChannelDisconnected = "/queue/channel/disconnected"
)

// A Queue is one of the four queues, with what its payloads mean to each other.
type Queue struct {
	Name      string
	Keyed     bool // its payloads are of something that has a key, and the newest of each key is its present state
	Conflated bool // of what waits for a client, a newer payload of the same key makes an older one superfluous
}

// Queues returns the queues in the order of the document.
func Queues() []Queue {
	return []Queue{
		{Name: QueueMessage},
		{Name: QueueUnreadCount, Keyed: true, Conflated: true},
		{Name: QueueChannelConnected, Keyed: true},
		{Name: QueueChannelDisconnected, Keyed: true},
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
