package bridgetest_test

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

func TestFindSecrets(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"
	for name, test := range map[string]struct {
		text string
		want int
	}{
		"nothing":           {"user=ada reason=401", 0},
		"a token":           {"Authorization: Bearer " + token, 1},
		"a token in base64": {"subprotocol=" + base64.RawURLEncoding.EncodeToString([]byte(token)), 1},
		"the secret":        {"secret=" + bridgetest.Secret, 1},
		"two":               {bridgetest.Secret + " my password", 2},
	} {
		if got := bridgetest.FindSecrets(test.text, "my password"); len(got) != test.want {
			t.Errorf("%s: found %q, want %d", name, got, test.want)
		}
	}
}

func TestBuffer(t *testing.T) {
	var b bridgetest.Buffer
	for _, text := range []string{"one\ntwo", " and a half\n", "three\n"} {
		b.Write([]byte(text))
	}
	if diff := cmp.Diff([]string{"two and a half\n"}, b.Lines("half")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	for n, want := range map[int]string{0: "", 1: "three", 2: "two and a half\nthree", 9: "one\ntwo and a half\nthree"} {
		if got := b.Tail(n); got != want {
			t.Errorf("the last %d lines: got %q, want %q", n, got, want)
		}
	}
}
