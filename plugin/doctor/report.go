package doctor

import (
	"fmt"
	"io"
)

// A Level is how much a finding matters.
type Level int

// The levels.
const (
	OK   Level = iota
	Note       // good to know
	Warn       // fails in some circumstances, or cannot be seen from here
	Fail       // does not work, or loses messages
)

func (l Level) String() string { return [...]string{"ok", "note", "warn", "fail"}[l] }

// Counts are numbers of findings by level.
type Counts [4]int

// A finding is the result of one check. Most of what findings mean is in texts.go.
type finding struct {
	level Level
	check string // names the check, in one word to search for
	seen  string
	means string // "": nothing to add
	set   string // what to write where; "": nothing
}

// A report prints findings: a line that begins with the level and the check, and below it what it
// means and what to set.
type report struct {
	w      io.Writer
	counts Counts
}

func (r *report) add(f finding) {
	r.counts[f.level]++
	fmt.Fprintf(r.w, "%-4s  %s: %s\n", f.level, f.check, f.seen)
	if f.means != "" {
		fmt.Fprintf(r.w, "      means: %s\n", f.means)
	}
	if f.set != "" {
		fmt.Fprintf(r.w, "      set:   %s\n", f.set)
	}
}

func (r *report) ok(check, format string, args ...any) {
	r.add(finding{level: OK, check: check, seen: fmt.Sprintf(format, args...)})
}

// count is a number with its noun: 1 message, 2 messages.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
