package value_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/value"
)

func decode(t *testing.T, text string) value.Document {
	t.Helper()
	d, err := value.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

func TestTexts(t *testing.T) {
	const text = ` {"z": {"b\"]": [ 1.0, {"x" :"]"} ], "a": [ ]} , "l":[{"n":1},{"n":1}, [], [ ]], "o":{ }} `
	d := decode(t, text)
	var texts value.Texts
	texts.Add(d)
	other := decode(t, `{"o" : 1e0}`)
	texts.Add(other)
	root := d.Value.(map[string]any)
	z, l := root["z"].(map[string]any), root["l"].([]any)
	if n, want := texts.Unread(), len(strings.TrimSpace(text))+len(other.Raw); n != want {
		t.Errorf("%d bytes are unread, want %d", n, want)
	}
	for want, v := range map[string]any{
		strings.TrimSpace(text): root, `{"b\"]": [ 1.0, {"x" :"]"} ], "a": [ ]}`: z, `[ 1.0, {"x" :"]"} ]`: z[`b"]`], `[ ]`: z["a"],
		`[{"n":1},{"n":1}, [], [ ]]`: l, `{"n":1}`: l[1], `{ }`: root["o"], `{"o" : 1e0}`: other.Value,
	} {
		if got, _ := texts.Of(v); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for name, v := range map[string]any{
		"a copy": map[string]any{"n": int64(1)}, "a part of a list": l[1:], "another part": l[:1], "no part": l[:0], "an empty list": []any{}, "no list": []any(nil),
		"no object": map[string]any(nil), "text": "x", "nothing": nil, "another document's": decode(t, text).Value,
	} {
		if got, ok := texts.Of(v); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
	if texts.Unread() != 0 {
		t.Errorf("%d bytes are unread", texts.Unread())
	}
	made := map[string]any{"b": []any{z["a"], "<", other.Value}, "a": l[1:2]}
	got, err := texts.AppendJSON(nil, made)
	if want := `{"a":[{"n":1}],"b":[[ ],"<",{"o" : 1e0}]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	texts.Reset()
	if got, ok := texts.Of(root); ok {
		t.Errorf("after Reset: %q", got)
	}
	var none *value.Texts
	none.Add(d)
	if _, ok := none.Of(root); ok || none.Unread() != 0 {
		t.Error("no texts know one")
	}
}

// Numbers keep their bytes, and are the numbers that they are.
func TestNumbersKeepTheirText(t *testing.T) {
	for _, text := range []string{
		"0", "1", "-1", "1.0", "0.0", "-0.0", "1.50", "1.5", "-1.5", "1e2", "1E2", "1e+2", "1.5e-7", "0.1", "0.000001", "0.0000001", "0.00000123",
		"123456789012345", "1234567890.12345", "1234567890.123456", "0.1234567890123456789", "9007199254740993", "9223372036854775808", "1e400", "-1e-400",
		"100.25", "99999999999999.9", "0.30000000000000004", "1e21", "123456789012345678901234567890.5",
	} {
		d := decode(t, text)
		got, err := value.AppendJSON(nil, d.Value)
		if err != nil || string(got) != text {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	}
	for range 20_000 { // what is decoded as a float64 has the text of it
		text := strings.TrimRight(fmt.Sprintf("%.*f", rand.IntN(12)+1, (rand.Float64()-0.5)*pow10(rand.IntN(12))), "")
		if got, err := value.AppendJSON(nil, decode(t, text).Value); err != nil || string(got) != text {
			t.Fatalf("%s became %s, %v", text, got, err)
		}
	}
	for text, want := range map[string]any{"1.5": 1.5, "-0.25": -0.25, "1.0": json.Number("1.0"), "7": int64(7), "1e2": json.Number("1e2")} {
		if diff := cmp.Diff(want, decode(t, text).Value); diff != "" {
			t.Errorf("%s: -want +got:\n%s", text, diff)
		}
	}
}

func pow10(n int) float64 {
	f := 1.0
	for range n {
		f *= 10
	}
	return f
}

func TestEqual(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true}, {"1e2", "100", true}, {"0.5", "0.50", true}, {"0", "-0.0", true}, {"1", "2", false}, {"1", `"1"`, false},
		{"9007199254740993", "9007199254740992", false}, {"18446744073709551616", "18446744073709551617", false}, {"1e400", "1e401", false},
		{"1e400", "1e400", true}, {"1", "null", false}, {"null", "null", true}, {"true", "true", true}, {`"a"`, `"a"`, true}, {`"a"`, `"b"`, false},
		{"[1,2.0]", "[1.0,2]", true}, {"[1]", "[1,2]", false}, {"[]", "{}", false}, {`{"a":[{"b":1.0}]}`, `{ "a" : [ {"b":1} ] }`, true},
		{`{"a":1}`, `{"b":1}`, false}, {`{"a":null}`, `{}`, false}, {`1`, `[1]`, false}, {`"a"`, `{"a":1}`, false}, {"true", "[]", false},
	}
	for _, tt := range tests {
		a, b := decode(t, tt.a).Value, decode(t, tt.b).Value
		if equal(a, b) != tt.want || equal(b, a) != tt.want {
			t.Errorf("%s and %s: want %t", tt.a, tt.b, tt.want)
		}
	}
}

func equal(a, b any) bool {
	work := 1000
	return value.Equal(a, b, &work)
}

// What Equal costs ends with the work that it may do.
func TestWorkOfEqual(t *testing.T) {
	list := []any{strings.Repeat("a", 1600), json.Number(strings.Repeat("1", 100)), map[string]any{"a": nil}}
	for _, work := range []int{0, 1, 2, 100, 200, 1000} {
		left := work
		if got, want := value.Equal(list, slices.Clone(list), &left), work == 1000; got != want || left >= 0 != want {
			t.Errorf("with %d: %v, %d left", work, got, left)
		}
	}
}
