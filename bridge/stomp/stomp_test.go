package stomp_test

import (
	"testing"

	"mqtt-stomp-bridge/bridge/stomp"
)

func TestNegotiate(t *testing.T) {
	tests := []struct {
		accept string
		want   stomp.Version
		ok     bool
	}{
		{"", stomp.V10, true}, // no header
		{"1.0", stomp.V10, true},
		{"1.1", stomp.V11, true},
		{"1.0,1.1,1.2", stomp.V12, true},
		{"1.2,1.1,1.0", stomp.V12, true},
		{"1.0,1.1,2.0", stomp.V11, true}, // the example of "Protocol Negotiation"
		{"1.2, 1.1", stomp.V12, true},
		{"2.0", stomp.V10, false},
		{"1", stomp.V10, false},
		{"1.20", stomp.V10, false},
		{",", stomp.V10, false},
	}
	for _, tt := range tests {
		got, ok := stomp.Negotiate(tt.accept)
		if got != tt.want || ok != tt.ok {
			t.Errorf("Negotiate(%q) = %v, %t, want %v, %t", tt.accept, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for _, v := range []stomp.Version{stomp.V10, stomp.V11, stomp.V12} {
		if got, ok := stomp.ParseVersion(v.String()); got != v || !ok {
			t.Errorf("ParseVersion(%q) = %v, %t", v.String(), got, ok)
		}
	}
	for _, s := range []string{"", "1.3", " 1.2", "v1.2"} {
		if got, ok := stomp.ParseVersion(s); ok {
			t.Errorf("ParseVersion(%q) = %v, want none", s, got)
		}
	}
}

func TestFrameGet(t *testing.T) {
	f := stomp.Frame{Headers: []stomp.Header{{"foo", "World"}, {"foo", "Hello"}, {"empty", ""}}}
	tests := []struct {
		key, want string
		ok        bool
	}{
		{"foo", "World", true},
		{"empty", "", true},
		{"Foo", "", false},
		{"bar", "", false},
	}
	for _, tt := range tests {
		got, ok := f.Get(tt.key)
		if got != tt.want || ok != tt.ok {
			t.Errorf("Get(%q) = %q, %t, want %q, %t", tt.key, got, ok, tt.want, tt.ok)
		}
	}
}
