package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

// readIncludes reads the rule files that the include patterns match, each pattern's in the byte
// order of their names.
func (l *loader) readIncludes() {
	seen := map[string]bool{}
	for _, s := range l.settings["include"] {
		if s.bad {
			continue
		}
		pattern := s.text
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(s.dir, pattern)
		}
		matches := match(pattern)
		if len(matches) == 0 {
			l.reportNone(s, pattern)
		}
		for _, name := range matches {
			if !seen[name] {
				seen[name] = true
				l.readRules(s, name)
			}
		}
	}
}

// reportNone says that a pattern has no files. A name without a wildcard is a mistake: so a file
// that an editor is about to replace takes no rules with it.
func (l *loader) reportNone(s setting, pattern string) {
	if strings.ContainsAny(s.text, "*?[") {
		l.warnf(s, "write the files that hold rules, such as rules.d/*.yaml, or remove the line", "no file matches %q", s.text)
		return
	}
	hint := ""
	if info, err := os.Stat(pattern); err == nil && info.IsDir() {
		hint = "it is a directory, write " + filepath.Join(s.text, "*.yaml")
	}
	l.errorf(s, hint, "there is no file %q", s.text)
}

// match returns the files that a pattern names, in byte order. As in a shell, * does not stand for
// a leading dot: editors and Kubernetes keep files there that are not meant.
func match(pattern string) []string {
	names, _ := filepath.Glob(pattern) // a bad pattern was refused before
	hidden := strings.HasPrefix(filepath.Base(pattern), ".")
	names = slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && info.IsDir() || !hidden && strings.HasPrefix(filepath.Base(name), ".")
	})
	slices.Sort(names)
	return names
}

// readRules reads one included file, which may hold only tables, memory, rules and tests.
func (l *loader) readRules(s setting, name string) {
	if absolute("", name) == absolute("", l.names[0]) {
		l.errorf(s, "keep included files in a directory of their own", "%q matches the configuration itself", s.text)
		return
	}
	f := l.parse(name)
	rules := mapping.Source{File: f}
	pairs := l.pairs(f, "an included file")
	broken := slices.ContainsFunc(l.broken, func(p source.Problem) bool { return p.File == name })
	if !broken && (f.Root == nil || source.Null(f.Root)) {
		l.report.Warnf(f, &yaml.Node{Line: 1, Column: 1}, "write rules: with a list of them, or remove the file", "the file holds nothing")
	}
	for _, p := range pairs {
		if p.Key.Value == "rules" && source.Null(p.Value) {
			l.report.Warnf(f, p.Value, "write a list of rules below it, or remove the key", "rules: nothing is written below it")
		}
		if p.Key.Value != accessKey && rules.Take(p) {
			continue
		}
		hint := spelling.DidYouMean(p.Key.Value, ruleKeys)
		if slices.Contains(children(""), p.Key.Value) {
			hint = "settings belong in " + l.names[0]
		}
		l.report.Errorf(f, p.Key, hint, "an included file may hold only tables, memory, rules and tests, not %q", p.Key.Value)
	}
	l.addRules(rules)
}
