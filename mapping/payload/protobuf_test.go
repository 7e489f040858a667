package payload_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/value"
)

const eventProto = `syntax = "proto3";
package test;
import "parts/part.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/duration.proto";
message Event {
  string name = 1;
  bytes data = 2;
  uint64 big = 3;
  sint32 small = 4;
  float celsius = 5;
  State state = 6;
  repeated Part parts = 7;
  map<uint32, string> labels = 8;
  oneof body { string text = 9; int64 number = 10; }
  optional bool read = 11;
  google.protobuf.Timestamp at = 12;
  google.protobuf.Struct object = 13;
  google.protobuf.StringValue nick = 14;
  repeated fixed32 packed = 15;
  Event inner = 16;
  google.protobuf.Duration took = 17;
  message Nested { bool ok = 1; }
}
message One { string a = 1; }
enum State { NEW = 0; DONE = 1; }
`

var protoFiles = map[string]string{
	"event.proto":      eventProto,
	"parts/part.proto": "syntax = \"proto2\";\npackage test;\nmessage Part { required string id = 1; optional double weight = 2 [default = 5]; optional group More = 3 { optional int32 x = 4; } extensions 100 to 200; }\n",
}

func schema(t testing.TB, name string) (*payload.Schema, []error) {
	t.Helper()
	return payload.CompileSchema(name, func(name string) ([]byte, error) {
		text, ok := protoFiles[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	})
}

func eventEncoding(t testing.TB, message string) *payload.Encoding {
	t.Helper()
	s, mistakes := schema(t, "event.proto")
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	return s.Encoding("protobuf", message)
}

// A message is written as its fields.
type message []byte

func (m message) varint(n protowire.Number, v uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), v)
}

func (m message) bytes(n protowire.Number, v string) message {
	return protowire.AppendString(protowire.AppendTag(m, n, protowire.BytesType), v)
}

func TestMessages(t *testing.T) {
	s, _ := schema(t, "event.proto")
	if diff := cmp.Diff([]string{"test.Event", "test.Event.Nested", "test.One"}, s.Messages()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProtobuf(t *testing.T) {
	part := message{}.bytes(1, "p1")
	group := protowire.AppendTag(protowire.AppendVarint(protowire.AppendTag(protowire.AppendTag(nil, 3, protowire.StartGroupType), 4, protowire.VarintType), 7), 3, protowire.EndGroupType)
	single := protowire.AppendFixed32(protowire.AppendTag(nil, 5, protowire.Fixed32Type), 0x41aa6666)
	nan := protowire.AppendFixed32(protowire.AppendTag(nil, 5, protowire.Fixed32Type), 0x7fc00000)
	number := protowire.AppendFixed64(protowire.AppendTag(nil, 2, protowire.Fixed64Type), 0x4014000000000000)
	for name, tt := range map[string]struct {
		payload message
		fields  object // those that are not the defaults
	}{
		"scalars":            {message{}.bytes(1, "ü").bytes(2, "\x00\xff").varint(3, 1<<64-1).varint(4, 3), object{"name": "ü", "data": "AP8=", "big": json.Number("18446744073709551615"), "small": int64(-2)}},
		"a float of 32 bits": {message(single), object{"celsius": 21.3}},
		"enumerations":       {message{}.varint(6, 1), object{"state": "DONE"}},
		"an unknown number":  {message{}.varint(6, 77), object{"state": int64(77)}},
		"messages":           {message{}.bytes(7, string(part)).bytes(7, string(group)), object{"parts": list{object{"id": "p1"}, object{"more": object{"x": int64(7)}}}}},
		"a map":              {message{}.bytes(8, string(message{}.varint(1, 5).bytes(2, "five"))), object{"labels": object{"5": "five"}}},
		"one of":             {message{}.bytes(9, "text"), object{"text": "text"}},
		"the last one of":    {message{}.bytes(9, "text").varint(10, 0), object{"number": int64(0)}},
		"presence":           {message{}.varint(11, 0), object{"read": false}},
		"a time":             {message{}.bytes(12, string(message{}.varint(1, 1611741600).varint(2, 5e8))), object{"at": time.Date(2021, 1, 27, 10, 0, 0, 5e8, time.UTC)}},
		"an object": {message{}.bytes(13, string(message{}.bytes(1, string(message{}.bytes(1, "a").bytes(2, string(message{}.bytes(6, string(message{}.bytes(1, string(number)).bytes(1, string(message{}.varint(1, 0))).bytes(1, string(message{}.varint(4, 1))))))))))),
			object{"object": object{"a": list{5.0, nil, true}}}},
		"a wrapper":      {message{}.bytes(14, string(message{}.bytes(1, "nick"))), object{"nick": "nick"}},
		"packed":         {message{}.bytes(15, "\x01\x00\x00\x00\x02\x00\x00\x00"), object{"packed": list{int64(1), int64(2)}}},
		"unknown fields": {message{}.varint(99, 1).bytes(98, "x"), object{}},
		"a duration":     {message{}.bytes(17, string(message{}.varint(1, 5))), object{"took": object{"seconds": int64(5), "nanos": int64(0)}}},
	} {
		want := object{"name": "", "data": "", "big": int64(0), "small": int64(0), "celsius": 0.0, "state": "NEW", "parts": list{}, "labels": object{}, "packed": list{}}
		for k, v := range tt.fields {
			want[k] = v
		}
		t.Log(name)
		check(t, eventEncoding(t, "test.Event"), tt.payload, want)
	}
	for _, tt := range []struct {
		payload message
		reason  refusal
	}{
		{message(nan), "holds NaN, which JSON does not have, at celsius"},
		{message{}.bytes(16, string(nan)), "holds NaN, which JSON does not have, at inner.celsius"},
		{message{}.bytes(7, string(message{}.bytes(1, "\xff"))), "holds text that is not UTF-8 at parts[0].id"},
		{message{}.bytes(1, "\xff"), "is not a message test.Event: field test.Event.name contains invalid UTF-8"},
		{message{}.bytes(12, string(message{}.varint(1, 1<<62))), "holds a time that is none at at"},
		{message{}.bytes(8, string(message{}.varint(1, 5).bytes(1, "five"))), "is not a message test.Event: a key of a map is of another type"},
		{message{}.bytes(13, string(message{}.bytes(1, string(message{}.bytes(1, "a").varint(1, 5))))), "is not a message test.Event: a key of a map is of another type"},
		{message("\x0a\x05a"), "is not a message test.Event: it ends within a field"},
		{message("\xff"), "is not a message test.Event: it ends within a field"},
		{message("\x07"), "is not a message test.Event: invalid field number"},
		{message("\x00\x00"), "is not a message test.Event: invalid field number"},
		{message("\x0c"), "is not a message test.Event: mismatching end group marker"},
	} {
		check(t, eventEncoding(t, "test.Event"), tt.payload, tt.reason)
	}
}

// innerEvents are events within events.
func innerEvents(n int) string {
	m := message{}
	for range n {
		m = message{}.bytes(16, string(m))
	}
	return string(m)
}

func TestProtobufBounds(t *testing.T) {
	event := eventEncoding(t, "test.Event")
	for n, want := range map[int]bool{value.MaxDepth: true, value.MaxDepth + 1: false, 1000: false} {
		if _, err := event.Decode([]byte("\x0a\x01a" + innerEvents(n))); (err == nil) != want || err != nil && value.KindOf(err) != "too deep" {
			t.Errorf("%d events within each other: %v", n, err)
		}
	}
	n := allocated(func() {
		if d, err := event.Decode([]byte(strings.Repeat("\x3a\x00", 32_000))); err != nil || len(d.Value.(object)["parts"].(list)) != 32_000 {
			t.Errorf("32000 empty messages: %v", err)
		}
	})
	if t.Logf("32000 empty messages: %d KiB", n>>10); n > maxGrowth {
		t.Errorf("32000 empty messages: %d bytes are taken", n)
	}
	for name, p := range map[string]string{
		"empty messages":        strings.Repeat("\x3a\x00", 1<<19),
		"a claimed length":      "\x3a\xff\xff\xff\xff\x0f",
		"packed":                string(message{}.bytes(15, strings.Repeat("\x00", 1<<20-16))),
		"strings":               strings.Repeat("\x0a\x01a", 300_000),
		"members":               strings.Repeat("\x42\x02\x08\x01", 1<<18),
		"groups without an end": strings.Repeat("\x1b", 1<<20),
		"events":                strings.Repeat("\x82\x01\x00", 300_000),
	} {
		n := allocated(func() {
			if _, err := event.Decode([]byte(p)); err == nil {
				t.Errorf("%s: no refusal", name)
			}
		})
		if t.Logf("%s: %d KiB", name, n>>10); n > maxGrowth {
			t.Errorf("%s: %d bytes are taken", name, n)
		}
	}
}

// Mistakes in .proto files have their places there.
func TestSchemaMistakes(t *testing.T) {
	protoFiles["tags.proto"] = "syntax = \"proto3\";\nmessage A { string a = 1; int32 b = 1; }\n"
	protoFiles["types.proto"] = "syntax = \"proto3\";\nmessage A { strin a = 1; B b = 2; }\n"
	protoFiles["nowhere.proto"] = "syntax = \"proto3\";\nimport \"none.proto\";\nimport \"google/protobuf/none.proto\";\n"
	protoFiles["up.proto"] = "syntax = \"proto3\";\nimport \"../up.proto\";\n"
	protoFiles["syntax.proto"] = "syntax = \"proto3\";\nmessage A {\n  int32 a 1;\n"
	protoFiles["imports.proto"] = "syntax = \"proto3\";\nimport \"syntax.proto\";\n"
	protoFiles["cycle.proto"] = "syntax = \"proto3\";\nimport \"cycle.proto\";\n"
	protoFiles["empty.proto"] = ""
	for name, want := range map[string][]string{
		"tags.proto":    {`tags.proto:2:37: message A: fields a and b both have the same tag 1`},
		"types.proto":   {`types.proto:2:13: field A.a: unknown type strin`, `types.proto:2:26: field A.b: unknown type B`},
		"nowhere.proto": {`nowhere.proto:2:8: could not resolve path "none.proto": file does not exist`},
		"up.proto":      {`up.proto:2:8: could not resolve path "../up.proto": it leads out of the folders where imports are looked for`},
		"syntax.proto":  {`syntax.proto:3:11: syntax error: expecting ';'`, `syntax.proto:3:11: syntax error: unexpected int literal`},
		"imports.proto": {`syntax.proto:3:11: syntax error: expecting ';'`, `syntax.proto:3:11: syntax error: unexpected int literal`},
		"cycle.proto":   {`cycle.proto:2:8: cycle found in imports: "cycle.proto" -> "cycle.proto"`},
		"empty.proto":   nil,
		"absent.proto":  {`could not resolve path "absent.proto": file does not exist`},
	} {
		_, mistakes := schema(t, name)
		var got []string
		for _, m := range mistakes {
			got = append(got, fmt.Sprint(m))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzProtobuf(f *testing.F) {
	fuzzDecoder(f, eventEncoding(f, "test.Event"), string(message{}.bytes(1, "ü").bytes(2, "\x00").varint(3, 1<<64-1).varint(6, 77)),
		string(message{}.bytes(7, string(message{}.bytes(1, "p1"))).bytes(8, string(message{}.varint(1, 5)))), innerEvents(70), "\x3a\xff\xff\xff\xff\x0f",
		string(message{}.bytes(12, string(message{}.varint(1, 1611741600)))), string(message{}.bytes(13, string(message{}.bytes(1, string(message{}.bytes(1, "a").bytes(2, string(message{}.bytes(6, "")))))))))
}
