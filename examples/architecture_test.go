package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const architecture = "../ARCHITECTURE.md"

// The imports of the packages are those that ARCHITECTURE.md draws, no more and no fewer.
func TestArchitectureImports(t *testing.T) {
	drawn := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z/]+) +->(.*)$`).FindAllStringSubmatch(readText(t, architecture), -1) {
		drawn[m[1]] = strings.Join(slices.Sorted(slices.Values(strings.Fields(m[2]))), " ")
	}
	if diff := cmp.Diff(drawn, imports(t)); diff != "" {
		t.Errorf("imports, -ARCHITECTURE.md +code:\n%s", diff)
	}
}

// imports returns, for each package that imports others of the module, those, sorted; test files
// apart.
func imports(t *testing.T) map[string]string {
	t.Helper()
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		var ours []string
		for _, w := range words[1:] {
			if p, ok := strings.CutPrefix(w, "mqtt-stomp-bridge/"); ok {
				ours = append(ours, p)
			}
		}
		if len(ours) > 0 {
			found[strings.TrimPrefix(words[0], "mqtt-stomp-bridge/")] = strings.Join(ours, " ")
		}
	}
	return found
}

// Every file and every test that ARCHITECTURE.md names exists, and every package is in its table.
func TestArchitectureNames(t *testing.T) {
	text := readText(t, architecture)
	for _, m := range regexp.MustCompile("`([a-z0-9/]+/[a-z0-9/_.-]+)`").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", m[1])
		}
	}
	tests := testNames(t)
	for _, name := range regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(text, -1) {
		if !slices.Contains(tests, name[1]) {
			t.Errorf("ARCHITECTURE.md names the test %s, which does not exist", name[1])
		}
	}
	for p := range imports(t) {
		if !strings.Contains(text, "| `"+p+"` |") && !strings.Contains(p, "test") && !strings.Contains(p, "journal/") {
			t.Errorf("ARCHITECTURE.md does not say what %s is for", p)
		}
	}
}

// testNames returns the names of all tests of the module.
func testNames(t *testing.T) []string {
	t.Helper()
	var names []string
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		for _, m := range declared.FindAllStringSubmatch(readText(t, path), -1) {
			names = append(names, m[1])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
