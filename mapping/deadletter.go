package mapping

import "strings"

// The user property that marks a message as a dead letter of a bridge. A message with a property of
// that name, whatever its value, is never mapped: two bridges at one broker would map each other's
// dead letters for ever.
const (
	DeadLetterProperty = "mqtt-stomp-bridge"
	DeadLetterMark     = "dead-letter"
)

// letterProperties are on every dead letter, also on those of versions that did not mark them.
var letterProperties = []string{"reason", "rule", "stage", "line", "topic"}

// isDeadLetter reports whether the event is a dead letter of this bridge or of another. A copy
// without its user properties is an event like any other, so that a dead letter can be published
// again.
func isDeadLetter(e *Event) bool {
	if len(e.User) == 0 {
		return false
	}
	if _, marked := e.User[DeadLetterProperty]; marked {
		return true
	}
	for _, name := range letterProperties {
		if _, ok := e.User[name]; !ok {
			return false
		}
	}
	// Others may use those words too, so one without the mark must also stand where dead letters
	// go.
	return strings.HasSuffix(e.Topic, "/dead-letter/"+e.User["rule"])
}
