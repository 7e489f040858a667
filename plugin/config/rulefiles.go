package config

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
)

// A RuleFile is one of the files that hold rules, as everybody may see it who may see rules.
type RuleFile struct {
	Name string // as in problems
	// Text has the tables, memory, rules and tests of the file. Each line of anything else is one that
	// begins with [Hidden], so that all lines keep their numbers. "": nothing of the file may be seen.
	Text string
	Why  string // nothing of it may be seen; "": Text is there
}

// Hidden begins a line that stands for one that is not shown. It is a comment of YAML.
const Hidden = "#~"

// RuleFiles returns the configuration at path and the files that it includes, without anything that
// may be a secret.
func RuleFiles(path string, environ []string) []RuleFile {
	l, _ := read(path, environ)
	l.readIncludes()
	files := make([]RuleFile, len(l.names))
	for i, name := range l.names {
		files[i] = readRuleFile(name)
	}
	return files
}

// readRuleFile reads the file again: what is shown must be of the very text whose places are known.
func readRuleFile(name string) RuleFile {
	data, err := os.ReadFile(name)
	if err != nil {
		return RuleFile{Name: name, Why: reason(err)}
	}
	var report source.Report
	f := source.Parse(name, data, &report)
	if report.Err() != nil {
		return RuleFile{Name: name, Why: "it is not YAML at present"}
	}
	sections, ok := sectionsOf(f.Root)
	if !ok {
		return RuleFile{Name: name, Why: "its keys do not stand at the beginning of a line each"}
	}
	if f.Root != nil {
		redact(f, "", f.Root)
		if holdsRedacted(f, rulesOf(f.Root), map[*yaml.Node]bool{}) {
			return RuleFile{Name: name, Why: "settings take values of its rules, by aliases"}
		}
	}
	h := hider{lines: source.Lines(strings.TrimPrefix(string(data), "\uFEFF"))}
	if last := len(h.lines) - 1; h.lines[last] == "" { // behind the last line end
		h.lines = h.lines[:last]
	}
	h.hidden = make([]bool, len(h.lines))
	h.hideSections(sections)
	return RuleFile{Name: name, Text: h.text()}
}

// A fileSection is a key of the top level with the lines from it to the next, from 0.
type fileSection struct {
	start int
	rules bool // it is for rules, and may be seen
}

// sectionsOf returns the sections of a file; ok tells that their places are certain.
func sectionsOf(root *yaml.Node) (sections []fileSection, ok bool) {
	if root == nil || source.Null(root) {
		return nil, true
	}
	if root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0 {
		return nil, false
	}
	for i := 0; i < len(root.Content); i += 2 {
		key := root.Content[i]
		if key.Kind != yaml.ScalarNode || key.Column != 1 {
			return nil, false
		}
		sections = append(sections, fileSection{key.Line - 1, slices.Contains(ruleKeys, key.Value)})
	}
	return sections, true
}

// rulesOf returns the values of the sections for rules.
func rulesOf(root *yaml.Node) (values []*yaml.Node) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if slices.Contains(ruleKeys, root.Content[i].Value) {
			values = append(values, root.Content[i+1])
		}
	}
	return values
}

// holdsRedacted reports whether any of the nodes, or one below them, may be a secret. seen are those
// that it has been at.
func holdsRedacted(f *source.File, nodes []*yaml.Node, seen map[*yaml.Node]bool) bool {
	for _, n := range nodes {
		if n = source.Deref(n); seen[n] {
			continue
		}
		seen[n] = true
		if f.Redacted(n) || holdsRedacted(f, n.Content, seen) {
			return true
		}
	}
	return false
}

// A hider decides which lines of a file are shown.
type hider struct {
	lines  []string
	hidden []bool
}

func (h *hider) hideSections(sections []fileSection) {
	// What follows the last section is judged as if there were another for rules. A file may also have
	// none at all.
	before := fileSection{start: -1}
	for _, s := range append(sections, fileSection{len(h.lines), true}) {
		begin := h.comments(before.start+1, s.start)
		h.hideComments(before, begin, s)
		if before.start >= 0 {
			h.hideSection(before, begin)
		}
		before = s
	}
}

// comments returns where the comments begin that stand at the end of the lines.
func (h *hider) comments(start, end int) int {
	for end > start && (strings.TrimSpace(h.lines[end-1]) == "" || strings.HasPrefix(h.lines[end-1], "#")) {
		end--
	}
	return end
}

// hideComments hides the comments between two sections unless they are about rules; those above the
// first section too, with what else stands there.
func (h *hider) hideComments(before fileSection, begin int, next fileSection) {
	if before.start < 0 {
		h.hide(0, begin)
	}
	block := h.lines[begin:next.start]
	// A text in quotes may go on in lines that look like comments.
	quoted := before.start >= 0 && !before.rules && slices.ContainsFunc(block, func(line string) bool { return strings.ContainsAny(line, `"'`) })
	if last := next.start == len(h.lines); !next.rules || last && !before.rules || quoted || slices.ContainsFunc(block, settingLike) {
		h.hide(begin, next.start)
	}
}

// hideSection hides a section that is not for rules, and in one that is, comments that may hold a
// secret.
func (h *hider) hideSection(s fileSection, end int) {
	if !s.rules {
		h.hide(s.start, end)
		return
	}
	for i := s.start; i < end; i++ {
		if strings.HasPrefix(h.lines[i], "#") && settingLike(h.lines[i]) {
			h.hide(i, i+1)
		}
	}
}

func (h *hider) hide(start, end int) {
	for i := start; i < end; i++ {
		h.hidden[i] = true
	}
}

// text returns the lines, those that are hidden as comments that say so.
func (h *hider) text() string {
	shown := slices.Clone(h.lines)
	for i, hidden := range h.hidden {
		switch {
		case !hidden:
		case i > 0 && h.hidden[i-1]:
			shown[i] = Hidden
		default:
			shown[i] = Hidden + " not shown here: what is not for rules"
		}
	}
	return strings.Join(append(shown, ""), "\n")
}

var commentedKey = regexp.MustCompile(`^#[#\s]*(?:- +)?["']?([A-Za-z_][\w-]*)["']?[ \t]*:(?:[ \t]|$)`)

// settingLike reports whether a comment may be a setting that is commented out, or a secret.
func settingLike(line string) bool {
	if secretWord.MatchString(line) || strings.Contains(line, "@") {
		return true
	}
	m := commentedKey.FindStringSubmatch(line)
	return m != nil && !slices.Contains(ruleKeys, m[1]) && (slices.Contains(children(""), m[1]) || isSection(m[1]) || keyNamed(m[1]) != nil)
}
