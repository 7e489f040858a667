package source_test

import (
	"testing"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
)

// A value is replaced where it stands, whatever its style, and nothing beside it.
func TestReplaceValue(t *testing.T) {
	for before, after := range map[string]string{
		"k: plain # c\n":                  "k: NEW # c\n",
		"k: 'it''s' # c\n":                "k: NEW # c\n",
		`k: "a \" b" # c` + "\n":          "k: NEW # c\n",
		"k: 'two\n  lines' # c\n":         "k: NEW # c\n",
		"k: {a: 1, b: [2, 3]} # c\n":      "k: NEW # c\n",
		"k: {a: '}', b: []} # c\n":        "k: NEW # c\n",
		"k: {a: 1, # }\n  b: 2,\n} # c\n": "k: NEW # c\n",
		"k: {} # c\n":                     "k: NEW # c\n",
		"k:\n  a: 1\n  b: 2 # c\n":        "k:\n  NEW # c\n",
		"k:\n  - a\n  - 'b' # c\n":        "k:\n  NEW # c\n",
		"é: [ü, ä] # 🙂\n":                 "é: NEW # 🙂\n",
		"k: |\n  block\n":                 "",
		"k: two\n  lines\n":               "",
		"k: !tag x\n":                     "",
		"k:\n  a: |\n    block\n":         "",
	} {
		var report source.Report
		f := source.Parse("f.yaml", []byte(before), &report)
		if f.Root == nil || f.Root.Kind != yaml.MappingNode {
			t.Fatalf("%q: %v", before, report.Err())
		}
		text := source.NewText([]byte(before))
		got := ""
		if text.Replace(f.Root.Content[1], "NEW") {
			got = string(text.Bytes())
		}
		if got != after {
			t.Errorf("%q becomes %q, want %q", before, got, after)
		}
	}
}
