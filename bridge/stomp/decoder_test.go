package stomp_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/stomp"
)

// decode writes the parts one after the other and returns all frames up to the first error.
func decode(d *stomp.Decoder, parts ...string) ([]stomp.Frame, error) {
	var frames []stomp.Frame
	for _, part := range parts {
		d.Write([]byte(part))
		for {
			f, err := d.Next()
			if err == stomp.ErrIncomplete {
				break
			}
			if err != nil {
				return frames, err
			}
			frames = append(frames, f)
		}
	}
	return frames, nil
}

func decodeAt(v stomp.Version, parts ...string) ([]stomp.Frame, error) {
	d := stomp.NewDecoder(stomp.Limits{})
	d.SetVersion(v)
	return decode(d, parts...)
}

func everyByte(s string) []string {
	parts := make([]string, len(s))
	for i := range parts {
		parts[i] = s[i : i+1]
	}
	return parts
}

func TestDecode(t *testing.T) {
	type headers = []stomp.Header
	heartBeat := stomp.Frame{Command: stomp.CommandHeartBeat}
	tests := []struct {
		name    string
		version stomp.Version
		in      string
		want    []stomp.Frame
	}{
		{"nothing", stomp.V12, "", nil},
		{"heart-beats", stomp.V12, "\n\r\n\n", []stomp.Frame{heartBeat, heartBeat, heartBeat}},
		{"no headers", stomp.V12, "DISCONNECT\n\n\x00", []stomp.Frame{{Command: stomp.CommandDisconnect}}},
		{
			"several frames, an EOL behind one", stomp.V12, "ACK\nid:1\n\n\x00\nNACK\nid:2\n\n\x00BEGIN\n\n\x00",
			[]stomp.Frame{
				{Command: stomp.CommandAck, Headers: headers{{"id", "1"}}}, heartBeat,
				{Command: stomp.CommandNack, Headers: headers{{"id", "2"}}}, {Command: stomp.CommandBegin},
			},
		},
		{
			"CR LF", stomp.V12, "SEND\r\na:b\r\n\r\nbody\r\n\x00\r\n",
			[]stomp.Frame{{Command: stomp.CommandSend, Headers: headers{{"a", "b"}}, Body: []byte("body\r\n")}, heartBeat},
		},
		{
			"CR LF at 1.0", stomp.V10, "COMMIT\r\na:b\r\n\r\n\x00",
			[]stomp.Frame{{Command: stomp.CommandCommit, Headers: headers{{"a", "b"}}}},
		},
		{
			"the first colon splits", stomp.V12, "SUBSCRIBE\ndestination:urn:a::b:\n\n\x00",
			[]stomp.Frame{{Command: stomp.CommandSubscribe, Headers: headers{{"destination", "urn:a::b:"}}}},
		},
		{
			"spaces stay", stomp.V12, "SUBSCRIBE\n id : 1 \n \t:\t \nempty:\n\n\x00",
			[]stomp.Frame{{Command: stomp.CommandSubscribe, Headers: headers{{" id ", " 1 "}, {" \t", "\t "}, {"empty", ""}}}},
		},
		{
			"repeated headers", stomp.V12, "MESSAGE\nfoo:World\nfoo:Hello\n\n\x00",
			[]stomp.Frame{{Command: stomp.CommandMessage, Headers: headers{{"foo", "World"}, {"foo", "Hello"}}}},
		},
		{
			"escapes at 1.2", stomp.V12, "SEND\n\\ca\\\\n:\\n\\r\\c\\\\\n\n\x00",
			[]stomp.Frame{{Command: stomp.CommandSend, Headers: headers{{":a\\n", "\n\r:\\"}}}},
		},
		{
			"escapes at 1.1", stomp.V11, "SEND\n\\ca:\\n\\c\\\\r\n\n\x00",
			[]stomp.Frame{{Command: stomp.CommandSend, Headers: headers{{":a", "\n:\\r"}}}},
		},
		{
			"none at 1.0", stomp.V10, "SEND\n\\c:\\n\\t\\\n\n\x00",
			[]stomp.Frame{{Command: stomp.CommandSend, Headers: headers{{"\\c", "\\n\\t\\"}}}},
		},
		{
			"none in CONNECT, STOMP and CONNECTED", stomp.V12, "CONNECT\npasscode:a\\b:c\n\n\x00STOMP\na:\\c\n\n\x00CONNECTED\na:\\n\n\n\x00",
			[]stomp.Frame{
				{Command: stomp.CommandConnect, Headers: headers{{"passcode", "a\\b:c"}}},
				{Command: stomp.CommandStomp, Headers: headers{{"a", "\\c"}}},
				{Command: stomp.CommandConnected, Headers: headers{{"a", "\\n"}}},
			},
		},
		{
			"a body ends at the first NUL", stomp.V11, "SEND\n\none\n\x00SEND\n\n\x00",
			[]stomp.Frame{{Command: stomp.CommandSend, Body: []byte("one\n")}, {Command: stomp.CommandSend}},
		},
		{
			"content-length, NUL in the body", stomp.V12, "SEND\ncontent-length:5\n\na\x00b\n\x00\x00\n",
			[]stomp.Frame{{Command: stomp.CommandSend, Headers: headers{{"content-length", "5"}}, Body: []byte("a\x00b\n\x00")}, heartBeat},
		},
		{
			"content-length of zero, leading zeros, the same one twice", stomp.V12, "ACK\ncontent-length:0\n\n\x00SEND\ncontent-length:01\ncontent-length:1\n\nx\x00",
			[]stomp.Frame{
				{Command: stomp.CommandAck, Headers: headers{{"content-length", "0"}}},
				{Command: stomp.CommandSend, Headers: headers{{"content-length", "01"}, {"content-length", "1"}}, Body: []byte("x")},
			},
		},
		{
			"MESSAGE and ERROR have bodies", stomp.V12, "MESSAGE\n\nm\x00ERROR\n\ne\x00RECEIPT\n\n\x00",
			[]stomp.Frame{{Command: stomp.CommandMessage, Body: []byte("m")}, {Command: stomp.CommandError, Body: []byte("e")}, {Command: stomp.CommandReceipt}},
		},
		{
			"at 1.0 others may have one", stomp.V10, "SUBSCRIBE\n\nignored\x00UNSUBSCRIBE\ncontent-length:1\n\nx\x00ABORT\n\n\x00",
			[]stomp.Frame{
				{Command: stomp.CommandSubscribe, Body: []byte("ignored")},
				{Command: stomp.CommandUnsubscribe, Headers: headers{{"content-length", "1"}}, Body: []byte("x")},
				{Command: stomp.CommandAbort},
			},
		},
		{"begun only", stomp.V12, "SEND\na:b\n\nbo", nil},
	}
	for _, tt := range tests {
		for how, parts := range map[string][]string{"at once": {tt.in}, "byte by byte": everyByte(tt.in)} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				got, err := decodeAt(tt.version, parts...)
				if err != nil {
					t.Fatalf("Next: %v", err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("frames (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name    string
		version stomp.Version
		in      string
		want    string
	}{
		{"unknown command", stomp.V12, "HELLO\n\n\x00", "malformed frame: unknown command"},
		{"NUL instead of a frame", stomp.V12, "\x00", "malformed frame: NUL before the end of the headers"},
		{"command ended by NUL", stomp.V12, "DISCONNECT\x00", "malformed frame: NUL before the end of the headers"},
		{"headers ended by NUL", stomp.V12, "SUBSCRIBE\nid:1\x00", "malformed frame: NUL before the end of the headers"},
		{"NUL in a header", stomp.V12, "SUBSCRIBE\nid:1\x002\n", "malformed frame: NUL before the end of the headers"},
		{"no colon", stomp.V12, "SEND\ndestination\n", "malformed frame: a header line has no colon"},
		{"padding for a blank line", stomp.V10, "SEND\n  \n", "malformed frame: a header line has no colon"},
		{"no name", stomp.V12, "SEND\n:value\n", "malformed frame: a header has no name"},
		{"not UTF-8", stomp.V12, "SEND\na:\xff\n", "malformed frame: a header line is not valid text"},
		{"carriage return inside", stomp.V12, "SEND\na:b\rc\n", "malformed frame: a header line has a carriage return that does not end it"},
		{"two carriage returns", stomp.V11, "SEND\na:b\r\r\n", "malformed frame: a header line has a carriage return that does not end it"},
		{"escape of a tab", stomp.V12, "SEND\na:\\t\n", "malformed frame: a header has an undefined escape"},
		{"escape of an upper-case letter", stomp.V12, "SEND\na:\\N\n", "malformed frame: a header has an undefined escape"},
		{"escape in a name", stomp.V12, "SEND\n\\a:b\n", "malformed frame: a header has an undefined escape"},
		{"escape cut off", stomp.V12, "SEND\na:\\\n", "malformed frame: a header has an undefined escape"},
		{"escape cut off by the colon", stomp.V12, "SEND\na\\:b\n", "malformed frame: a header has an undefined escape"},
		{"escape of a carriage return at 1.1", stomp.V11, "SEND\na:\\r\n", "malformed frame: a header has an undefined escape"},
		{"empty content-length", stomp.V12, "SEND\ncontent-length:\n\n", "malformed frame: content-length is not a number of bytes"},
		{"negative content-length", stomp.V12, "SEND\ncontent-length:-1\n\n", "malformed frame: content-length is not a number of bytes"},
		{"signed content-length", stomp.V12, "SEND\ncontent-length:+1\n\n", "malformed frame: content-length is not a number of bytes"},
		{"content-length of other digits", stomp.V12, "SEND\ncontent-length:٣\n\n", "malformed frame: content-length is not a number of bytes"},
		{"hexadecimal content-length", stomp.V12, "SEND\ncontent-length:0x1\n\n", "malformed frame: content-length is not a number of bytes"},
		{"second content-length is garbage", stomp.V12, "SEND\ncontent-length:1\ncontent-length:x\n\n", "malformed frame: content-length is not a number of bytes"},
		{"different content-lengths", stomp.V12, "SEND\ncontent-length:1\ncontent-length:2\n\n", "malformed frame: there are different content-length headers"},
		{"huge content-length", stomp.V12, "SEND\ncontent-length:99999999999999999999\n\n", "frame over a limit: the body is too long"},
		{"body longer than content-length", stomp.V12, "SEND\ncontent-length:1\n\nxy\x00", "malformed frame: the body is not followed by NUL"},
		{"body in ACK", stomp.V11, "ACK\nid:1\n\nx\x00", "malformed frame: a frame of this command must not have a body; perhaps the NUL byte that ends the frame was cut off"},
		{"body in SUBSCRIBE", stomp.V12, "SUBSCRIBE\nid:1\n\nx\x00", "malformed frame: a frame of this command must not have a body; perhaps the NUL byte that ends the frame was cut off"},
		{"body in RECEIPT", stomp.V12, "RECEIPT\n\nx\x00", "malformed frame: a frame of this command must not have a body; perhaps the NUL byte that ends the frame was cut off"},
		{"body claimed in ACK", stomp.V12, "ACK\ncontent-length:1\n\n", "malformed frame: a frame of this command must not have a body; perhaps the NUL byte that ends the frame was cut off"},
		{"body in CONNECT", stomp.V10, "CONNECT\naccept-version:1.2\n\nx\x00", "malformed frame: a frame of this command must not have a body; perhaps the NUL byte that ends the frame was cut off"},
		{"body in STOMP", stomp.V10, "STOMP\naccept-version:1.2\n\nx\x00", "malformed frame: a frame of this command must not have a body; perhaps the NUL byte that ends the frame was cut off"},
		{"frames without NUL between", stomp.V12, "ACK\nid:1\n\nACK\nid:2\n\n\x00", "malformed frame: a frame of this command must not have a body; perhaps the NUL byte that ends the frame was cut off"},
	}
	for _, tt := range tests {
		for how, parts := range map[string][]string{"at once": {tt.in}, "byte by byte": everyByte(tt.in)} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				d := stomp.NewDecoder(stomp.Limits{})
				d.SetVersion(tt.version)
				got, err := decode(d, parts...)
				if len(got) > 0 {
					t.Errorf("got frames %v, want none", got)
				}
				checkError(t, err, tt.want)
				if n := d.Held(); n != 0 {
					t.Errorf("a broken decoder holds %d bytes, want 0", n)
				}
			})
		}
	}
}

// checkError checks an error of the codec: its text, and that no client can take it for a status.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	var protocol *stomp.Error
	if !errors.As(err, &protocol) {
		t.Fatalf("got error %v, want an *Error: %s", err, want)
	}
	if err.Error() != want {
		t.Errorf("got error %q, want %q", err, want)
	}
	if strings.ContainsAny(err.Error(), "0123456789") {
		t.Errorf("error %q has digits", err)
	}
}

func TestDecodeStaysBroken(t *testing.T) {
	d := stomp.NewDecoder(stomp.Limits{})
	frames, first := decode(d, "DISCONNECT\n\n\x00NONSENSE\n\n\x00DISCONNECT\n\n\x00")
	if len(frames) != 1 {
		t.Errorf("got %d frames before the error, want 1", len(frames))
	}
	frames, second := decode(d, "DISCONNECT\n\n\x00")
	if second != first || first == nil || len(frames) != 0 {
		t.Errorf("after %v: got %v and %d frames, want the same error", first, second, len(frames))
	}
}

// A client may send CONNECT and the next frame in one message: what CONNECT negotiates holds for
// the next frame.
func TestSetVersionBetweenFramesOfOneWrite(t *testing.T) {
	d := stomp.NewDecoder(stomp.Limits{})
	d.Write([]byte("CONNECT\naccept-version:1.2\n\n\x00SUBSCRIBE\nid:a\\cb\n\n\x00"))
	if f, err := d.Next(); err != nil || f.Command != stomp.CommandConnect {
		t.Fatalf("Next() = %v, %v, want CONNECT", f, err)
	}
	d.SetVersion(stomp.V12)
	f, err := d.Next()
	if id, _ := f.Get("id"); err != nil || id != "a:b" {
		t.Errorf("Next() = %v, %v, want id a:b", f, err)
	}
}

func TestFramesDoNotAliasInput(t *testing.T) {
	in := []byte("SEND\na:b\n\nbody\x00")
	d := stomp.NewDecoder(stomp.Limits{})
	d.Write(in)
	got, err := d.Next()
	if err != nil {
		t.Fatal(err)
	}
	clear(in)
	want := stomp.Frame{Command: stomp.CommandSend, Headers: []stomp.Header{{"a", "b"}}, Body: []byte("body")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frame after its input changed (-want +got):\n%s", diff)
	}
}

func TestPartialFrameDoesNotAliasInput(t *testing.T) {
	d := stomp.NewDecoder(stomp.Limits{})
	buf := make([]byte, 3) // one buffer for all reads
	var got []stomp.Frame
	for in := []byte("SEND\nkey:value\n\nthe body\x00"); len(in) > 0; {
		n := copy(buf, in)
		in = in[n:]
		d.Write(buf[:n])
		if f, err := d.Next(); err == nil {
			got = append(got, f)
		} else if err != stomp.ErrIncomplete {
			t.Fatal(err)
		}
	}
	want := []stomp.Frame{{Command: stomp.CommandSend, Headers: []stomp.Header{{"key", "value"}}, Body: []byte("the body")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
}

func TestWriteTooEarlyPanics(t *testing.T) {
	d := stomp.NewDecoder(stomp.Limits{})
	d.Write([]byte("\n\n"))
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Write with input left did not panic")
		}
	}()
	d.Write([]byte("\n"))
}

func TestLimits(t *testing.T) {
	const n = 20
	limits := stomp.Limits{Line: n, Headers: n, Body: n}
	repeat := strings.Repeat
	kinds := []struct {
		name string
		in   func(size int) string // input whose limited part has that size
		end  string                // what completes a frame, if the size is allowed
		want string
	}{
		{"header line", func(n int) string { return "SEND\nk:" + repeat("v", n-2) }, "\n\n\x00", "frame over a limit: a header line is too long"},
		{"header line with CR LF", func(n int) string { return "SEND\r\nk:" + repeat("v", n-2) }, "\r\n\r\n\x00", "frame over a limit: a header line is too long"},
		{"headers", func(n int) string { return "SEND\n" + repeat("k:v\n", n) }, "\n\x00", "frame over a limit: too many headers"},
		{"body", func(n int) string { return "SEND\n\n" + repeat("b", n) }, "\x00", "frame over a limit: the body is too long"},
		{"body with content-length", func(n int) string { return fmt.Sprintf("SEND\ncontent-length:%d\n\n%s", n, repeat("b", n)) }, "\x00", "frame over a limit: the body is too long"},
	}
	for _, kind := range kinds {
		for _, size := range []int{n - 1, n, n + 1, 100 * n} {
			in := kind.in(size)
			for how, parts := range map[string][]string{"at once": {in, kind.end}, "byte by byte": everyByte(in + kind.end)} {
				t.Run(fmt.Sprintf("%s of %d %s", kind.name, size, how), func(t *testing.T) {
					d := stomp.NewDecoder(limits)
					frames, err := decode(d, parts...)
					if size > n {
						checkError(t, err, kind.want)
						return
					}
					if err != nil || len(frames) != 1 {
						t.Errorf("got %d frames and error %v, want a frame", len(frames), err)
					}
				})
			}
		}
	}
}

// What is not STOMP may never end its line: its sender is told by the first bytes what they are
// taken for, and none of them is repeated.
func TestDecodeNamesWhatIsNotSTOMP(t *testing.T) {
	for name, test := range map[string]struct{ in, want string }{
		"JSON object":           {`{"type":"subscribe"}`, "it begins with a brace, as in JSON; a frame begins with a command, such as CONNECT"},
		"JSON array":            {`["a"]`, "it begins with a bracket, as in JSON and SockJS; a frame begins with a command, such as CONNECT"},
		"JSON text":             {`"CONNECT"`, "it begins with a quotation mark, as in JSON; a frame begins with a command, such as CONNECT"},
		"SockJS":                {`["CONNECT\naccept-version:1.2\n\n\u0000"]`, "it begins with a bracket, as in JSON and SockJS; a frame begins with a command, such as CONNECT"},
		"Socket.IO":             {"2probe", "it begins with a digit, as in Socket.IO; a frame begins with a command, such as CONNECT"},
		"HTTP request":          {"GET /ws.communication HTTP/1.1\r\n", "it begins like an HTTP request; after the WebSocket handshake every message is STOMP"},
		"MQTT CONNECT":          {"\x10\x0c\x00\x04MQTT\x04\x02\x00<\x00\x00", "it begins with a byte that is not text, as in binary protocols such as MQTT; a frame begins with a command, such as CONNECT"},
		"binary garbage":        {"\xff\xfe\x00\x01", "it begins with a byte that is not text, as in binary protocols such as MQTT; a frame begins with a command, such as CONNECT"},
		"byte order mark":       {"\xef\xbb\xbfCONNECT\n\n\x00", "it begins with a byte order mark; a frame begins with a command, such as CONNECT"},
		"XML":                   {"<open/>", "it begins with a less-than sign, as in XML; a frame begins with a command, such as CONNECT"},
		"lower case":            {"connect\n\n\x00", "it begins with a lower-case letter; a frame begins with a command, such as CONNECT"},
		"lower case, no end":    {"hello", "it begins with a lower-case letter; a frame begins with a command, such as CONNECT"},
		"something else":        {"@connect", "it begins with a punctuation mark; a frame begins with a command, such as CONNECT"},
		"blank before":          {" CONNECT\n\n\x00", "the command line begins or ends with a blank"},
		"blank behind":          {"CONNECT \n\n\x00", "the command line begins or ends with a blank"},
		"another word":          {"HELLO", "unknown command"},
		"the beginning of one":  {"SEN\n", "unknown command"},
		"more than one":         {"SENDER", "unknown command"},
		"behind a frame before": {"\nACK\nid:a\n\n\x00{}", "it begins with a brace, as in JSON; a frame begins with a command, such as CONNECT"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeAt(stomp.V12, test.in)
			var wire *stomp.Error
			if !errors.As(err, &wire) || wire.Detail != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if _, err := decodeAt(stomp.V12, everyByte(test.in)...); !errors.As(err, &wire) {
				t.Errorf("byte by byte: %v, want an *Error", err)
			}
		})
	}
}

// STOMP 1.0 lets people write "destination: /queue/a"; from 1.1 on a blank belongs to the value.
func TestBlanksAroundHeaders(t *testing.T) {
	const in = "SUBSCRIBE\ndestination: /queue/message \t\nid \t:\ta\n\n\x00"
	trimmed := []stomp.Header{{"destination", "/queue/message"}, {"id", "a"}}
	asSent := []stomp.Header{{"destination", " /queue/message \t"}, {"id \t", "\ta"}}
	for v, want := range map[stomp.Version][]stomp.Header{stomp.V10: trimmed, stomp.V11: asSent, stomp.V12: asSent} {
		got, err := decodeAt(v, in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]stomp.Frame{{Command: stomp.CommandSubscribe, Headers: want}}, got); diff != "" {
			t.Errorf("at %v (-want +got):\n%s", v, diff)
		}
	}
	// The version is not known yet: a passcode may begin with a space.
	got, err := decodeAt(stomp.V10, "CONNECT\npasscode: secret\n\n\x00")
	if want := []stomp.Header{{"passcode", " secret"}}; err != nil || !cmp.Equal(want, got[0].Headers) {
		t.Errorf("CONNECT has %v, %v, want %v", got, err, want)
	}
	got[0].TrimBlanks()
	if want := []stomp.Header{{"passcode", "secret"}}; !cmp.Equal(want, got[0].Headers) {
		t.Errorf("after TrimBlanks CONNECT has %v, want %v", got[0].Headers, want)
	}
	_, err = decodeAt(stomp.V10, "SUBSCRIBE\n : a\n\n\x00")
	checkError(t, err, "malformed frame: a header has no name")
}

func TestOpen(t *testing.T) {
	for in, want := range map[string]bool{
		"": false, "\n": false, "CONN": true, "CONNECT\n": true, "CONNECT\na:b": true, "CONNECT\n\n": true, "CONNECT\n\n\x00": false, "CONNECT\n\n\x00\n": false,
		"SEND\ncontent-length:2\n\nab": true,
	} {
		d := stomp.NewDecoder(stomp.Limits{})
		if _, err := decode(d, in); err != nil || d.Open() != want {
			t.Errorf("after %q: open %v, %v, want %v", in, d.Open(), err, want)
		}
	}
}

func TestDefaultLimits(t *testing.T) {
	line := "k:" + strings.Repeat("v", stomp.DefaultLimits().Line-len("k:"))
	if _, err := decodeAt(stomp.V10, "SEND\n"+line+"\n\n\x00"); err != nil {
		t.Errorf("the longest line: %v", err)
	}
	if len(line) != 24<<10 {
		t.Errorf("the longest line has %d bytes, want 24 KiB", len(line))
	}
	for name, in := range map[string]string{
		"command": strings.Repeat("x", 34),
		"line":    "SEND\nk:" + strings.Repeat("v", 24<<10),
		"headers": "SEND\n" + strings.Repeat("k:v\n", 65),
		"body":    "SEND\n\n" + strings.Repeat("b", 64<<10+1),
	} {
		if _, err := decodeAt(stomp.V12, in); err == nil {
			t.Errorf("%s: no error, want one", name)
		}
	}
}

func TestIdleDecoderHoldsNothing(t *testing.T) {
	const frames = "\n\r\nSEND\na:b\ncontent-length:4\n\nbody\x00ACK\nid:1\n\n\x00\n"
	for how, parts := range map[string][]string{"at once": {frames}, "byte by byte": everyByte(frames)} {
		d := stomp.NewDecoder(stomp.Limits{})
		if _, err := decode(d, parts...); err != nil {
			t.Fatal(err)
		}
		if n := d.Held(); n != 0 {
			t.Errorf("%s: holds %d bytes between frames, want 0", how, n)
		}
	}
}

// What a frame claims about itself costs the peer nothing, so it must cost us nothing. (A known
// codec allocated 1.4 GB.)
func TestClaimsAllocateNothing(t *testing.T) {
	const most = 64 << 10
	tests := []struct {
		name string
		in   string
	}{
		{"content-length", "SEND\ncontent-length:1073741824\n\nx"},
		{"content-length over the limit", "SEND\ncontent-length:9223372036854775807\n\nx"},
		{"a long line in one piece", "SEND\n" + strings.Repeat("x", 16<<20)},
		{"a long command in one piece", strings.Repeat("x", 16<<20)},
		{"many headers in one piece", "SEND\n" + strings.Repeat("k:v\n", 4<<20)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := stomp.NewDecoder(stomp.Limits{Body: math.MaxInt32})
			in := []byte(tt.in)
			allocated := allocatedBytes(func() {
				d.Write(in)
				if _, err := d.Next(); err == nil {
					t.Error("got a frame, want none")
				}
			})
			if allocated > most {
				t.Errorf("%d bytes allocated, want at most %d", allocated, most)
			}
		})
	}
}

// However small the pieces, a frame costs memory in proportion to its own size.
func TestSmallPiecesAllocateLittle(t *testing.T) {
	const size = 16 << 10
	in := []byte("SEND\nk:" + strings.Repeat("v", size) + "\n\n" + strings.Repeat("b", size) + "\x00")
	d := stomp.NewDecoder(stomp.Limits{})
	var frames int
	allocated := allocatedBytes(func() {
		for i := range in {
			d.Write(in[i : i+1])
			if _, err := d.Next(); err == nil {
				frames++
			}
		}
	})
	if frames != 1 {
		t.Errorf("got %d frames, want 1", frames)
	}
	if allocated > 16*size {
		t.Errorf("%d bytes allocated for a frame of %d", allocated, len(in))
	}
}

func allocatedBytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
