package spelling_test

import (
	"testing"

	"mqtt-stomp-bridge/mapping/spelling"
)

func TestNearest(t *testing.T) {
	known := []string{"name", "topic", "payload", "/queue/message", "when"}
	for word, want := range map[string]string{
		"nmae": "name", "Topic": "topic", "payloda": "payload", "/queue/mesage": "/queue/message", "wehn": "when",
		"x": "", "now": "", "retained": "", "": "",
	} {
		if got := spelling.Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
	if got, want := spelling.DidYouMean("zzz", []string{"a", "b"}), "known here: a, b"; got != want {
		t.Errorf("DidYouMean = %q, want %q", got, want)
	}
}
