package source_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // the problems
		root       bool
	}{
		{"empty", "", "", false},
		{"only comments", "# nothing\n", "", false},
		{"byte order mark", "\uFEFFa: 1\n", "", true},
		{"carriage returns", "a: 1\r\nb: 2\r\n", "", true},
		{"keys twice are the walker's", "a: 1\na: 2\n", "", true},
		{"two documents", "a: 1\n# x\n---\nb: 2\n", "f.yaml:3:1: YAML: a second document begins here, and a file holds one", false},
		{"document marker at the top", "%YAML 1.1\n---\na: 1\n", "", true},
		{"zero byte", "a: \x00", "f.yaml:1:4: there is a zero byte", false},
		{"colon", "a: b: c", "f.yaml:1:5: YAML: mapping values are not allowed in this context", false},
		{"carriage returns alone", "a: 1\rb: c: d", "f.yaml:2:5: YAML: mapping values are not allowed in this context", false},
		{"a line that an editor does not show as one", "a: 1 # x\u2028# y\nb: c\n  d: e\n", "f.yaml:4:4: YAML: mapping values are not allowed in this context", false},
		{"tab", "a:\n\t- b\n", "f.yaml:2:1: YAML: found character that cannot start any token", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var report source.Report
			f := source.Parse("f.yaml", []byte(tt.text), &report)
			var got []string
			for _, p := range report.Problems() {
				got = append(got, p.Error())
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if (f.Root != nil) != tt.root {
				t.Errorf("Root = %v, want one: %t", f.Root, tt.root)
			}
		})
	}
}

// value returns the value of the first key of the file.
func value(t *testing.T, text string) (*source.File, *yaml.Node) {
	t.Helper()
	var report source.Report
	f := source.Parse("f.yaml", []byte(text), &report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return f, f.Root.Content[1]
}

func TestErrorAt(t *testing.T) {
	tests := []struct {
		name, text   string
		offset       int
		line, column int
	}{
		{"plain", "a: =payload.x", 1, 1, 5},
		{"after letters of several bytes", "ä: =„ü“.x", 4, 1, 8},
		{"single quotes", "a: '=payload.x'", 1, 1, 6},
		{"double quotes", `a: "=payload.x"`, 9, 1, 14},
		{"an escape", `a: "=\"x\" + y"`, 7, 1, 4},
		{"a doubled quote", `a: '=''x'' + y'`, 7, 1, 4},
		{"literal block, second line", "a: |\n  =x +\n    y\n", 7, 3, 5},
		{"literal block, first line", "a: |-\n\n  =x +\n  y\n", 1, 3, 3},
		{"folded block", "a: >\n  =x +\n  y\n", 5, 1, 4},
		{"plain over two lines", "a: =x +\n  y\n", 5, 1, 4},
		{"flow", "{a: =x, b: c}", 1, 1, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, n := value(t, tt.text)
			var report source.Report
			report.ErrorAt(f, n, tt.offset, 1, "", "here")
			p := report.Problems()[0]
			if p.Line != tt.line || p.Column != tt.column {
				t.Errorf("place %d:%d, want %d:%d\n%s", p.Line, p.Column, tt.line, tt.column, p)
			}
		})
	}
}

func TestProblemString(t *testing.T) {
	f, n := value(t, "a:\t\twörld")
	var report source.Report
	report.Warnf(f, n, "write another", "no %s", "world")
	want := "f.yaml:1:5: warning: no world\n     1 | a:\t\twörld\n       |   \t\t^^^^^\n       = write another\n"
	if diff := cmp.Diff(want, report.Problems()[0].String()); diff != "" {
		t.Errorf("String() (-want +got):\n%s", diff)
	}
	if err := report.Err(); err != nil {
		t.Errorf("Err() = %v for a warning", err)
	}
}

func TestReportOrder(t *testing.T) {
	var report source.Report
	a := source.Parse("a.yaml", []byte("x: 1\ny: 2\n"), &report)
	b := source.Parse("b.yaml", []byte("x: 1\n"), &report)
	report.Errorf(b, b.Root.Content[0], "", "first file")
	report.Errorf(a, a.Root.Content[2], "", "second line")
	report.Errorf(a, a.Root.Content[1], "", "first line, later column")
	report.Errorf(a, a.Root.Content[0], "", "first line")
	report.Errorf(a, a.Root.Content[0], "", "first line") // said once
	want := "b.yaml:1:1: first file\na.yaml:1:1: first line\na.yaml:1:4: first line, later column\na.yaml:2:1: second line"
	if diff := cmp.Diff(want, report.Err().Error()); diff != "" {
		t.Errorf("Err() (-want +got):\n%s", diff)
	}
}

// TestManyMistakes reports every mistake of a long file, each once, and looks for what was meant by
// the first of them only: for each it would take minutes.
func TestManyMistakes(t *testing.T) {
	const lines = 250
	var report source.Report
	f := source.Parse("f.yaml", []byte(strings.Repeat("- topic: {gw}\n", lines)), &report)
	for range 2 {
		for _, n := range f.Root.Content {
			report.Errorf(f, n.Content[1], "", "no text")
		}
	}
	rewrites := 0
	for _, p := range report.Problems() {
		if p.Rewrite.Text != "" {
			rewrites++
		}
	}
	if n := len(report.Problems()); n != lines || rewrites != 200 {
		t.Errorf("%d mistakes, %d with what to write instead; want %d and 200", n, rewrites, lines)
	}
}

func TestRedact(t *testing.T) {
	const text = `auth:
  secret: "open
    sesame: x
    and more"
  block: |
    line: one
    line two
  list: [sesame1, sesame2]
  plain: visible
`
	var report source.Report
	f := source.Parse("f.yaml", []byte(text), &report)
	for _, p := range f.Pairs(f.Root.Content[1], "auth", &report) {
		switch p.Key.Value {
		case "secret", "block":
			f.Redact(p.Value)
		case "list":
			f.Redact(p.Value.Content[1])
			f.Redact(p.Value.Content[0])
		}
	}
	var got []string
	for line := 1; line <= 9; line++ {
		var r source.Report
		r.Errorf(f, &yaml.Node{Kind: yaml.ScalarNode, Line: line, Column: 1}, "", "x")
		got = append(got, r.Problems()[0].Text)
	}
	want := []string{"auth:", "  secret: ***", "***", "***", "  block: ***", "***", "***", "  list: [***", "  plain: visible"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestPairs(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // keys with the lines of their values
		problems   string
	}{
		{"in order", "b: 1\na: 2\n", "b1 a2", ""},
		{"twice", "a: 1\nb: 2\na: 3\n", "a1 b2", `f.yaml:3:1: key "a" appears twice`},
		{"an alias", "a: &x\n  b\nc: *x\n", "a1 c1", ""},
		{"merged, its own first", "base: &b {x: 1, y: 1}\n<<: *b\ny: 2\n", "base1 y3 x1", ""},
		{"merged list", "a: &a {x: 1}\nb: &b {x: 1, y: 1}\n<<: [*a, *b]\n", "a1 b2 x1 y2", ""},
		{"a quoted << is a key", "'<<': 1\n", "<<1", ""},
		{"merged text", "<<: x\n", "", `f.yaml:1:5: a merge key takes a mapping, not a text`},
		{"a map as key", "{a: 1}: 2\n", "", `f.yaml:1:1: a key must be plain text, not a mapping`},
		{"no mapping", "- a\n", "", `f.yaml:1:1: it takes keys, not a list`},
		{"merge of itself", "a: &a\n  x: 1\n  <<: *a\n", "a1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var report source.Report
			f := source.Parse("f.yaml", []byte(tt.text), &report)
			var got []string
			for _, p := range f.Pairs(f.Root, "it", &report) {
				got = append(got, p.Key.Value+string(rune('0'+p.Value.Line)))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("pairs (-want +got):\n%s", diff)
			}
			problems := ""
			if err := report.Err(); err != nil {
				problems = err.Error()
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// A mapping that merges itself must not be walked for ever.
func TestPairsCycle(t *testing.T) {
	var report source.Report
	f := source.Parse("f.yaml", []byte("&a\nx: 1\n<<: *a\n"), &report)
	if got := len(f.Pairs(f.Root, "it", &report)); got != 1 {
		t.Errorf("%d pairs, want 1", got)
	}
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), "merge keys nest deeper than 8") {
		t.Errorf("Err() = %v", err)
	}
}

func TestTagged(t *testing.T) {
	for text, want := range map[string]bool{
		"a: !x": true, "a: !x b": true, "a: ! b": true, "a: !!str 1": true, "a: !x [b]": true,
		"a: b": false, "a: '!x'": false, "a:": false, "a: 1": false, "a: [b]": false,
	} {
		if _, n := value(t, text); source.Tagged(n) != want {
			t.Errorf("Tagged of %q is %t", text, !want)
		}
	}
}
