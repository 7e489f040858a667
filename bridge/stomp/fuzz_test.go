package stomp_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/stomp"
)

var seeds = []string{
	"\n\r\n\n",
	"CONNECT\naccept-version:1.0,1.1,1.2\nhost:a:b\nheart-beat:30000,30000\nAuthorization:Bearer e30.e30.\n\n\x00\nSUBSCRIBE\nid:sub-0\ndestination:/queue/message\nreceipt:1\n\n\x00",
	"STOMP\r\npasscode:a\\b\r\n\r\n\x00",
	"SEND\na\\cb:\\\\\\n\\r\ncontent-length:3\n\na\x00b\x00",
	"SEND\ncontent-length:1\ncontent-length:2\n\n",
	"ACK\nid:1\n\nx\x00",
	"MESSAGE\nfoo:World\nfoo:Hello\n\n{}\x00RECEIPT\nreceipt-id: 1 \n\n\x00",
	"ERROR\nmessage:\\t\n\n\x00",
	"SEND\na:b\r\r\n\n\x00",
}

// limits so small that the fuzzer meets them.
var fuzzLimits = stomp.Limits{Line: 64, Headers: 6, Body: 64}

// FuzzDecoder checks that it does not matter how the input is split: first comes a piece of the
// first length, then of the second, and so on in turn.
func FuzzDecoder(f *testing.F) {
	for i, seed := range seeds {
		f.Add(uint8(i), []byte(seed), []byte{1})
		f.Add(uint8(i), []byte(seed), []byte{7, 2, 30})
	}
	f.Fuzz(func(t *testing.T, version uint8, in, lengths []byte) {
		v := stomp.Version(version % 3)
		want, wantErr := fuzzDecode(v, string(in))
		got, gotErr := fuzzDecode(v, split(string(in), lengths)...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frames of the input at once and in pieces (-want +got):\n%s", diff)
		}
		if (wantErr == nil) != (gotErr == nil) {
			t.Errorf("error in pieces: %v, at once: %v", gotErr, wantErr)
		}
	})
}

// FuzzRoundTrip checks that whatever parses is written so that it reads the same, and that writing
// is settled after one turn.
func FuzzRoundTrip(f *testing.F) {
	for i, seed := range seeds {
		f.Add(uint8(i), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, version uint8, in []byte) {
		v := stomp.Version(version % 3)
		frames, _ := fuzzDecode(v, string(in))
		for _, want := range frames {
			wire := stomp.AppendFrame(nil, v, &want)
			d := stomp.NewDecoder(stomp.Limits{}) // an escape or an added content-length may exceed the small limits
			d.SetVersion(v)
			got, err := decode(d, string(wire))
			if err != nil {
				t.Fatalf("decoding %q: %v", wire, err)
			}
			if _, ok := want.Get("content-length"); !ok && len(want.Body) > 0 {
				want.Headers = append(want.Headers, stomp.Header{Key: "content-length", Value: strconv.Itoa(len(want.Body))})
			}
			if diff := cmp.Diff([]stomp.Frame{want}, got); diff != "" {
				t.Errorf("frame read back (-want +got):\n%s", diff)
			}
		}
	})
}

// FuzzAppendHeader checks that no key and no value, however hostile, can end its line or add
// another header.
func FuzzAppendHeader(f *testing.F) {
	f.Add(uint8(0), "key", "a\nforged:header\n\n\x00ERROR\n\n\x00")
	f.Add(uint8(1), "a:b\r", "c\rd")
	f.Add(uint8(2), "receipt-id", "\\n:\r\n")
	f.Fuzz(func(t *testing.T, version uint8, key, value string) {
		if key == "" {
			t.Skip()
		}
		v := stomp.Version(version % 3)
		frame := stomp.Frame{Command: stomp.CommandMessage, Headers: []stomp.Header{{Key: key, Value: value}}}
		frames, err := fuzzDecodeUnlimited(v, string(stomp.AppendFrame(nil, v, &frame)))
		if err != nil {
			return // not UTF-8, or a content-length that is none
		}
		if len(frames) > 1 || len(frames) == 1 && len(frames[0].Headers) != 1 {
			t.Errorf("header %q: %q was read as %v", key, value, frames)
		}
	})
}

func fuzzDecode(v stomp.Version, parts ...string) ([]stomp.Frame, error) {
	d := stomp.NewDecoder(fuzzLimits)
	d.SetVersion(v)
	return decode(d, parts...)
}

func fuzzDecodeUnlimited(v stomp.Version, parts ...string) ([]stomp.Frame, error) {
	d := stomp.NewDecoder(stomp.Limits{Line: 1 << 30})
	d.SetVersion(v)
	return decode(d, parts...)
}

func split(s string, lengths []byte) []string {
	var parts []string
	for i := 0; len(s) > 0 && len(lengths) > 0; i++ {
		n := min(int(lengths[i%len(lengths)]), len(s))
		parts = append(parts, s[:n])
		s = s[n:]
		if i > 1<<12 {
			break
		}
	}
	return append(parts, s)
}
