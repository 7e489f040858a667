package value_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/value"
)

func TestDecodeJSON(t *testing.T) {
	const text = ` {"a": [1, -2.5, 1e2, 9223372036854775808, "\u00e4\"", true, null], "": {}} `
	want := map[string]any{
		"a": []any{int64(1), -2.5, json.Number("1e2"), json.Number("9223372036854775808"), "ä\"", true, nil}, "": map[string]any{},
	}
	d, err := value.DecodeJSON([]byte(text))
	if err != nil || d.Raw != strings.TrimSpace(text) {
		t.Fatalf("%q, %v", d.Raw, err)
	}
	if diff := cmp.Diff(want, d.Value); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is refused is said without a subject, and with OfPayload of "the payload".
func TestRefusals(t *testing.T) {
	const lenient, text = " (payload: {json: lenient} would take it)", " (payload: text would take it as it is)"
	for _, tt := range []struct {
		payload, kind, reason, hint string
	}{
		{"hello", "not JSON", "is not JSON: invalid character 'h' looking for beginning of value", text},
		{"\ufeffhello", "not JSON", "is not JSON: invalid character 'h' looking for beginning of value", text},
		{`{"a"}`, "not JSON", "is not JSON: invalid character '}' after object key, at byte 5 of 5", ""},
		{"\xff", "not UTF-8", "is not UTF-8 text", " (payload: bytes would take it as it is)"},
		{`{"a":1,"a":2}`, "duplicate key", `has the key "a" twice in one object`, ""},
		{strings.Repeat("[", 66) + strings.Repeat("]", 66), "too deep", "nests deeper than 64 levels", ""},
		{strings.Repeat(" ", value.MaxPayload+1), "too large", "is 1048577 bytes; at most 1048576 are decoded", ""},
		{`{"t": [1, {"x\"": 5, "a b": NaN}]}`, "not JSON", `is not JSON: t[1]["a b"] is NaN, at byte 29 of 34, and JSON has no such number: it allows null there`, lenient},
		{`[{"a":{}},[],-Infinity]`, "not JSON", `is not JSON: [2] is -Infinity, at byte 14 of 23, and JSON has no such number: it allows null there`, lenient},
		{`{"v":nan}`, "not JSON", `is not JSON: v is nan, at byte 6 of 9, and JSON has no such number: it allows null there`, lenient},
		{`{"v":"nan","w":-inf,"v":`, "not JSON", `is not JSON: w is -inf, at byte 16 of 24, and JSON has no such number: it allows null there`, ""},
		{`nan`, "not JSON", `is not JSON: it is nan, and JSON has no such number`, lenient},
		{`{"a":1,}`, "not JSON", `is not JSON: invalid character '}' looking for beginning of object key string, at byte 8 of 8`, lenient},
		{`// a comment`, "not JSON", `is not JSON: invalid character '/' looking for beginning of value`, text},
		{`"inf`, "not JSON", `is not JSON: unexpected end of JSON input, at byte 4 of 4`, ""},
		{`{"a":"\"inf`, "not JSON", `is not JSON: unexpected end of JSON input, at byte 11 of 11`, ""},
		{"[\"nan\x01\"]", "not JSON", `is not JSON: invalid character '\x01' in string literal, at byte 6 of 8`, ""},
		{`{} nan`, "not JSON", `is not JSON: invalid character 'n' after top-level value, at byte 4 of 6`, ""},
	} {
		_, err := value.DecodeJSON([]byte(tt.payload))
		r, ok := err.(*value.Refusal)
		if !ok || r.Kind != tt.kind || r.Reason != tt.reason || r.Payload {
			t.Errorf("%.40q: %v, want %s: %s", tt.payload, err, tt.kind, tt.reason)
			continue
		}
		r, ok = value.OfPayload(err).(*value.Refusal)
		if want := "the payload " + tt.reason + tt.hint; !ok || r.Kind != tt.kind || r.Reason != want || !r.Payload {
			t.Errorf("%.40q: %v, want %s", tt.payload, r, want)
		}
	}
}

func TestDecodeLenientJSON(t *testing.T) {
	for _, tt := range []struct{ text, raw string }{
		{` {"a": 1.50} `, `{"a": 1.50}`},
		{"\ufeff[1]", `[1]`},
		{`[NaN, nan, -nan, Infinity, -Infinity, +inf, INF]`, `[null, null, null, null, null, null, null]`},
		{`{"NaN": "nan // , }", "b": nan,}`, `{"NaN": "nan // , }", "b": null }`},
		{"{// one\n\"a\": 1, /* two, */ }", "{      \n\"a\": 1             }"},
		{`[[1,],{"a":2 , },]`, `[[1 ],{"a":2   } ]`},
		{`["\\",]`, `["\\" ]`},
		{`[{"a":[],},]`, `[{"a":[] } ]`},
	} {
		d, err := value.DecodeLenientJSON([]byte(tt.text))
		if err != nil || d.Raw != tt.raw {
			t.Errorf("%s: %s, %v, want %s", tt.text, d.Raw, err, tt.raw)
		}
		strict, err := value.DecodeJSON([]byte(tt.raw))
		if diff := cmp.Diff(strict, d); diff != "" || err != nil {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
	for _, text := range []string{``, `[,]`, `{,}`, `[1,,]`, `,`, `[1],`, `{"a":,}`, `{a: 1}`, `['a']`, `/* open`, `"open`, `[nano]`, `[1nan]`, `{nan: 1}`, `[1] /`} {
		if d, err := value.DecodeLenientJSON([]byte(text)); value.KindOf(err) != "not JSON" {
			t.Errorf("%s: %v, %v", text, d, err)
		}
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

// AppendTime writes every time as its layout has it.
func TestAppendTime(t *testing.T) {
	times := []time.Time{{}, time.Unix(0, -1), time.UnixMilli(1611741600123), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(0, 2, 29, 23, 59, 59, 999_999_999, time.FixedZone("", 3600)), time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))}
	for range 1000 {
		times = append(times, time.Unix(rand.Int64N(1<<38)-1<<37, rand.Int64N(1e9)))
	}
	for _, at := range times {
		if got, want := string(value.AppendTime(nil, at)), at.UTC().Format(`"`+value.TimeLayout+`"`); got != want {
			t.Errorf("%s, want %s", got, want)
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
