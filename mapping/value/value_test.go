package value_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/value"
)

func TestDecodeJSON(t *testing.T) {
	const text = ` {"a": [1, -2.5, 1e2, 9223372036854775808, "\u00e4\"", true, null], "": {}} `
	want := map[string]any{
		"a": []any{int64(1), -2.5, 100.0, json.Number("9223372036854775808"), "ä\"", true, nil}, "": map[string]any{},
	}
	d, err := value.DecodeJSON([]byte(text))
	if err != nil || d.Raw != strings.TrimSpace(text) {
		t.Fatalf("%q, %v", d.Raw, err)
	}
	if diff := cmp.Diff(want, d.Value); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is refused is said of "the payload" by an encoding, and without a subject by DecodeJSON.
func TestRefusals(t *testing.T) {
	jsonEncoding, text := value.Encodings()[0], value.Encodings()[1]
	for _, tt := range []struct {
		encoding       *value.Encoding
		payload        string
		kind, sentence string
	}{
		{jsonEncoding, "hello", "not JSON", "the payload is not JSON: invalid character 'h' looking for beginning of value (payload: text would take it as it is)"},
		{jsonEncoding, `{"a"}`, "not JSON", "the payload is not JSON: invalid character '}' after object key, at byte 5 of 5"},
		{jsonEncoding, "\xff", "not UTF-8", "the payload is not UTF-8 text (payload: ignore does not look at it)"},
		{jsonEncoding, `{"a":1,"a":2}`, "duplicate key", `the payload has the key "a" twice in one object`},
		{jsonEncoding, strings.Repeat("[", 66) + strings.Repeat("]", 66), "too deep", "the payload nests deeper than 64 levels"},
		{text, strings.Repeat("a", value.MaxPayload+1), "too large", "the payload is 1048577 bytes; at most 1048576 are decoded"},
		{text, "\xff", "not UTF-8", "the payload is not UTF-8 text (payload: ignore does not look at it)"},
	} {
		_, err := tt.encoding.Decode([]byte(tt.payload))
		r, ok := err.(*value.Refusal)
		if !ok || r.Kind != tt.kind || r.Reason != tt.sentence || !r.Payload {
			t.Errorf("%.20q: %#v, want %s: %s", tt.payload, err, tt.kind, tt.sentence)
		}
	}
	if _, err := value.DecodeJSON([]byte("hello")); err == nil || err.Error() != "is not JSON: invalid character 'h' looking for beginning of value" {
		t.Errorf("DecodeJSON: %v", err)
	}
}

func TestEncodings(t *testing.T) {
	var got []string
	for _, e := range value.Encodings() {
		takes := ""
		for size := range 2 {
			if e.Takes(size) {
				takes += string(rune('0' + size))
			}
		}
		got = append(got, e.Name+" "+takes)
	}
	if diff := cmp.Diff([]string{"json 1", "text 1", "empty 0", "ignore 01"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAppendJSON(t *testing.T) {
	for want, v := range map[string]any{
		`null`: nil, `true`: true, `"<a>"`: "<a>", `7`: 7, `-9223372036854775808`: int64(math.MinInt64), `0.1`: 0.1, `1e400`: json.Number("1e400"),
		`"2021-01-27T10:00:00.123Z"`: time.UnixMilli(1611741600123), `[1,{"a":2,"b":[]}]`: []any{1, map[string]any{"b": []any{}, "a": 2}},
	} {
		if got, err := value.AppendJSON([]byte("x"), v); err != nil || string(got) != "x"+want {
			t.Errorf("%v: %s, %v, want %s", v, got, err, want)
		}
	}
	for _, v := range []any{math.NaN(), []any{math.Inf(1)}, struct{}{}, []any{strings.Repeat("a", value.MaxText), 1, 2}} {
		if b, err := value.AppendJSON(nil, v); err == nil {
			t.Errorf("%.20v: %.20s", v, b)
		}
	}
}

func TestRaw(t *testing.T) {
	const text = `{"a" : [ 1.0, {"b}": "]\"" } ], "c":null}`
	for want, steps := range map[string][]value.Step{
		text:             nil,
		`1.0`:            {{Key: "a"}, {IsIndex: true}},
		`{"b}": "]\"" }`: {{Key: "a"}, {Index: 1, IsIndex: true}},
		`"]\""`:          {{Key: "a"}, {Index: 1, IsIndex: true}, {Key: "b}"}},
		`null`:           {{Key: "c"}},
		"none":           {{Key: "c"}, {Key: "d"}},
		"none ":          {{Key: "a"}, {Index: -1, IsIndex: true}},
	} {
		got, ok := value.RawAt(text, steps)
		if !ok {
			got = "none"
		}
		if got != strings.TrimSpace(want) && got != want {
			t.Errorf("%v: %s, want %s", steps, got, want)
		}
	}
	if diff := cmp.Diff([]string{"1.0", `{"b}": "]\"" }`}, value.RawElements(`[ 1.0, {"b}": "]\"" } ]`)); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
}

func TestText(t *testing.T) {
	for want, v := range map[string]any{"a": "a", "7": 7, "-8": int64(-8), "1": 1.0, "-100": json.Number("-1e2"), "2": value.Bytes("2"),
		"123456789012345678901234567890": json.Number("123456789012345678901234567890")} {
		if got, err := value.Text(v); err != nil || got != want {
			t.Errorf("%v: %q, %v, want %q", v, got, err, want)
		}
	}
	for _, v := range []any{nil, true, 1.5, json.Number("1e400"), 9007199254740992.0, value.Bytes("\xff"), []any{}, map[string]any{}, time.Time{}} {
		if got, err := value.Text(v); err == nil || value.KindOf(err) != "not text" {
			t.Errorf("%v: %q, %v", v, got, err)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{"a\n": `"a\n"`, strings.Repeat("ä", 41): `"` + strings.Repeat("ä", 40) + `…"`, "a" + strings.Repeat("ä", 41): `"a` + strings.Repeat("ä", 39) + `…"`} {
		if got := value.Quote(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
