package ops_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite METRICS.md")

const reference = "METRICS.md"

// TestReference compares METRICS.md with what /metrics says of itself, or rewrites it.
func TestReference(t *testing.T) {
	want := metricsReference()
	if *update {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale, run go test ./plugin/ops -update (-want +got):\n%s", reference, diff)
	}
}

const referenceHead = `# Metrics

These are the metrics at ` + "`/metrics`" + ` on ` + "`ops.listen`" + `. The usual metrics of a Go process (` + "`go_*`, `process_*`" + `) come with them.
Counters start at 0 when the process starts. A test generates this table.

| name | type | labels | what it counts |
| --- | --- | --- | --- |
`

var label = regexp.MustCompile(`[{,](\w+)=`)

// metricsReference is the table of all metrics, made of the comments and the labels in a scrape.
func metricsReference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	var name, help, kind string
	for _, line := range scrape(replica{}) {
		words := strings.SplitN(line, " ", 4)
		switch {
		case words[0] != "#": // a sample: the first of its name ends the row
			if kind == "" {
				continue
			}
			var labels []string
			for _, m := range label.FindAllStringSubmatch(line, -1) {
				if m[1] != "le" { // a histogram's own
					labels = append(labels, "`"+m[1]+"`")
				}
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labels, ", "), help)
			kind = ""
		case words[1] == "HELP":
			name, help = words[2], words[3]
		case words[1] == "TYPE":
			kind = words[3]
		}
	}
	return b.String()
}
