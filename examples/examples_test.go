// Package examples_test compiles every example and runs the tests beside its rules.
package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
)

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("*/rules.yaml")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Dir(name), func(t *testing.T) {
			m := compile(t, name)
			results := m.Test()
			if len(results) < 3 {
				t.Errorf("%d tests", len(results))
			}
			for _, r := range results {
				if r.Problem != nil {
					t.Errorf("%s\n%s", r.Problem, r.Diff)
				}
			}
			checkReadme(t, filepath.Join(filepath.Dir(name), "README.md"))
		})
	}
}

// compile compiles a file of rules, of which it reports warnings too.
func compile(t *testing.T, name string) *mapping.Mapper {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return compileText(t, name, data)
}

// compileText compiles rules that stand in the named file.
func compileText(t *testing.T, name string, data []byte) *mapping.Mapper {
	t.Helper()
	var report source.Report
	s := mapping.ParseSource(name, data, &report)
	if s.Access != nil {
		t.Errorf("%s: an example holds only tables, rules and tests", name)
	}
	m := mapping.Compile([]mapping.Source{s}, mapping.Options{ReadFile: config.ReadFirst}, &report)
	for _, p := range report.Problems() {
		t.Errorf("%s", p)
	}
	if t.Failed() {
		t.FailNow()
	}
	return m
}

// checkReadme holds an example to its three sentences.
func checkReadme(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if sentences := strings.Count(string(data), ".\n"); sentences != 3 {
		t.Errorf("%s has %d sentences, want 3", name, sentences)
	}
}
