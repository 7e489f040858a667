package config

import (
	"path/filepath"
	"regexp"
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
		l.setting(f, k, p)
	case p.Key.Value == "", len(children(path)) == 0:
		l.unknown(f, section, p)
	case path == jwtSection && p.Value.Kind == yaml.SequenceNode:
		l.walkProviders(f, p.Value)
	case source.Null(p.Value): // all its keys are commented out
	case p.Value.Kind != yaml.MappingNode: // not quoted: it may be a secret that was put here
		l.wrong.Errorf(f, p.Value, "write its keys below it, indented", "%s takes keys, not a value", path)
	default:
		for _, inner := range f.Pairs(p.Value, path, &l.wrong) {
			l.walk(f, path, inner)
		}
	}
}

// plainKey matches what is clearly the name of a key, and not a part of a value.
var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,39}$`)

// unknown reports a key that is none, with the one that was probably meant. Among secrets it may be
// no key but what YAML has cut off a value: {secret: a, b}.
func (l *loader) unknown(f *source.File, section string, p source.Pair) {
	place := "at the top level"
	if section != "" {
		place = "in " + section
	}
	if sensitive(section) && source.Null(p.Value) || (section == "" || sensitive(section)) && !plainKey.MatchString(p.Key.Value) {
		f.Redact(p.Key)
		l.wrong.Errorf(f, p.Key, "put a value that has a comma in '…'", "unknown key %s; it is not shown, because it may be a part of a secret", place)
		return
	}
	report := &l.wrong
	if section == "" { // it may have been one of those that hold rules
		report = &l.report
	}
	report.Errorf(f, p.Key, meant(section, p.Key.Value), "unknown key %q %s", p.Key.Value, place)
}

// meant returns a hint for an unknown name in a section: the same name in another one, or the
// nearest here, or elsewhere.
func meant(section, name string) string {
	here := children(section)
	if slices.Contains(here, name+"_file") { // as some sections have a secret in a file alone
		return spelling.DidYouMean(name, []string{name + "_file"})
	}
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
func (l *loader) setting(f *source.File, k *Key, p source.Pair) {
	n := p.Value
	if source.Null(n) && !source.Tagged(n) {
		if wroteNull(k, n) {
			l.errorf(setting{key: k, file: f, node: n}, "", "%s", k.kind.null)
		}
		if k.Secret {
			l.unwritten = append(l.unwritten, unwritten{setting{key: k, file: f, node: n}, l.settings, p.Key.LineComment})
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
		l.errorf(s, s.hint(""), "takes %s, not %s", takes, source.Describe(n))
	case source.Tagged(n):
		l.errorf(s, s.hint("quote the value"), "YAML reads a word that begins with ! as a tag, not as text")
	case wroteNull(k, n):
		l.errorf(s, "", "%s", k.kind.null)
	case source.Null(n):
		l.errorf(s, s.hint("remove the line, or write the value"), "one of the list is empty")
	default:
		s.text, s.bad = n.Value, false
		l.doubtSecret(s)
	}
	return s
}

// wroteNull reports whether n is the word null where it stands for a value of k that needs quotes.
func wroteNull(k *Key, n *yaml.Node) bool {
	return k.kind.null != "" && source.Null(n) && strings.EqualFold(n.Value, "null")
}

// hint returns how to write a secret; for any other setting what was meant.
func (s setting) hint(otherwise string) string {
	if !s.key.Secret {
		return otherwise
	}
	return "write ${VAR} for an environment variable, or name its file as " + s.key.Path + "_file"
}

// doubtSecret warns where YAML has probably made another text of a secret.
func (l *loader) doubtSecret(s setting) {
	switch {
	case !s.key.Secret:
	case !source.Quoted(s.node) && commentsOut(s.node.LineComment):
		l.warnf(s, "put the value in '…' if the # is a part of it", "YAML reads what follows # as a comment")
	case s.node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && strings.HasSuffix(s.text, "\n"):
		l.warnf(s, "write |- in place of |, or >- in place of >", "the value ends with a line end")
	}
}

// commentsOut reports whether a comment is probably none: it has no blank behind its #.
func commentsOut(comment string) bool {
	return len(comment) > 1 && !strings.HasPrefix(comment, "# ") && !strings.HasPrefix(comment, "#\t")
}

// An unwritten secret has its key in the file and no value.
type unwritten struct {
	setting
	beside  settings // of the same provider, or of all that is no provider's
	comment string   // behind the key
}

// checkUnwritten reports secrets that YAML has taken for something else, and those without which a
// user name is sent alone. What gives the secret otherwise silences it.
func (l *loader) checkUnwritten() {
	for _, u := range l.unwritten {
		given := false
		for _, group := range alternatives {
			if slices.Contains(group, u.key.Path) {
				given = slices.ContainsFunc(group, func(path string) bool { return len(u.beside[path]) > 0 })
			}
		}
		_, user := l.one("broker.username")
		switch {
		case given:
		case u.node.Anchor != "":
			l.errorf(u.setting, u.hint(""), "YAML reads a word that begins with & as an anchor, so no value is left")
		case commentsOut(u.comment):
			l.errorf(u.setting, u.hint(""), "YAML reads what follows # as a comment, so no value is left")
		case u.key.Path == "broker.password" && user, u.comment != "":
			l.warnf(u.setting, u.hint(""), "no value is written")
		}
	}
}
