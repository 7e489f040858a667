package commit

import (
	"strings"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// traceProperty is the user property, and the header of MESSAGE, that says where an event belongs
// in a distributed trace. A dead letter has it too.
const traceProperty = "traceparent"

// traceParent returns the traceparent among the user properties, "" when there is none that could
// be handed on: more than one, or no valid one (W3C Trace Context, 3.2.2 and 4.3: then it is as if
// there were none).
func traceParent(user []mqtt.UserProperty) (found string) {
	for _, p := range user {
		switch {
		case p.Name != traceProperty:
		case found != "" || !validTraceParent(p.Value):
			return ""
		default:
			found = p.Value
		}
	}
	return found
}

// validTraceParent wants the four fields that every version has, 00-<trace id>-<parent id>-<flags>;
// what a later version adds to them nobody knows.
func validTraceParent(s string) bool {
	fields := strings.Split(s, "-")
	if len(fields) != 4 || fields[0] == "ff" {
		return false
	}
	for i, width := range []int{2, 32, 16, 2} {
		if len(fields[i]) != width || strings.Trim(fields[i], "0123456789abcdef") != "" {
			return false
		}
	}
	return strings.Trim(fields[1], "0") != "" && strings.Trim(fields[2], "0") != ""
}
