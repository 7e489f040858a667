package commit

import (
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
)

// ForRules returns the event as the rules see it. Of a user property that stands twice the last
// counts. It shares the event's payload.
func ForRules(e *mqtt.Event) mapping.Event {
	var user map[string]string
	if len(e.User) > 0 {
		user = make(map[string]string, len(e.User))
		for _, p := range e.User {
			user[p.Name] = p.Value
		}
	}
	return mapping.Event{
		Topic:       e.Topic,
		Payload:     e.Payload,
		QoS:         e.QoS,
		Retained:    e.Retained,
		ContentType: e.ContentType,
		User:        user,
		Received:    e.Received,
	}
}

// entryOf is the output as the journal keeps it.
func entryOf(o mapping.Output, received time.Time, trace string) journal.Entry {
	return journal.Entry{Time: received, Queue: o.Queue, Key: latestKey(o), Audience: o.Audience, Body: o.Body, TraceParent: trace}
}

// latestKey is the name under which the log keeps the newest entry: one namespace over all queues,
// so that a channel is in the snapshot of one queue only, and one for each audience, so that what
// only some may get hides nothing from the others.
func latestKey(o mapping.Output) string {
	if o.Key == "" {
		return ""
	}
	key := "channel/" + o.Key
	if o.Queue == contract.QueueUnreadCount {
		key = "conversation/" + o.Key
	}
	if o.Audience != nil {
		key += "/" + o.Audience.Key()
	}
	return key
}
