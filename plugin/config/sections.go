package config

import (
	"bytes"
	"os"
	"regexp"

	"mqtt-stomp-bridge/mapping/source"
)

// sectionStart is a key at the top level of a configuration.
var sectionStart = regexp.MustCompile(`(?m)^[a-z_]+[ \t]*:`)

// readSections reads each section of a file that is not YAML as a whole, as far as the section is,
// without a word about the others.
func (l *loader) readSections(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	starts := sectionStart.FindAllIndex(data, -1)
	for i, start := range starts {
		end := len(data)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		var report source.Report
		f := source.Parse(path, bytes.TrimSpace(data[start[0]:end]), &report)
		if len(report.Problems()) > 0 {
			continue
		}
		for _, p := range l.pairs(f, "the configuration") {
			l.walk(f, "", p)
		}
	}
}
