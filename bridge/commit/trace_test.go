package commit

import (
	"testing"

	"mqtt-stomp-bridge/bridge/mqtt"
)

// trace is the example of W3C Trace Context, 3.2.2.5.
const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestTraceParent(t *testing.T) {
	property := func(name, value string) mqtt.UserProperty { return mqtt.UserProperty{Name: name, Value: value} }
	for _, test := range []struct {
		name string
		user []mqtt.UserProperty
		want string
	}{
		{"no property", nil, ""},
		{"others", []mqtt.UserProperty{property("tracestate", "a=b"), property("Traceparent", trace)}, ""},
		{"one", []mqtt.UserProperty{property("a", "b"), property("traceparent", trace)}, trace},
		{"a later version", []mqtt.UserProperty{property("traceparent", "01"+trace[2:])}, "01" + trace[2:]},
		{"two", []mqtt.UserProperty{property("traceparent", trace), property("traceparent", trace)}, ""},
		{"a bad one, then a good one", []mqtt.UserProperty{property("traceparent", "?"), property("traceparent", trace)}, ""},
		{"empty", []mqtt.UserProperty{property("traceparent", "")}, ""},
		{"version ff", []mqtt.UserProperty{property("traceparent", "ff"+trace[2:])}, ""},
		{"upper case", []mqtt.UserProperty{property("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01")}, ""},
		{"no digit", []mqtt.UserProperty{property("traceparent", "00-0af7651916cd43g\n8448eb211c80319c-b7ad6b7169203331-01")}, ""},
		{"no trace", []mqtt.UserProperty{property("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")}, ""},
		{"no parent", []mqtt.UserProperty{property("traceparent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01")}, ""},
		{"more fields", []mqtt.UserProperty{property("traceparent", trace+"-00")}, ""},
		{"too short", []mqtt.UserProperty{property("traceparent", trace[:54])}, ""},
	} {
		if got := traceParent(test.user); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
