package source

import (
	"errors"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

func (f *File) syntaxError(err error, report *Report) {
	p := Problem{File: f.Name, Width: 1, Message: "YAML: " + err.Error()}
	p.Line, p.Column = placeOf(err)
	var le *yaml.LoadError
	if errors.As(err, &le) {
		p.Message = "YAML: " + strings.TrimPrefix(le.Message, "yaml: ")
	}
	if strings.Contains(p.Message, "no documents in stream") {
		return // an empty file, or one that holds only comments
	}
	if !f.slip(&p, le) {
		p.Hint = f.syntaxHint(p)
		if w, r := f.rewrite(p.Line); w != nil && f.repairs(r) {
			p.Rewrite = r
		}
	}
	report.add(f, p)
}

// slip finds what is wrong where YAML says it of another place, or in words that do not help.
func (f *File) slip(p *Problem, le *yaml.LoadError) bool {
	is := func(message string) bool { return strings.Contains(p.Message, message) }
	say := func(line, column int, message, hint string) bool {
		p.Line, p.Column, p.Message, p.Hint = max(1, line), max(1, column), "YAML: "+message, hint
		return true
	}
	if line := f.conflict(); line > 0 {
		return say(line, 1, "this is the mark of a conflict", "a merge was left unfinished here: keep what is right, and take the marks away")
	}
	for line := p.Line; line > 0 && line >= p.Line-1; line-- {
		if m := noBreak.FindString(f.line(line)); m != "" {
			return say(line, len([]rune(m)), "there is a no-break space (U+00A0), which is no blank to YAML", "write a blank in its place")
		}
	}
	switch {
	case is("found multiple"):
		p.Width = len("---")
		return say(f.secondDocument(), 1, "a second document begins here, and a file holds one", "put it into a file of its own")
	case le != nil && is("unexpected end of stream") && le.ContextMark.Line > 0:
		return say(le.ContextMark.Line, le.ContextMark.Column, "this quote is not closed", "end the text with the same quote")
	case le != nil && (is("expected ',' or '}'") || is("expected ',' or ']'")) &&
		f.beginsLine(p.Line, p.Column) && le.ContextMark.Line < p.Line:
		bracket, closing := "{", "}"
		if is("',' or ']'") {
			bracket, closing = "[", "]"
		}
		return say(le.ContextMark.Line, le.ContextMark.Column, "this "+bracket+" is not closed", "close it with "+closing+", and put a comma between what it holds")
	case is("could not find expected ':'"):
		line := f.lineAbove(p.Line)
		if m := colonless.FindStringSubmatch(f.line(line)); m != nil {
			r := Rewrite{line, line, m[1] + m[2] + ": " + m[3]}
			if f.repairs(r) {
				p.Rewrite = r
			}
		}
		return say(line, indent(f.line(line))+1, "this line has no “: ”", "a key ends with a colon and a blank")
	}
	return false
}

var (
	// noBreak matches what a no-break space makes of an indentation, a list element or a key.
	noBreak = regexp.MustCompile("^[ -]*(?:[A-Za-z_]+:)?\u00a0")
	// colonless matches a key whose colon is another character, or has no blank behind it.
	colonless = regexp.MustCompile(`^([ -]*)([A-Za-z_]+) ?[:;=：] ?(\S.*)$`)
	// dashed matches what was meant as an element of a list.
	dashed = regexp.MustCompile(`^(?:-\S|[–—−•])`)
	// takesKeys matches a key that takes keys, before another one on its line.
	takesKeys = regexp.MustCompile(`^(?:fields|message|queue|dedupe|audience|let|tables|user|expect): [^ ]+$`)
)

// conflict returns the first line that git has marked a conflict with; 0 if there is none.
func (f *File) conflict() int {
	for i, l := range f.lines {
		if strings.HasPrefix(l, "<<<<<<< ") || strings.HasPrefix(l, ">>>>>>> ") {
			return i + 1
		}
	}
	return 0
}

// beginsLine reports whether the place is at or before the end of the first key of its line, or
// behind the last line.
func (f *File) beginsLine(line, column int) bool {
	text := f.line(line)
	return strings.TrimSpace(text) == "" || column <= len([]rune(lineHead.FindString(text)))
}

// lineAbove returns the last line before the n-th that is not empty; at least 1.
func (f *File) lineAbove(n int) int {
	for n--; n > 1 && strings.TrimSpace(f.line(n)) == ""; n-- {
	}
	return max(1, n)
}

// besideDash reports whether the nearest line above that is not indented deeper than the n-th
// begins with a dash at its column.
func (f *File) besideDash(n int) bool {
	column := indent(f.line(n))
	for above := n - 1; above > 0; above-- {
		if l := f.line(above); strings.TrimSpace(l) != "" && indent(l) <= column {
			return indent(l) == column && strings.HasPrefix(strings.TrimSpace(l), "- ")
		}
	}
	return false
}

// placeOf returns where the YAML reader found the error.
func placeOf(err error) (line, column int) {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return 1, 1
	}
	return max(1, le.Mark.Line), max(1, le.Mark.Column)
}

// secondDocument returns the line that separates a second document from the first.
func (f *File) secondDocument() int {
	content := false
	for i, l := range f.lines {
		if content && strings.HasPrefix(l, "---") {
			return i + 1
		}
		t := strings.TrimSpace(l)
		content = content || t != "" && !strings.HasPrefix(t, "#") && !strings.HasPrefix(t, "%")
	}
	return 1
}

// syntaxHint names the usual slip behind a YAML syntax error; "" when there is none to name.
func (f *File) syntaxHint(p Problem) string {
	line := []rune(f.line(p.Line))
	at := string(line[min(p.Column-1, len(line)):])
	before := strings.TrimLeft(string(line[:len(line)-len([]rune(at))]), " -")
	switch {
	case strings.HasPrefix(at, ",") && strings.TrimSpace(at) == ",":
		return "a line ends without a comma here: take it away"
	case strings.Contains(p.Message, "mapping values are not allowed") && takesKeys.MatchString(before):
		return "write this key on a line of its own below, indented deeper"
	case strings.Contains(p.Message, "mapping values are not allowed") && !strings.Contains(before, ":") && f.deeper(p.Line):
		return "YAML reads this line as a continuation of the text above, because it is indented deeper; begin both at the same column"
	case strings.Contains(p.Message, "mapping values are not allowed"):
		return "YAML reads “: ” inside an unquoted value as a new key; put the whole value in '…'"
	case strings.Contains(p.Message, "expected ',' or '}'"), strings.Contains(p.Message, "expected ',' or ']'"):
		return flowHint(at)
	case strings.Contains(p.Message, "invalid Unicode character escape code"):
		return `write the character itself, or one code for all of it: "\U0001F600"`
	case strings.HasPrefix(at, "\t"):
		return "YAML allows no tab in indentation; use spaces"
	case strings.Contains(p.Message, "did not find expected key") && before == "":
		return "what belongs together begins at the same column, and this line does not begin where the lines above do"
	case strings.Contains(p.Message, "unknown escape"):
		return `in "…", \ begins an escape such as \n: write \\ for it, or put the text in '…', where it is itself`
	case strings.Contains(p.Message, "unknown anchor"):
		return "*NAME stands for what &NAME marks above it in this file, and nothing does; a text that begins with * is put in '…'"
	case strings.Contains(p.Message, "did not find expected '-'") && dashed.MatchString(at):
		return "an element of a list begins with - and a blank"
	case strings.Contains(p.Message, "did not find expected '-'") && !strings.HasPrefix(at, "-") && f.besideDash(p.Line):
		return "the lines above at this column begin with “- ”, as elements of a list do: begin this line so too, or take their “- ” away"
	case strings.Contains(p.Message, "did not find expected '-'"):
		return "each element of a list begins with “- ”, and all of them at the same column"
	case strings.Contains(p.Message, "cannot start any token"), strings.Contains(p.Message, "did not find expected key"):
		return "a value that begins with a quote, or with any of [ { ! & * % @ `, is read as YAML's own; put the whole value in '…'"
	}
	return ""
}

// flowHint says what broke a value inside { } or [ ], of which the rest is where YAML stopped.
func flowHint(rest string) string {
	const quote = ": put the value in '…'"
	switch {
	case strings.HasPrefix(rest, "["), strings.HasPrefix(rest, "]"):
		return "inside { } and [ ], YAML reads [ and ] as a list" + quote
	case strings.HasPrefix(rest, "{"), strings.HasPrefix(rest, "}"):
		return "inside { } and [ ], YAML reads { and } as keys and values" + quote
	case strings.HasPrefix(rest, ":"):
		return "inside { } and [ ], YAML reads “: ” as the end of a key" + quote
	}
	return "inside { } and [ ], “, ” ends a value, and so does a closing quote" + quote + ", and close each { and ["
}

// deeper reports whether the n-th line is indented deeper than the line above that is not empty.
func (f *File) deeper(n int) bool {
	for above := n - 1; above > 0; above-- {
		if strings.TrimSpace(f.lines[above-1]) != "" {
			return indent(f.lines[n-1]) > indent(f.lines[above-1])
		}
	}
	return false
}
