package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

// A value that stands near a secret may be one: under a key that is misspelt, in the place of a
// path, or where YAML has divided a text. So no problem shows a value of a section with secrets,
// nor that of an unknown key anywhere.

var (
	secretWord = regexp.MustCompile(`(?i)secr|passw|passphrase|token|credential`)
	secretKey  = regexp.MustCompile(`(?i)(?:secr|passw|passphrase|token|credential)[\w-]*["']?[ \t]*:`)
	urlUser    = regexp.MustCompile(`://[^/ \t]*@`)
	fileWord   = regexp.MustCompile(`(?i)_(file|encoding)$`)
)

// sensitive reports whether the section, or one beside it under the same key of the top level,
// holds a secret.
func sensitive(path string) bool {
	top, _, _ := strings.Cut(path, ".")
	return slices.ContainsFunc(keys, func(k Key) bool { return k.Secret && strings.HasPrefix(k.Path, top+".") })
}

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

// redact keeps the values that may be secrets out of all problems in f. n is the mapping of the
// section.
func redact(f *source.File, section string, n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], source.Deref(n.Content[i+1])
		path := strings.TrimPrefix(section+"."+key.Value, ".")
		switch known := keyAt(path) != nil; {
		case section == "" && slices.Contains(expressionKeys(), key.Value):
		case known && !sensitive(section) && !strings.HasSuffix(key.Value, "password_file"): // or somebody has put the password there
			redactURLs(f, value, map[*yaml.Node]bool{})
		case !known && key.Value != "" && value.Kind == yaml.MappingNode && len(children(path)) > 0:
			redact(f, path, value)
		case path == jwtSection && value.Kind == yaml.SequenceNode:
			redactProviders(f, value)
		default:
			f.Redact(n.Content[i+1])
		}
	}
}

// redactProviders is redact for auth.jwt as a list, whose elements are sections.
func redactProviders(f *source.File, list *yaml.Node) {
	for _, n := range list.Content {
		if n := source.Deref(n); n.Kind == yaml.MappingNode {
			redact(f, jwtSection, n)
			continue
		}
		f.Redact(n)
	}
}

// redactURLs redacts the values at and below n that have an @, as a URL with a password does. seen
// are the nodes it has been at: an anchor may stand in many places, also within itself.
func redactURLs(f *source.File, n *yaml.Node, seen map[*yaml.Node]bool) {
	if n = source.Deref(n); seen[n] {
		return
	}
	seen[n] = true
	if strings.Contains(n.Value, "@") {
		f.Redact(n)
	}
	for _, c := range n.Content {
		redactURLs(f, c, seen)
	}
}

// keyLine matches a line that begins with a key, perhaps as an element of a list.
var keyLine = regexp.MustCompile(`^([ \t]*(?:- +)*)["']?([A-Za-z_][\w.-]*)["']?[ \t]*:`)

// withoutSecrets hides the source line of a syntax error where it may belong to a secret, and with
// it what the YAML reader quotes of it. In a file that cannot be parsed this goes by the words and
// the indentation of the lines.
func withoutSecrets(problems []source.Problem, data []byte) []source.Problem {
	lines := source.Lines(string(data))
	for i, p := range problems {
		if p.Line < 1 || p.Line > len(lines) {
			continue
		}
		names := namesAbove(lines, p.Line-1)
		top := "" // an empty file, or one without keys
		if len(names) > 0 {
			top = names[len(names)-1]
		}
		secret := slices.ContainsFunc(names, secretLike) || mayHoldSecret(top, lines[p.Line-1])
		hidden := secret || top != "" && (!slices.Contains(children(""), top) || sensitive(top))
		if hidden {
			problems[i].Text = ""
		}
		if hidden || !slices.Contains(expressionKeys(), top) {
			problems[i].Rewrite = source.Rewrite{} // it has more lines
		}
		// What is wrong with an anchor quotes it. The other messages and the hints are our own or
		// general.
		if yamls := strings.HasPrefix(p.Message, "YAML: "); yamls && (secret || hidden && strings.Contains(p.Message, "anchor")) {
			problems[i].Message = "YAML: this line cannot be read; it is not shown, because it may hold a secret"
			problems[i].Hint = "put the value in '…', or write ${VAR}, or name its file as password_file or secret_file"
		}
	}
	return problems
}

// mayHoldSecret reports whether the words of a line below the key of the top level look like a secret.
// Expressions have names such as payload.token, and texts with an @, that are none.
func mayHoldSecret(top, line string) bool {
	if slices.Contains(expressionKeys(), top) {
		return secretKey.MatchString(line) || urlUser.MatchString(line)
	}
	return secretWord.MatchString(line) || strings.Contains(line, "@")
}

// namesAbove returns the keys that line n may belong to, the innermost first: its own, or where it
// has none the last one above it, and those that it is indented under.
func namesAbove(lines []string, n int) (names []string) {
	within := len(lines[n]) + 1
	for ; n >= 0; n-- {
		m := keyLine.FindStringSubmatch(lines[n])
		if m == nil || len(m[1]) >= within {
			continue
		}
		names = append(names, m[2])
		within = len(m[1]) // a key in a list counts from itself: the list may stand below its own key without indentation
	}
	return names
}

// Kind says what kind of mistake p is, and nothing of what was written: for those who may not read
// the configuration.
func Kind(p source.Problem) string {
	path, _, _ := strings.Cut(p.Message, ": ")
	switch {
	case keyAt(path) != nil:
		return "a mistake in " + path
	case path == "YAML":
		return "YAML cannot be read"
	case strings.HasPrefix(p.Message, "unknown key"):
		return "an unknown key"
	case strings.HasPrefix(p.Message, "unknown field"):
		return "an unknown field"
	case strings.HasPrefix(p.Message, "cannot be read"):
		return "the file cannot be read"
	}
	return "a mistake"
}
