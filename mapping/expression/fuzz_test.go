package expression_test

import (
	"errors"
	"testing"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/value"
)

// Whatever stands in a rule, it is a mistake within its text, or gives a value or a refusal for any
// event.
func FuzzExpression(f *testing.F) {
	for _, section := range expression.Reference() {
		for _, doc := range section.Docs {
			f.Add(doc.Example, expression.ExamplePayload)
		}
	}
	for _, text := range []string{
		`payload.a == "1" or payload.b in [1, "2"] and 3 != payload["c"]`, `map(payload.l, {"a": {(.b): #index}})`, `payload | keys() | first()`,
		`let b = fromHex("00ff"); [b[1:], len(b), uint32le(b, -4)]`, `time("27 Jan 2021 10:00 CET", ["2006", "02 Jan 2006 15:04 MST"], "Europe/Berlin")`,
		`format("%+08.3f|%-5s|%#x", 2.5, "a", 7) ?? reject("x")`, `capture("a1", "(?P<l>[a-z])(?P<d>[0-9])")`, `map(x, {`, `{"a": (1}`, "`a` == 'b'",
	} {
		f.Add(text, `{"a": 1, "b": "2", "c": 3.0, "l": [{"b": "x"}]}`)
	}
	f.Fuzz(func(t *testing.T, text, payload string) {
		x, m := names().Parse(text)
		if m != nil {
			if size := len([]rune(text)); m.Message == "" || m.Offset < 0 || m.Width < 1 || m.Offset > size {
				t.Errorf("%q: %+v", text, m)
			}
			return
		}
		d, err := value.DecodeJSON([]byte(payload))
		if err != nil {
			return
		}
		var s expression.Scope
		e := data{d.Value, payload}
		s.Begin(e, nil)
		s.Listen()
		v, err := x.Eval(&s)
		var refusal *value.Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%q: %v", text, err)
		}
		if v == nil && err == nil && s.Missing() == "" {
			t.Errorf("%q gives nothing without a reason", text)
		}
		if diff := differs(x, e); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	})
}
