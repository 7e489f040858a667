package stomp_test

import (
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/stomp"
)

// The frames of a client, from the shortest one, which comes most often, to the one with a token.
func BenchmarkDecode(b *testing.B) {
	for _, bench := range []struct {
		name, in string
		piece    int // bytes of each Write; 0: all
	}{
		{"heart-beat", "\n", 0},
		{"ACK", ack, 0},
		{"ACK, byte by byte", ack, 1},
		{"SUBSCRIBE", "SUBSCRIBE\nid:sub-0\ndestination:/queue/message\nreceipt:r\nresume-from:abcdefgh2345-1234567\n\n\x00", 0},
		{"CONNECT", "CONNECT\naccept-version:1.2,1.1,1.0\nheart-beat:30000,30000\nAuthorization:Bearer " + strings.Repeat("x", 300) + "\n\n\x00", 0},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkDecode(b, []byte(bench.in), bench.piece) })
	}
}

const ack = "ACK\nid:4Tz0cTzq-1234567.1\nreceipt:77\n\n\x00"

func benchmarkDecode(b *testing.B, in []byte, piece int) {
	if piece == 0 {
		piece = len(in)
	}
	d := stomp.NewDecoder(stomp.Limits{})
	d.SetVersion(stomp.V12)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		frames := 0
		for p := in; len(p) > 0; p = p[piece:] {
			d.Write(p[:piece])
			for {
				if _, err := d.Next(); err != nil {
					break
				}
				frames++
			}
		}
		if frames != 1 {
			b.Fatalf("got %d frames, want 1", frames)
		}
	}
}

// A MESSAGE with 400 bytes of body, into memory that is there: without and with something to
// escape.
func BenchmarkAppendFrame(b *testing.B) {
	for _, bench := range []struct{ name, id string }{{"plain", "sub-0"}, {"escaped", "a:b\\c"}} {
		b.Run(bench.name, func(b *testing.B) {
			f := &stomp.Frame{
				Command: stomp.CommandMessage,
				Headers: []stomp.Header{
					{Key: "destination", Value: "/queue/message"},
					{Key: "message-id", Value: "abcdefgh2345-1234567"},
					{Key: "subscription", Value: bench.id},
					{Key: "content-type", Value: "application/json"},
				},
				Body: []byte(strings.Repeat("x", 400)),
			}
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out = stomp.AppendFrame(out[:0], stomp.V12, f)
			}
			b.SetBytes(int64(len(out)))
		})
	}
}
