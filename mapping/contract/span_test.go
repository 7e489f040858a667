package contract_test

import (
	"fmt"
	"testing"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/value"
)

// spanTexts are JSON texts of the values, by whether the field takes them from their bytes.
var spanTexts = map[string]map[string]bool{
	"conversation_id": {`"` + idA + `"`: true, `"8B4A5E2C-3F0E-4A57-9F2E-0D8A3C1B7E11"`: true, `"{` + idA + `}"`: false, `"8b4a5e2c3f0e4a579f2e0d8a3c1b7e11"`: false,
		`"8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e1g"`: false, `"8b4a5e2c-3f0e-4a57-9f2e+0d8a3c1b7e11"`: false, `5`: false, `null`: false},
	"message.sent_at": {`1611741600`: true, `1611741600123`: true, `1611741600123456789`: false, `161174160`: false, `1611741600.5`: false, `-5`: false,
		`"2021-01-27T10:00:00Z"`: true, `"2021-01-27T10:00:00.1Z"`: true, `"2021-01-27T10:00:00.123456789Z"`: true, `"2021-01-27T10:00:00.1234567891Z"`: false,
		`"2021-01-27T10:00:00+01:00"`: false, `"2021-02-29T10:00:00Z"`: false, `"2020-02-29T23:59:59.999Z"`: true, `"0000-01-01T00:00:00Z"`: true, `"9999-12-31T23:59:59.9999Z"`: true,
		`"2021-13-01T10:00:00Z"`: false, `"2021-00-01T10:00:00Z"`: false, `"2021-01-00T10:00:00Z"`: false, `"2021-01-01T24:00:00Z"`: false, `"2021-01-01T10:60:00Z"`: false,
		`"2021-01-01T10:00:60Z"`: false, `"2021-01-27T10:00:00.Z"`: false, `"2021-01-27t10:00:00Z"`: false, `"2021-01-27T10:00:00"`: false, `"1611741600"`: false, `""`: false, `true`: false, `[]`: false},
	"unread_message_count": {`0`: true, `123456789012345678`: true, `1234567890123456789`: false, `"5"`: true, `"0"`: true, `"05"`: false, `""`: false, `"+5"`: false, `-5`: false,
		`5.0`: false, `5e0`: false, `true`: false},
	"message.delivery_state": {`"DELIVERED"`: true, `"delivered"`: true, `"Pending"`: true, `"sent"`: false, `5`: false, `"\u017fent"`: false},
	"message.content": {`"a"`: true, `"ü\u2028` + "\u2028" + `\n\"\u0000"`: true, `""`: true, `5`: true, `-0`: true, `-0.0`: true, `1.50`: true, `1e400`: true, `true`: true, `false`: true,
		`[1]`: false, `{}`: false},
	"name":      {`"a\\b"`: true, `5`: true, `1234567890123456789012`: true, `-5`: false, `5.0`: false, `true`: false, `{}`: false},
	"image_url": {`""`: true, `"u"`: true, `0`: true, `{}`: false},
}

// Spans become what their values become.
func TestSpans(t *testing.T) {
	fields := allFields()
	for name, texts := range spanTexts {
		for text, want := range texts {
			if got := checkSpan(t, fields[name], text); got != want {
				t.Errorf("%s: %s is taken from its bytes: %t, want %t", name, text, got, want)
			}
		}
	}
}

func FuzzSpan(f *testing.F) {
	for _, texts := range spanTexts {
		for text := range texts {
			f.Add(text)
		}
	}
	fields := allFields()
	f.Fuzz(func(t *testing.T, text string) {
		for _, field := range fields {
			checkSpan(t, field, text)
		}
	})
}

func allFields() map[string]*contract.Field {
	fields := map[string]*contract.Field{}
	for _, q := range contract.Queues() {
		for _, f := range contract.ShapeOf(q.Name).Fields {
			fields[f.Name] = &f
		}
	}
	return fields
}

// checkSpan reports whether the field takes the JSON text from its bytes, and checks what it becomes.
func checkSpan(t *testing.T, f *contract.Field, text string) bool {
	t.Helper()
	var tape value.Tape
	if !tape.Read([]byte(text)) {
		return false
	}
	var space []byte
	got, ok := f.AppendSpan([]byte("x"), tape.Span(value.Root).Unescaped(&space))
	if !ok {
		if string(got) != "x" {
			t.Errorf("%s: %s is not taken, but appended: %s", f.Name, text, got)
		}
		return false
	}
	d, _ := tape.Make(value.Root)
	want, err := f.Append([]byte("x"), d.Value)
	if string(got) != string(want) || err != nil {
		t.Errorf("%s: %s becomes %s, want %s", f.Name, text, got, fmt.Sprint(string(want), err))
	}
	return true
}

// A UUID with any byte in the place of any other is taken if, and only if, it is still one.
func TestSpanOfEveryByte(t *testing.T) {
	f := allFields()["conversation_id"]
	for i := range idA {
		for c := range 256 {
			text := []byte(idA)
			text[i] = byte(c)
			got, ok := f.AppendSpan(nil, value.Span{Kind: value.KindText, Bytes: text})
			want, err := f.Append(nil, string(text))
			if ok != (err == nil) || string(got) != string(want) {
				t.Errorf("%q becomes %s, %t, want %s, %v", text, got, ok, want, err)
			}
		}
	}
}
