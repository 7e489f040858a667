package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/stomp"
)

// Bounds of what is kept of filters: the ids of one, and of all in one session.
const (
	maxFilterIDs  = 100
	maxSessionIDs = 1000
)

// parseFilter reads the header filter: a name that the queue's entries have an id by, and the ids
// to select, as in conversation_id=UUID,UUID. It returns nil when there is no such header.
func (x *session) parseFilter(f *stomp.Frame, queue string) (*hub.Filter, error) {
	text, ok := f.Get("filter")
	if !ok {
		return nil, nil
	}
	names := x.server.config.Hub.Filters(queue)
	name, list, found := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !found || !slices.Contains(names, name) {
		return nil, clientError("unknown filter",
			fmt.Sprintf("of %s a filter is %s=UUID, with commas between several ids", queue, strings.Join(names, "=UUID or ")))
	}
	ids := strings.Split(list, ",")
	if len(ids) > maxFilterIDs || x.filterIDs()+len(ids) > maxSessionIDs {
		return nil, clientError("too many ids in a filter",
			fmt.Sprintf("it may name %d, all filters of a session %d", maxFilterIDs, maxSessionIDs))
	}
	for i, id := range ids {
		id = strings.TrimSpace(id)
		if parsed, err := uuid.Parse(id); err != nil || len(id) != len(parsed.String()) {
			return nil, clientError("malformed id in a filter", "each must be a UUID, as in "+name+"=123e4567-e89b-12d3-a456-426614174000")
		}
		ids[i] = strings.ToLower(id) // as payloads have it
	}
	return &hub.Filter{Name: name, Values: ids}, nil
}

// filterIDs is how many ids the filters of the session name.
func (x *session) filterIDs() (n int) {
	for _, s := range x.subs {
		if s.filter != nil {
			n += len(s.filter.Values)
		}
	}
	return n
}

// refuseForeign refuses what other brokers offer on SUBSCRIBE and its client would take for
// granted: a subscription that gets everything, or forgets, looks like one that works.
func refuseForeign(f *stomp.Frame) error {
	if _, ok := f.Get("selector"); ok {
		return clientError("selector is not supported",
			"the header filter selects by conversation_id or channel_id, and a rule's audience says who gets its messages")
	}
	for _, h := range f.Headers {
		if isDurable(h) {
			return clientError("durable subscriptions are not supported",
				"every subscription may go on where an earlier one ended: send the header resume-from with the last message-id")
		}
	}
	return nil
}

// isDurable reports whether the header asks for a subscription that outlives its session, in the
// words of ActiveMQ, Artemis, RabbitMQ or Apollo.
func isDurable(h stomp.Header) bool {
	switch strings.ToLower(h.Key) {
	case "activemq.subscriptionname", "activemq.subcriptionname", "durable-subscription-name", "durable-subscriber-name":
		return true
	case "durable", "persistent":
		return !strings.EqualFold(h.Value, "false")
	case "auto-delete":
		return strings.EqualFold(h.Value, "false")
	}
	return false
}
