package expression_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/value"
)

// Values of any encoding are the same as those of JSON: text and bytes by their bytes, numbers by
// their value.
func TestEqual(t *testing.T) {
	d := data{payload: map[string]any{
		"text": "a", "bytes": value.Bytes("a"), "one": json.Number("1.0"), "float": 1.0, "int": int64(1), "yes": true,
		"huge": json.Number("123456789012345678901234567890"), "huger": json.Number("123456789012345678901234567891"), "nan": json.Number("1e400"),
		"list": []any{value.Bytes("a"), json.Number("1.0")}, "object": map[string]any{"a": 1.0}, "time": time.Date(2021, 1, 2, 0, 0, 0, 0, time.FixedZone("", 3600)),
	}}
	for text, want := range map[string]string{
		`payload.bytes == "a"`: "true", `"a" == payload.bytes`: "true", `payload.bytes != "a"`: "false", `payload.text == payload.bytes`: "true",
		`payload.bytes in ["a"]`: "true", `payload.bytes in payload.object`: "true", `payload.bytes == "b"`: "false",
		`payload.one == 1`: "true", `payload.one == 1.0`: "true", `payload.one == payload.int`: "true", `payload.float == payload.one`: "true",
		`1 != payload.one`: "false", `payload.int == "1"`: "false", `payload.int == true`: "false", `payload.yes == true`: "true", `payload.yes == 1`: "false",
		`payload.huge == payload.huge`: "true", `payload.huge == payload.huger`: "false", `payload.huge != payload.huger`: "true", `payload.nan == payload.nan`: "true",
		`payload.list == ["a", 1]`: "true", `payload.list == ["a"]`: "false", `payload.object == {"a": 1}`: "true", `payload.object == {"b": 1}`: "false", `payload.list == payload.object`: "false",
		`payload.time == time("2021-01-01T23:00:00Z")`: "true", `payload.x == nil`: "true", `payload.x == false`: "false", `payload.x == ""`: "false", `nil != payload.x`: "false",
		`payload.list[1:] == [1.0]`: "true", `[payload.x] == [nil]`: "true", `"a" == "a"`: "true",
	} {
		if got := evaluate(text, d); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestHints(t *testing.T) {
	d := decode(t, `{"n": 3, "t": "3", "f": 2.5, "list": [{"s": 3}], "texts": ["2", "3"], "numbers": [2, 3], "o": {"3": 1}, "zeros": "03", "s": "x"}`)
	for text, want := range map[string][]string{
		`payload.n == "3"`:                     {`payload.n is the number 3, "3" is text: write payload.n == 3, or string(payload.n) == "3"`},
		`"3" != payload.n`:                     {`payload.n is the number 3, "3" is text: write payload.n != 3, or string(payload.n) != "3"`},
		`payload.t == 3`:                       {`payload.t is the text "3", 3 is a number: write payload.t == "3", or int(payload.t) == 3`},
		`payload.f == "2.5"`:                   {`payload.f is the number 2.5, "2.5" is text: write payload.f == 2.5, or string(payload.f) == "2.5"`},
		`"2.5" == payload.x`:                   nil,
		`first(payload.texts) == 2`:            {`first(payload.texts) is the text "2", 2 is a number: write first(payload.texts) == "2", or int(first(payload.texts)) == 2`},
		`payload.n == payload.t`:               {`payload.n is a number, payload.t is text with its digits: write string(payload.n) == payload.t`},
		`payload.t != payload.n`:               {`payload.n is a number, payload.t is text with its digits: write string(payload.n) != payload.t`},
		`payload.n in ["2", "3"]`:              {`payload.n is a number, and ["2", "3"] has its digits as text: write string(payload.n) in ["2", "3"]`},
		`payload.n not in payload.texts`:       {`payload.n is a number, and payload.texts has its digits as text: write string(payload.n) in payload.texts`},
		`payload.t in payload.numbers`:         {`payload.t is text, and payload.numbers has its digits as a number: write int(payload.t) in payload.numbers`},
		`payload.n in payload.o`:               {`payload.n is a number, and keys are text: write string(payload.n) in payload.o`},
		`any(payload.list, .s == "3")`:         {`.s is the number 3, "3" is text: write .s == 3, or string(.s) == "3"`},
		`payload.n == "3" or payload.n == "3"`: {`payload.n is the number 3, "3" is text: write payload.n == 3, or string(payload.n) == "3"`},
		`payload.n == 3`:                       nil,
		`payload.n in [3]`:                     nil,
		`payload.zeros == 3`:                   nil,
		`payload.n == "x"`:                     nil,
		`payload.s == 3`:                       nil,
		`payload.n in payload.x`:               nil,
	} {
		x := parse(t, text)
		var s expression.Scope
		s.Begin(d, nil)
		if _, err := x.Eval(&s); err != nil || s.Hints() != nil {
			t.Errorf("%s: %v; without a listener: %q", text, err, s.Hints())
		}
		s.Listen()
		if _, err := x.Eval(&s); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, s.Hints()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if s.Begin(d, nil); s.Hints() != nil {
			t.Errorf("%s: hints of a rule before: %q", text, s.Hints())
		}
	}
}

// However many comparisons there are, hints are few.
func TestManyHints(t *testing.T) {
	text := ""
	for i := range 30 {
		text += fmt.Sprintf(`payload.n[%d] == "3" or `, i)
	}
	d := decode(t, `{"n": [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]}`)
	var s expression.Scope
	s.Begin(d, nil)
	s.Listen()
	if _, err := parse(t, text+"false").Eval(&s); err != nil || len(s.Hints()) != 10 {
		t.Errorf("%v, %d hints", err, len(s.Hints()))
	}
}
