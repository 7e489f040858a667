package config

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// An expansionError is a mistake in a ${…}, with its place in the text.
type expansionError struct {
	offset, width int // in characters
	message, hint string
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces the variables in text as a shell does:
//
//	${VAR}            its value; a mistake where it is not set
//	${VAR:-default}   the default where it is not set or empty
//	${VAR:?message}   the message as the mistake where it is not set or empty
//	$${               the two characters ${
//
// Any other $ stands for itself. Values are not expanded again.
func expand(text string, env map[string]string) (string, *expansionError) {
	var b strings.Builder
	for rest := text; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			return b.String(), nil
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i] + "{")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		rest = rest[i:]
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return "", at(text, rest, rest, "write }, or $${ for the characters ${ themselves", "${ without }")
		}
		value, message, hint := variable(rest[2:end], env)
		if message != "" {
			return "", at(text, rest, rest[:end+1], hint, message)
		}
		b.WriteString(value)
		rest = rest[end+1:]
	}
}

// variable returns what stands for the inside of one ${…}, or a message about it.
func variable(inside string, env map[string]string) (value, message, hint string) {
	name, alternative, _ := strings.Cut(inside, ":")
	value, set := env[name]
	switch {
	case !variableName.MatchString(name):
		return "", "${ is not followed by the name of a variable", "write ${NAME}, or $${ for the characters ${ themselves"
	case strings.Contains(alternative, "${"):
		return "", "${…} cannot stand inside ${…}", ""
	case name == inside && !set:
		return "", fmt.Sprintf("the variable %s is not set", name), "set it, or write ${" + name + ":-default}"
	case name == inside:
		return value, "", ""
	case strings.HasPrefix(alternative, "-"):
		if value == "" {
			value = alternative[1:]
		}
		return value, "", ""
	case strings.HasPrefix(alternative, "?"):
		if value == "" {
			message = name + ": " + cmp.Or(alternative[1:], "it must be set, and not be empty")
		}
		return value, message, ""
	}
	return "", "the name of the variable is followed by neither :- nor :?", "write ${" + name + ":-default} or ${" + name + ":?message}"
}

// at places a mistake at span, with which the tail rest of text begins.
func at(text, rest, span, hint, message string) *expansionError {
	return &expansionError{
		offset:  utf8.RuneCountInString(text[:len(text)-len(rest)]),
		width:   utf8.RuneCountInString(span),
		message: message,
		hint:    hint,
	}
}
