package examples_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mqtt-stomp-bridge/plugin/config"
)

// pages returns the Markdown files of the repository, but for what npm has brought and what a release
// has copied.
func pages(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "staged"):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			names = append(names, path)
		}
		return nil
	})
	if err != nil || len(names) < 10 {
		t.Fatalf("%d pages, %v", len(names), err)
	}
	return names
}

var (
	code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// Every link from a page into the repository leads to a file, and to a heading of it.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text := code.ReplaceAllString(readText(t, page), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], ":") { // a URL
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			} else if anchor != "" && filepath.Ext(target) == ".md" && !slices.Contains(anchors(t, target), anchor) {
				t.Errorf("%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
}

// anchors returns the names by which the headings of a page are linked to, as hosts of repositories
// make them, and those that it gives itself.
func anchors(t *testing.T, page string) (names []string) {
	t.Helper()
	text := readText(t, page)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		heading := link.ReplaceAllString(m[1], "]")
		heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
		names = append(names, strings.ReplaceAll(heading, " ", "-"))
	}
	for _, m := range regexp.MustCompile(`(?:id|name)="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// The settings and the commands that these pages name exist.
func TestNamesOnPages(t *testing.T) {
	known := map[string]bool{}
	first := map[string]bool{} // "broker" of broker.url
	for _, k := range config.Keys() {
		section, _, _ := strings.Cut(k.Path, ".")
		known[k.Path], first[section] = true, true
	}
	for _, s := range config.Sections() {
		known[s.Path] = true
	}
	for _, page := range []string{"../plugin/README.md", "kubernetes/README.md", "replicas/README.md", "replicas/SIZING.md"} {
		named := 0
		for _, m := range regexp.MustCompile("`([a-z_]+)\\.([a-z_.]+)`").FindAllStringSubmatch(readText(t, page), -1) {
			path := m[1] + "." + m[2]
			if !first[m[1]] || path == "config.yaml" {
				continue
			}
			named++
			if !known[path] {
				t.Errorf("%s names %s, which is no setting", page, path)
			}
		}
		if named == 0 {
			t.Errorf("%s names no setting", page)
		}
	}
}
