package config

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

// walk takes one key of a section: a setting, or a section again.
func (l *loader) walk(f *source.File, section string, p source.Pair) {
	path := p.Key.Value
	if section != "" {
		path = section + "." + path
	}
	if section == "auth" {
		l.authOrder = append(l.authOrder, p.Key.Value)
	}
	k := keyAt(path)
	switch {
	case k != nil:
		l.setting(f, k, p.Value)
	case p.Key.Value == "", len(children(path)) == 0:
		l.unknown(f, section, p)
	case path == jwtSection && p.Value.Kind == yaml.SequenceNode:
		l.walkProviders(f, p.Value)
	case source.Null(p.Value): // all its keys are commented out
	case p.Value.Kind != yaml.MappingNode: // not quoted: it may be a secret that was put here
		l.report.Errorf(f, p.Value, "write its keys below it, indented", "%s takes keys, not a value", path)
	default:
		for _, inner := range f.Pairs(p.Value, path, &l.report) {
			l.walk(f, path, inner)
		}
	}
}

// unknown reports a key that is none, with the one that was probably meant. Without a value it may
// be no key but what YAML has cut off at a comma: {secret: a, b}.
func (l *loader) unknown(f *source.File, section string, p source.Pair) {
	place := "at the top level"
	if section != "" {
		place = "in " + section
	}
	if source.Null(p.Value) && holdsSecret(section) {
		f.Redact(p.Key)
		l.report.Errorf(f, p.Key, "put a value that has a comma in '…'", "unknown key without a value %s; it is not shown, because it may be a part of a secret", place)
		return
	}
	l.report.Errorf(f, p.Key, meant(section, p.Key.Value), "unknown key %q %s", p.Key.Value, place)
}

// holdsSecret reports whether a setting of the section is secret.
func holdsSecret(section string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return k.Secret && strings.TrimSuffix(k.Path, "."+lastName(k.Path)) == section })
}

// meant returns a hint for an unknown name in a section: the same name in another one, or the
// nearest here, or elsewhere.
func meant(section, name string) string {
	here := children(section)
	if k := keyNamed(name); k != nil {
		return spelling.DidYouMean(k.Path, []string{k.Path})
	}
	for _, s := range Sections() {
		if lastName(s.Path) == name {
			return spelling.DidYouMean(s.Path, []string{s.Path})
		}
	}
	if spelling.Nearest(name, here) == "" {
		if k := keyNamed(spelling.Nearest(name, lastNames())); k != nil {
			return spelling.DidYouMean(k.Path, []string{k.Path})
		}
	}
	return spelling.DidYouMean(name, here)
}

// setting takes the value of k, one or a list. A value that is not written leaves the default.
func (l *loader) setting(f *source.File, k *Key, n *yaml.Node) {
	if source.Null(n) && !source.Tagged(n) {
		if wroteNull(k, n) {
			l.errorf(setting{key: k, file: f, node: n}, "", "%s", k.kind.null)
		}
		return
	}
	nodes, single := []*yaml.Node{n}, true
	if n.Kind == yaml.SequenceNode && k.List {
		nodes, single = n.Content, false
	}
	var values []setting
	for _, n := range nodes {
		s := l.scalar(f, k, source.Deref(n))
		s.single = single
		values = append(values, s)
	}
	if len(values) > 0 {
		l.settings[k.Path] = values
	}
}

// scalar takes one value as text.
func (l *loader) scalar(f *source.File, k *Key, n *yaml.Node) setting {
	s := setting{key: k, file: f, node: n, dir: filepath.Dir(f.Name), bad: true}
	switch {
	case n.Kind != yaml.ScalarNode:
		takes := "one value"
		if k.List && n.Kind == yaml.MappingNode {
			takes = "one value or a list"
		}
		l.errorf(s, "", "takes %s, not %s", takes, source.Describe(n))
	case source.Tagged(n):
		l.errorf(s, "quote the value", "YAML reads a word that begins with ! as a tag, not as text")
	case wroteNull(k, n):
		l.errorf(s, "", "%s", k.kind.null)
	case source.Null(n):
		l.errorf(s, "remove the line, or write the value", "one of the list is empty")
	default:
		s.text, s.bad = n.Value, false
	}
	return s
}

// wroteNull reports whether n is the word null where it stands for a value of k that needs quotes.
func wroteNull(k *Key, n *yaml.Node) bool {
	return k.kind.null != "" && source.Null(n) && strings.EqualFold(n.Value, "null")
}

// redact keeps the lines of secrets out of all problems: those of the secret keys, those of a key
// that looks like one and is none, what was put in a section's place, and a URL with a password in
// it.
func redact(f *source.File, n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		if strings.Contains(n.Value, "@") {
			f.Redact(n)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			redact(f, c)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			switch {
			case slices.Contains(expressionKeys(), key.Value):
			case key.Value == lastName(jwtSection) && value.Kind == yaml.SequenceNode:
				redactProviders(f, value)
			case secretLike(key.Value), isSection(key.Value) && value.Kind != yaml.MappingNode:
				hide(f, value)
			default:
				redact(f, value)
			}
		}
	}
}

// redactProviders is redact for auth.jwt as a list, whose elements are sections.
func redactProviders(f *source.File, list *yaml.Node) {
	for _, n := range list.Content {
		if n.Kind == yaml.MappingNode {
			redact(f, n)
		} else {
			hide(f, n)
		}
	}
}

// hide redacts every line that n stands on.
func hide(f *source.File, n *yaml.Node) {
	f.Redact(n)
	for _, c := range n.Content {
		hide(f, c)
	}
}
