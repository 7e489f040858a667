package doctor

import "fmt"

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

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// A Finding is the result of one check.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"` // names the check, in one word to search for
	Seen  string `json:"seen"`
	Means string `json:"means,omitempty"` // "": nothing to add
	Set   string `json:"set,omitempty"`   // what to write where; "": nothing
}

// String returns a line that begins with the level and the check, and below it what it means and
// what to set.
func (f Finding) String() string {
	text := fmt.Sprintf("%-4s  %s: %s\n", f.Level, f.Check, f.Seen)
	if f.Means != "" {
		text += fmt.Sprintf("      means: %s\n", f.Means)
	}
	if f.Set != "" {
		text += fmt.Sprintf("      set:   %s\n", f.Set)
	}
	return text
}

// A finding is a Finding as checks make it. Most of what findings mean is in texts.go.
type finding struct {
	level Level
	check string
	seen  string
	means string
	set   string
}

// A report hands on findings and counts them.
type report struct {
	show   func(Finding)
	counts Counts
}

func (r *report) add(f finding) {
	r.counts[f.level]++
	r.show(Finding{f.level, f.check, f.seen, f.means, f.set})
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
