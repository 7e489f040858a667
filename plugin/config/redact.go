package config

import (
	"regexp"
	"slices"
	"strings"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

var (
	secretWord = regexp.MustCompile(`(?i)secr|passw|passphrase|token|credential`)
	fileWord   = regexp.MustCompile(`(?i)_(file|encoding)$`)
)

// secretLike reports whether a value under the name may be a secret: of a secret setting, or of one
// that was meant to be.
func secretLike(name string) bool {
	if k := keyNamed(name); k != nil {
		return k.Secret
	}
	if isSection(name) {
		return false
	}
	near := keyNamed(spelling.Nearest(name, lastNames()))
	return secretWord.MatchString(name) && !fileWord.MatchString(name) || near != nil && near.Secret
}

func isSection(name string) bool {
	return slices.ContainsFunc(Sections(), func(s Section) bool { return lastName(s.Path) == name })
}

// keyLine matches a line that begins with a key, perhaps as an element of a list.
var keyLine = regexp.MustCompile(`^([ \t]*(?:- +)*)["']?([A-Za-z_][\w.-]*)["']?[ \t]*:`)

// withoutSecrets hides the source line of a syntax error where it may belong to a secret, and with
// it what the YAML reader quotes of it. In a file that cannot be parsed this goes by the words and
// the indentation of the lines.
func withoutSecrets(problems []source.Problem, data []byte) []source.Problem {
	lines := source.Lines(string(data))
	for i, p := range problems {
		if p.Line >= 1 && p.Line <= len(lines) && maybeSecret(lines, p.Line-1) {
			problems[i].Text = ""
			problems[i].Message = "YAML: this line cannot be read; it is not shown, because it may hold a secret"
			problems[i].Hint = "put the value in '…'"
		}
	}
	return problems
}

// maybeSecret reports whether line n, or a line that it may belong to, names a secret: a line that
// it is indented under, and where it has no key of its own, the last one that has.
func maybeSecret(lines []string, n int) bool {
	if secretWord.MatchString(lines[n]) || strings.Contains(lines[n], "@") {
		return true
	}
	within := len(lines[n]) + 1
	for ; n >= 0; n-- {
		m := keyLine.FindStringSubmatch(lines[n])
		if m == nil || len(m[1]) >= within {
			continue
		}
		if secretLike(m[2]) {
			return true
		}
		within = len(m[1]) // a key in a list counts from itself: the list may stand below its own key without indentation
	}
	return false
}
