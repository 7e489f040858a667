package value_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"mqtt-stomp-bridge/mapping/value"
)

// texts of JSON, and nearly.
func tapeTexts() []string {
	return []string{
		``, ` `, `{}`, `[]`, `null`, `true`, `false`, `5`, `-0`, `1e400`, `"text"`, "\xff", "\ufeff{}", "\ufeff\ufeff{}", `{"a":1,"a":2}`,
		`{"a":1,"b":{"a":[1,[],{"a":{}}]},"":null}`, `{"b":1,"a":2,"bb":3,"ab":4,"a":5}`, ` { "a" : [ 1 , "]\"}" ] , "" : { } } `,
		`"\ud83d\ude00\ud83d\u00e4\udc00\/\b\f\n\r\t\"\\"`, `"ü\u2028` + "\u2028\U0001F600\"", `{"\u0061":1}`, `"\u00g0"`, `"\u00"`, `"\x"`, `"\`, `"a`, "\"\x01\"", "\"\x7f\"",
		`[1,]`, `[,1]`, `[1 2]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,"a":1}`, `{a:1}`, `{"a":1 "b":2}`, `[1}`, `{"a":1]`, `{} {}`, `{}x`, "{}\x00", `[`, `{`, `{"a":[`,
		`0.5`, `00`, `01`, `-`, `-a`, `.5`, `5.`, `1e`, `1e+`, `1E-05`, `+1`, `1.0`, `12345678901234567890`, `tru`, `truee`, `nulll`, `nan`,
		strings.Repeat("[", value.MaxDepth) + strings.Repeat("]", value.MaxDepth), strings.Repeat("[", value.MaxDepth+1) + strings.Repeat("]", value.MaxDepth+1),
		strings.Repeat("[", value.MaxDepth) + "1" + strings.Repeat("]", value.MaxDepth), strings.Repeat("[", value.MaxDepth+1) + "1" + strings.Repeat("]", value.MaxDepth+1),
		members(64), members(65), members(64) + ",", strings.Replace(members(64), `"k63"`, `"k0"`, 1), "[" + strings.Repeat("1,", 1<<16) + "1]",
	}
}

// members returns an object with n members.
func members(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"k%d":%d`, i, i)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// A tape takes nothing that DecodeJSON refuses, and finds the same values.
func TestTape(t *testing.T) {
	var tape value.Tape
	taken := 0
	for _, text := range tapeTexts() {
		if checkTape(t, &tape, []byte(text)) {
			taken++
		}
	}
	if taken < 20 {
		t.Errorf("the tape takes %d of the texts", taken)
	}
}

func FuzzTape(f *testing.F) {
	for _, text := range tapeTexts() {
		f.Add([]byte(text))
	}
	var tape value.Tape
	f.Fuzz(func(t *testing.T, text []byte) { checkTape(t, &tape, text) })
}

// checkTape compares what the tape says of the text with what DecodeJSON does, and reports whether
// the tape takes it.
func checkTape(t *testing.T, tape *value.Tape, text []byte) bool {
	t.Helper()
	d, err := value.DecodeJSON(text)
	if !tape.Read(text) {
		if err == nil && len(text) < 300 && !strings.Contains(string(text), `\`) {
			t.Errorf("%.80q: the tape does not take it", text)
		}
		return false
	}
	if err != nil {
		t.Errorf("%.80q: the tape takes it, DecodeJSON says: %v", text, err)
		return true
	}
	c := tapeChecker{T: t, tape: tape}
	if end := c.check(value.Root, d.Value); end != tape.Next(value.Root) {
		t.Errorf("%.80q: next is %d, want %d", text, tape.Next(value.Root), end)
	}
	if got, _ := tape.Make(value.Root); !reflect.DeepEqual(got.Value, d.Value) || got.Raw != "" && got.Raw != d.Raw {
		t.Errorf("%.80q: %#v, want %#v", text, got, d)
	}
	return true
}

type tapeChecker struct {
	*testing.T
	tape *value.Tape
}

// check checks the node, of which DecodeJSON has made the value, and returns the node behind it.
func (c tapeChecker) check(n value.Node, want any) value.Node {
	next := n + 1
	span := c.tape.Span(n)
	if !json.Valid(span.AppendJSON(nil)) {
		c.Errorf("node %d: %q is not JSON", n, span.AppendJSON(nil))
	}
	switch want := want.(type) {
	case map[string]any:
		c.counts(n, value.KindObject, len(want))
		for key, v := range want {
			part, ok := c.tape.Part(n, &value.Step{Key: key})
			if !ok {
				c.Fatalf("node %d has no %q", n, key)
			}
			next = max(next, c.check(part, v))
		}
		return next
	case []any:
		c.counts(n, value.KindList, len(want))
		for i, v := range want {
			part, ok := c.tape.Part(n, &value.Step{Index: i, IsIndex: true})
			if !ok || i == 0 && part != c.tape.First(n) || part != next {
				c.Fatalf("node %d has no %d", n, i)
			}
			next = c.check(part, v)
			if last, _ := c.tape.Part(n, &value.Step{Index: i - len(want), IsIndex: true}); last != part {
				c.Errorf("node %d: element %d from the end is %d", n, i, last)
			}
			if i > 100 {
				return c.tape.Next(n)
			}
		}
		return next
	}
	if got, _ := c.tape.Make(n); got.Value != want || c.tape.Kind(n) != span.Kind || span.Nested() || span.Missing() != (want == nil) {
		c.Errorf("node %d is %#v, want %#v", n, got, want)
	}
	if text, ok := want.(string); ok {
		var space []byte
		if got := span.Unescaped(&space); string(got.Bytes) != text {
			c.Errorf("node %d is %q, want %q", n, got.Bytes, text)
		}
	}
	if b, _ := value.AppendJSON(nil, want); string(span.AppendJSON(nil)) != string(b) {
		c.Errorf("node %d is %s in JSON, want %s", n, span.AppendJSON(nil), b)
	}
	if _, whole := want.(int64); span.Digits() && !whole && len(span.Bytes) < 19 {
		c.Errorf("node %d is digits: %s", n, span.Bytes)
	}
	return next
}

// counts checks the kind of the node, and how many parts it has.
func (c tapeChecker) counts(n value.Node, kind value.Kind, want int) {
	if c.tape.Span(n).Kind != kind || c.tape.Count(n) != want {
		c.Errorf("node %d is of kind %d with %d, want %d with %d", n, c.tape.Span(n).Kind, c.tape.Count(n), kind, want)
	}
	for _, st := range []value.Step{{Key: "no such key"}, {Index: want, IsIndex: true}, {Index: -want - 1, IsIndex: true}} {
		if part, ok := c.tape.Part(n, &st); ok {
			c.Errorf("node %d has %s: %d", n, st, part)
		}
	}
}

// What a tape has read once it reads again without memory.
func TestTapeTakesNoMemory(t *testing.T) {
	var tape value.Tape
	text := []byte(`{"a":[1,"ü\n",{"b":true}],"c":null}`)
	if n := testing.AllocsPerRun(10, func() {
		tape.Reset()
		if !tape.Read(text) {
			t.Error("the tape does not take it")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkDecode reads the same text as values and onto a tape.
func BenchmarkDecode(b *testing.B) {
	text := []byte(`{"event":"message.created","id":"0f0e5b1c-6a0d-4c55-9b3e-2f6f2d1c9a77","from":{"id":"4915112345678","name":"Grace Hopper","role":"customer"},` +
		`"status":"sent","content":{"text":"Where is my order #42? It was to arrive yesterday, and nobody has called."},"ts":1611741600000,"unread":3}`)
	b.Run("values", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := value.DecodeJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tape", func(b *testing.B) {
		b.ReportAllocs()
		var tape value.Tape
		for b.Loop() {
			if !tape.Read(text) {
				b.Fatal("the tape does not take it")
			}
		}
	})
}

// The bounds of a tape are where they are said to be.
func TestTapeBounds(t *testing.T) {
	var tape value.Tape
	for text, want := range map[string]bool{
		members(64): true, members(65): false, `[` + members(64) + `,` + members(64) + `]`: true,
		"[" + strings.Repeat("1,", 1<<16-3) + "1]": true, "[" + strings.Repeat("1,", 1<<16-2) + "1,1]": false,
	} {
		if got := tape.Read([]byte(text)); got != want {
			t.Errorf("%.20q… of %d bytes: %t, want %t", text, len(text), got, want)
		}
	}
}
