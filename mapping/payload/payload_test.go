package payload_test

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/value"
)

// named returns the encoding of that name.
func named(t testing.TB, name string) *payload.Encoding {
	t.Helper()
	all := append(payload.Named(), payload.LenientJSON())
	i := slices.IndexFunc(all, func(e *payload.Encoding) bool { return e.Name == name })
	if i < 0 {
		t.Fatalf("no encoding %s", name)
	}
	return all[i]
}

// fromHex returns the bytes of hexadecimal digits, between which there may be spaces.
func fromHex(digits string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

type object = map[string]any
type list = []any

func TestNames(t *testing.T) {
	var got []string
	for _, e := range append(payload.Named(), payload.LenientJSON(), payload.CSV{Header: true, Comma: '\t'}.Encoding()) {
		takes := ""
		for size := range 2 {
			if e.Takes(size) {
				takes += string(rune('0' + size))
			}
		}
		got = append(got, e.Name+" "+takes)
	}
	want := []string{"json 1", "text 1", "empty 0", "ignore 01", "auto 1", "form 1", "cbor 1", "msgpack 1", "csv 1", "bytes 1",
		"{json: lenient} 1", `{csv: {header: true, comma: "\t"}} 1`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A textCase is a text payload with its value, or with the reason of its refusal.
type textCase struct {
	payload string
	want    any
}

func checkTexts(t *testing.T, e *payload.Encoding, cases []textCase) {
	t.Helper()
	for _, tt := range cases {
		check(t, e, []byte(tt.payload), tt.want)
	}
}

// check holds what is decoded against a value, or a refusal against its reason.
func check(t *testing.T, e *payload.Encoding, bytes []byte, want any) {
	t.Helper()
	d, err := e.Decode(bytes)
	if reason, refused := want.(refusal); refused {
		r, ok := err.(*value.Refusal)
		if !ok || r.Reason != "the payload "+string(reason) || !r.Payload || r.Kind == "" {
			t.Errorf("%s: %.60q: %v, %v, want %s", e.Name, bytes, d.Value, err, reason)
		}
		return
	}
	if diff := cmp.Diff(want, d.Value); diff != "" || err != nil {
		t.Errorf("%s: %.60q: %v (-want +got):\n%s", e.Name, bytes, err, diff)
	}
}

// refusal is what is said of the payload.
type refusal string

func TestText(t *testing.T) {
	checkTexts(t, named(t, "text"), []textCase{
		{"ä", "ä"}, {"\ufeffa\ufeff", "a\ufeff"}, {"\xff", refusal("is not UTF-8 text (payload: bytes would take it as it is)")},
		{strings.Repeat("a", value.MaxPayload+1), refusal("is 1048577 bytes; at most 1048576 are decoded")},
	})
}

func TestAuto(t *testing.T) {
	checkTexts(t, named(t, "auto"), []textCase{
		{` {"a":1} `, object{"a": int64(1)}}, {"\ufeff[1]", list{int64(1)}}, {"5", int64(5)}, {"true", true}, {`"a"`, "a"},
		{"online", "online"}, {"{online}", "{online}"}, {"\ufeffonline", "online"}, {"nan", "nan"}, {"21.5 C", "21.5 C"},
		{`{"a":1,"a":2}`, refusal(`has the key "a" twice in one object`)},
		{"\xff", refusal("is not UTF-8 text (payload: bytes would take it as it is)")},
	})
	for text, raw := range map[string]string{` {"a":1.0}`: `{"a":1.0}`, "online": ""} {
		if d, err := named(t, "auto").Decode([]byte(text)); d.Raw != raw || err != nil {
			t.Errorf("%s: raw %q, %v", text, d.Raw, err)
		}
	}
}

func TestForm(t *testing.T) {
	checkTexts(t, named(t, "form"), []textCase{
		{"From=%2B15550101&Body=Gr%C3%BC%C3%9Fe+%26+100%25%0A%F0%9F%99%82", object{"From": "+15550101", "Body": "Grüße & 100%\n🙂"}},
		{"a=1&b=2&a=3&a=&c", object{"a": list{"1", "3", ""}, "b": "2", "c": ""}},
		{"\ufeff&a=1=2;3&&=x\r\n", object{"a": "1=2;3", "": "x"}},
		{"a%20b+c=ü", object{"a b c": "ü"}},
		{"a=50%&b=1", refusal(`is not a form: the value of "a" has the invalid URL escape "%"; % is written %25`)},
		{"%zz=1", refusal(`is not a form: a key has the invalid URL escape "%zz"; % is written %25`)},
		{"a=%ff", refusal(`is not a form in UTF-8: the value of "a" is "\xff"`)},
		{"a=\xff", refusal("is not UTF-8 text (payload: bytes would take it as it is)")},
		{strings.Repeat("a&", 10_000), refusal("is a form of 10001 fields; at most 10000 are decoded")},
	})
}

func TestCSV(t *testing.T) {
	checkTexts(t, named(t, "csv"), []textCase{
		{"42,\"+1555\",\"21/01/27,11:00\",\"Hello, \"\"world\"\"\"", list{list{"42", "+1555", "21/01/27,11:00", `Hello, "world"`}}},
		{"\ufeff1,a\r\n\r\n2,b,c\n", list{list{"1", "a"}, list{"2", "b", "c"}}},
		{"\n", list{}},
		{"a,\"b\nc\"", list{list{"a", "b\nc"}}},
		{"1\na\"b\n", refusal(`is not CSV: line 2, column 2: bare " in non-quoted-field`)},
		{"\"a", refusal(`is not CSV: line 1, column 3: extraneous or missing " in quoted-field`)},
		{"\xff", refusal("is not UTF-8 text (payload: bytes would take it as it is)")},
		{strings.Repeat(",", 1<<17), refusal("holds more than 131072 values")},
		{strings.Repeat("a\n", 1<<17), refusal("holds more than 131072 values")},
	})
	checkTexts(t, payload.CSV{Header: true, Comma: ';'}.Encoding(), []textCase{
		{"id;text\n1;a,b\n2;\n", list{object{"id": "1", "text": "a,b"}, object{"id": "2", "text": ""}}},
		{"id;text\n", list{}},
		{"id;\n1;2", refusal("has no name for column 2 in its first row")},
		{"id;id\n1;2", refusal(`has the column "id" twice in its first row`)},
		{"id;text\n1;2\n3", refusal("has 1 columns in row 3, and 2 names in its first row")},
	})
}

// A binaryCase is a binary payload, as hexadecimal digits, with its value or its refusal.
type binaryCase struct {
	digits string
	want   any
}

func TestCBOR(t *testing.T) {
	at := time.Date(2021, 1, 27, 10, 0, 0, 0, time.UTC)
	for _, tt := range []binaryCase{
		{"a3 626964 01 6474657874 626869 627473 1a601139a0", object{"id": int64(1), "text": "hi", "ts": int64(1611741600)}},
		{"1b7fffffffffffffff", int64(1<<63 - 1)}, {"3b7fffffffffffffff", int64(-1 << 63)},
		{"1bffffffffffffffff", json.Number("18446744073709551615")}, {"3bffffffffffffffff", json.Number("-18446744073709551616")},
		{"c2 49 010000000000000000", json.Number("18446744073709551616")}, {"c2 41 05", int64(5)},
		{"43 00ff80", value.Bytes("\x00\xff\x80")}, {"c1 1a601139a0", at}, {"c0 74 323032312d30312d32375431303a30303a30305a", at},
		{"c1 fb 41d8044e68200000", at.Add(500 * time.Millisecond)},
		{"d8 20 63 612f62", "a/b"}, {"d9d9f7 81 c2 41 01", list{int64(1)}}, {"d8 25 41 00", value.Bytes("\x00")},
		{"84 f4 f5 f6 f7", list{false, true, nil, nil}},
		{"83 fb 3fb999999999999a fa 41aa6666 f9 3e00", list{0.1, 21.3, 1.5}}, {"fb 7e37e43c8800759c", 1e300}, {"fa 4b800000", 16777216.0},
		{"a3 01 61 61 20 61 62 41 63 61 64", object{"1": "a", "-1": "b", "c": "d"}},
		{"bf 61 61 9f 01 7f 61 62 61 63 ff ff ff", object{"a": list{int64(1), "bc"}}},
		{"a1 61 61 82 01 f9 7e00", refusal("holds NaN, which JSON does not have, at a[1]")},
		{"a1 01 f9 7c00", refusal(`holds an infinite number, which JSON does not have, at ["1"]`)},
		{"c1 f9 7e00", refusal("holds NaN, which JSON does not have")}, {"c1 fb 7e37e43c8800759c", refusal("holds a time that is none")}, {"c0 61 61", refusal("holds a time that is none")}, {"c2 01", refusal("holds a tag of big numbers without bytes")}, {"c3 41 05", int64(-6)}, {"83 f9 0001 f9 c000 f9 7bff", list{5.9604645e-08, -2.0, 65504.0}},
		{"f8 20", refusal("holds the simple value 32, which has no meaning here")},
		{"a2 61 61 01 61 61 02", refusal(`holds the key "a" twice in one object at a`)},
		{"a1 61 62 a2 01 01 61 31 02", refusal(`holds the key "1" twice in one object at b["1"]`)},
		{"a1 f5 01", refusal("holds a key that is neither text nor a whole number")},
		{"a1 81 01 01", refusal("holds a key that is neither text nor a whole number")},
		{"a1 41 ff 01", refusal("holds a key that is neither text nor a whole number")},
		{"01 02", refusal("is not CBOR: 1 bytes of extraneous data starting at index 1")},
		{"82 01", refusal("is not CBOR: it ends within a value")}, {"19", refusal("is not CBOR: it ends within a value")},
		{"9a ffffffff 01", refusal("holds more than 131072 values")},
		{"9b ffffffffffffffff", refusal("is not CBOR: array length 18446744073709551615 is too large, it would cause integer overflow")},
		{"7b 7fffffffffffffff 61", refusal("is not CBOR: it ends within a value")},
		{"61 ff", refusal("holds text that is not UTF-8")}, {"1c", refusal("is not CBOR: invalid additional information 28 for type positive integer")},
		{strings.Repeat("81", 65) + "80", refusal("nests deeper than 64 levels")},
		{strings.Repeat("80", 1<<17+1), refusal("holds more than 131072 values")},
		{"c2 59 0400" + strings.Repeat("ff", 1024), refusal("holds a whole number of 8192 bits")},
	} {
		check(t, named(t, "cbor"), fromHex(tt.digits), tt.want)
	}
}

func TestMessagePack(t *testing.T) {
	at := time.Date(2021, 1, 27, 10, 0, 0, 0, time.UTC)
	for _, tt := range []binaryCase{
		{"83 a26964 01 a474657874 a26869 a27473 ce601139a0", object{"id": int64(1), "text": "hi", "ts": int64(1611741600)}},
		{"cf 7fffffffffffffff", int64(1<<63 - 1)}, {"d3 8000000000000000", int64(-1 << 63)}, {"cf ffffffffffffffff", json.Number("18446744073709551615")},
		{"96 cc ff cd ffff d0 80 d1 8000 d2 80000000 e0", list{int64(255), int64(65535), int64(-128), int64(-32768), int64(-1 << 31), int64(-32)}},
		{"94 c2 c3 c0 7f", list{false, true, nil, int64(127)}}, {"92 ca 41aa6666 cb 3fb999999999999a", list{21.3, 0.1}},
		{"c4 03 00ff80", value.Bytes("\x00\xff\x80")}, {"a1 ff", value.Bytes("\xff")}, {"d9 01 61", "a"}, {"da 0001 61", "a"}, {"db 00000001 61", "a"},
		{"dc 0001 01", list{int64(1)}}, {"dd 00000001 01", list{int64(1)}}, {"de 0001 a161 90", object{"a": list{}}}, {"df 00000001 a161 80", object{"a": object{}}},
		{"d6 ff 601139a0", at}, {"d7 ff 7735 9400 6011 39a0", at.Add(500 * time.Millisecond)}, {"c7 0c ff 1dcd6500 00000000601139a0", at.Add(500 * time.Millisecond)},
		{"d4 05 ab", value.Bytes("\xab")}, {"c7 00 05", value.Bytes("")},
		{"83 01 a161 ff a162 c4 01 63 a164", object{"1": "a", "-1": "b", "c": "d"}},
		{"81 a161 92 01 ca 7fc00000", refusal("holds NaN, which JSON does not have, at a[1]")},
		{"82 a161 01 a161 02", refusal(`holds the key "a" twice in one object at a`)},
		{"81 90 01", refusal("holds a key that is neither text nor a whole number")}, {"81 cb 3ff8000000000000 01", refusal("holds a key that is neither text nor a whole number")},
		{"81 a161 d4 ff 00", refusal("holds a time that is none at a")}, {"d7 ff ffffffff ffffffff", refusal("holds a time that is none")},
		{"c7 0c ff 00000000 7fffffffffffffff", refusal("holds a time that is none")},
		{"01 02", refusal("is not MessagePack: 1 bytes follow the value")}, {"92 01", refusal("is not MessagePack: it ends within a value")},
		{"c1", refusal("is not MessagePack: no value begins with the byte 0xc1")}, {"cd 01", refusal("is not MessagePack: it ends within a value")},
		{"dd ffffffff 0101010101", refusal("is not MessagePack: it ends within a value")}, {"df ffffffff 0101010101", refusal("is not MessagePack: it ends within a value")},
		{"db ffffffff 6161616161", refusal("is not MessagePack: it ends within a value")}, {"c6 ffffffff 61", refusal("is not MessagePack: it ends within a value")},
		{"c9 ffffffff 05 61", refusal("is not MessagePack: it ends within a value")}, {"c8 ff", refusal("is not MessagePack: it ends within a value")},
		{strings.Repeat("91", 65) + "90", refusal("nests deeper than 64 levels")},
		{"dd 00020001" + strings.Repeat("90", 1<<17+1), refusal("holds more than 131072 values")},
	} {
		check(t, named(t, "msgpack"), fromHex(tt.digits), tt.want)
	}
}

// Lists nest as deep in every encoding as in JSON.
func TestDepth(t *testing.T) {
	for name, nested := range map[string]func(depth int) []byte{
		"json":    func(depth int) []byte { return []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth)) },
		"cbor":    func(depth int) []byte { return fromHex(strings.Repeat("81", depth-1) + "80") },
		"msgpack": func(depth int) []byte { return fromHex(strings.Repeat("91", depth-1) + "90") },
	} {
		for depth, want := range map[int]bool{value.MaxDepth + 1: true, value.MaxDepth + 2: false, 10_000: false} {
			if _, err := named(t, name).Decode(nested(depth)); (err == nil) != want {
				t.Errorf("%s, %d lists: %v", name, depth, err)
			}
		}
	}
}
