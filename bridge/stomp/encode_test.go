package stomp_test

import (
	"testing"

	"mqtt-stomp-bridge/bridge/stomp"
)

func TestAppendFrame(t *testing.T) {
	special := []stomp.Header{{"a:b", "c:d\\e\nf\rg\x00h"}}
	tests := []struct {
		name    string
		version stomp.Version
		frame   stomp.Frame
		want    string
	}{
		{"heart-beat", stomp.V12, stomp.Frame{Command: stomp.CommandHeartBeat}, "\n"},
		{"no headers", stomp.V12, stomp.Frame{Command: stomp.CommandDisconnect}, "DISCONNECT\n\n\x00"},
		{
			"message", stomp.V12,
			stomp.Frame{
				Command: stomp.CommandMessage,
				Headers: []stomp.Header{{"destination", "/queue/message"}, {"content-length", "2"}},
				Body:    []byte("{}"),
			},
			"MESSAGE\ndestination:/queue/message\ncontent-length:2\n\n{}\x00",
		},
		{
			"content-length is added", stomp.V10,
			stomp.Frame{Command: stomp.CommandError, Headers: []stomp.Header{{"message", "no"}}, Body: []byte("a\x00b")},
			"ERROR\nmessage:no\ncontent-length:3\n\na\x00b\x00",
		},
		{
			"repeated headers keep their order", stomp.V12,
			stomp.Frame{Command: stomp.CommandMessage, Headers: []stomp.Header{{"foo", "World"}, {"foo", "Hello"}}},
			"MESSAGE\nfoo:World\nfoo:Hello\n\n\x00",
		},
		{"spaces stay", stomp.V12, stomp.Frame{Command: stomp.CommandAck, Headers: []stomp.Header{{" id ", " 1 "}}}, "ACK\n id : 1 \n\n\x00"},
		{"escapes at 1.2", stomp.V12, stomp.Frame{Command: stomp.CommandSend, Headers: special}, "SEND\na\\cb:c\\cd\\\\e\\nf\\rg h\n\n\x00"},
		{"escapes at 1.1", stomp.V11, stomp.Frame{Command: stomp.CommandSend, Headers: special}, "SEND\na\\cb:c\\cd\\\\e\\nf g h\n\n\x00"},
		{"none at 1.0", stomp.V10, stomp.Frame{Command: stomp.CommandSend, Headers: special}, "SEND\na b:c:d\\e f g h\n\n\x00"},
		{"none in CONNECTED", stomp.V12, stomp.Frame{Command: stomp.CommandConnected, Headers: special}, "CONNECTED\na b:c:d\\e f g h\n\n\x00"},
		{"none in CONNECT", stomp.V12, stomp.Frame{Command: stomp.CommandConnect, Headers: special}, "CONNECT\na b:c:d\\e f g h\n\n\x00"},
		{"none in STOMP", stomp.V12, stomp.Frame{Command: stomp.CommandStomp, Headers: special}, "STOMP\na b:c:d\\e f g h\n\n\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(stomp.AppendFrame([]byte("before"), tt.version, &tt.frame))
			if want := "before" + tt.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestAppendFrameAllocatesNothing(t *testing.T) {
	f := stomp.Frame{
		Command: stomp.CommandMessage,
		Headers: []stomp.Header{{"subscription", "sub:0"}, {"message-id", "e-17"}, {"content-length", "2"}},
		Body:    []byte("{}"),
	}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { stomp.AppendFrame(buf, stomp.V12, &f) }); n != 0 {
		t.Errorf("AppendFrame into room enough: %v allocations, want 0", n)
	}
}
