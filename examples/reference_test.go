package examples_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
)

var update = flag.Bool("update", false, "write the functions of the rules into README.md")

// The table of the functions is made from the functions.
func TestFunctionReference(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- functions: go test ./examples -update -->\n", "<!-- end of functions -->\n"
	before, rest, ok := strings.Cut(string(data), begin)
	written, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has no %s…%s", begin, end)
	}
	want := functionReference()
	switch {
	case written == want:
	case *update:
		if err := os.WriteFile("README.md", []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("README.md does not have the functions as they are; run go test ./examples -update")
	}
}

func functionReference() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The examples see this payload:\n\n```json\n%s\n```\n\n| function | gives | example |\n| --- | --- | --- |\n", expression.ExamplePayload)
	cell := func(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
	for _, section := range expression.Reference() {
		fmt.Fprintf(&b, "| **%s** | | |\n", section.Name)
		for _, doc := range section.Docs {
			usage, others, _ := strings.Cut(doc.Usage, ") ")
			names := "`" + strings.TrimSuffix(usage, ")") + ")`"
			for other := range strings.FieldsSeq(others) {
				if name, _, isCall := strings.Cut(other, "("); isCall {
					names += " `" + name + "`"
				}
			}
			fmt.Fprintf(&b, "| %s | %s | `%s` is `%s` |\n", cell(names), cell(doc.About), cell(doc.Example), cell(doc.Result))
		}
	}
	return b.String()
}

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
