package source_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
)

// FuzzParse reports a mistake at every node of any text. The places are in the file, and what is to
// be written instead is YAML.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"a: {b: c[0], d: \"e\" + f, g?: 'h''i', j: =k(l, {m: n}), }  # o",
		"let: {n: (memory.x[k] ?? 0) + 1}", "topic: [sms/{gw}/in]", "- - {a: b, c}\n  - [d, {e: {}}]\n", "a: {\n  b: c,\n  d }",
		"when: \"x\" == y", "a: =b ? c : d", "a: {b: ü“[”]}", "a:b\nc: \"d", "- a\n -\u00a0b: 'c\n", "{\n", "a: b,\r\n\tc: |\n d\n", "fields: a: b: c",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		var report source.Report
		file := source.Parse("f.yaml", []byte(text), &report)
		if file.Root != nil {
			visit(file.Root, 0, func(n *yaml.Node) { report.Errorf(file, n, "", "here") })
		}
		lines := len(source.Lines(text))
		for _, p := range report.Problems() {
			if p.Line < 1 || p.Line > max(1, lines)+1 || p.Column < 1 {
				t.Errorf("no such place: %v", p)
			}
			r := p.Rewrite
			if r.Text == "" {
				continue
			}
			if r.First < 1 || r.Last < r.First || r.Last > lines {
				t.Fatalf("no such lines: %v", p)
			}
			var n yaml.Node
			if err := yaml.Load([]byte(r.Text), &n, yaml.WithUniqueKeys(false)); err != nil && !strings.HasPrefix(p.Message, "YAML: ") {
				t.Errorf("%v in %v", err, p)
			}
			if s := p.String(); !strings.Contains(s, "write instead") {
				t.Errorf("not shown in %s", s)
			}
		}
	})
}

// visit visits the nodes at and below n.
func visit(n *yaml.Node, depth int, do func(*yaml.Node)) {
	if do(n); depth > 20 {
		return
	}
	for _, c := range n.Content {
		visit(c, depth+1, do)
	}
}
