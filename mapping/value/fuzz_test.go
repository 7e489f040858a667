package value_test

import (
	"encoding/json"
	"testing"

	"mqtt-stomp-bridge/mapping/value"
)

// FuzzText holds our JSON strings against those of encoding/json.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\"\\\n\r\t\x00\x1f\x7f", "ü\u2028\u2029\ufffd", "\xff\xc0\x80", "<&>", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got, want string
		ours := value.AppendText(nil, s)
		if err := json.Unmarshal(ours, &got); err != nil {
			t.Fatalf("%q: %v in %q", s, err, ours)
		}
		if bytes := value.AppendText(nil, []byte(s)); string(bytes) != string(ours) {
			t.Errorf("%q becomes %q, and its bytes %q", s, ours, bytes)
		}
		theirs, _ := json.Marshal(s)
		if err := json.Unmarshal(theirs, &want); err != nil || got != want {
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	})
}
