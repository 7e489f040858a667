package examples_test

import (
	"os"
	"strings"
	"testing"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
)

// The reference names every key, queue, field and function that there is.
func TestReference(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	var words []string
	words = append(words, mapping.RuleKeys()...)
	words = append(words, mapping.TestKeys()...)
	words = append(words, mapping.AccessKeys()...)
	words = append(words, expression.Functions()...)
	for _, queue := range contract.QueueNames() {
		words = append(words, queue)
		for _, f := range contract.ShapeOf(queue).Names() {
			words = append(words, f[strings.LastIndexByte(f, '.')+1:])
		}
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("README.md does not name %s", w)
		}
	}
}
