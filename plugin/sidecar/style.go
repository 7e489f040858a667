package main

import (
	"io"
	"strings"

	"mqtt-stomp-bridge/mapping/source"
)

// A style colours text; the zero value leaves it plain.
type style struct{ coloured bool }

// style returns how to write to w: with colours on a terminal that shows them, unless NO_COLOR is
// set (no-color.org).
func (p *program) style(w io.Writer) style {
	return style{isTerminal(w) && p.variable("NO_COLOR") == "" && p.variable("TERM") != "dumb"}
}

// A colour is an SGR parameter of ECMA-48, one of those that every palette keeps legible.
type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	cyan   colour = "36"
	bold   colour = "1"
)

// paint colours text, which holds no line end.
func (s style) paint(c colour, text string) string {
	if !s.coloured || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// problem returns the problem as its String does, with the message and the caret in colour.
func (s style) problem(p source.Problem) string {
	c := red
	if p.Warning {
		c = yellow
	}
	return s.lines(p.String(), func(line string) colour {
		switch before, caret, _ := strings.Cut(line, "| "); {
		case line == p.Error():
			return c
		case strings.TrimSpace(before) == "" && strings.Trim(caret, " \t^") == "" && caret != "":
			return c
		}
		return ""
	})
}

// diff returns the lines of a failed test, what was wanted in red and what came in green.
func (s style) diff(text string) string {
	return s.lines(text, func(line string) colour {
		switch t := strings.TrimSpace(line); {
		case strings.HasPrefix(t, "- "):
			return red
		case strings.HasPrefix(t, "+ "):
			return green
		}
		return ""
	})
}

// trace returns the text of a mapping.Trace, its ends and what failed in colour.
func (s style) trace(text string) string {
	return s.lines(text, func(line string) colour {
		switch {
		case strings.HasPrefix(line, "  -> dead letter"), strings.HasPrefix(line, "      ") && strings.Contains(line, " FAIL "):
			return red
		case strings.HasPrefix(line, "  -> nothing"):
			return yellow
		case strings.HasPrefix(line, "  -> "):
			return green
		case line != "" && line[0] != ' ':
			return bold
		}
		return ""
	})
}

// lines colours each line of text as of says; "" leaves it plain.
func (s style) lines(text string, of func(line string) colour) string {
	if !s.coloured {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if c := of(line); c != "" {
			lines[i] = s.paint(c, line)
		}
	}
	return strings.Join(lines, "\n")
}
