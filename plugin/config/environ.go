package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

const (
	envPrefix     = "BRIDGE_"
	envTestPrefix = "BRIDGE_TEST_" // reserved for this software's own tests
)

// serviceName matches the variables that Kubernetes sets for a Service whose name begins with
// "bridge". Those that end in PORT count only with a URL as value, so that a setting is not
// mistaken for one.
var (
	serviceName = regexp.MustCompile(`^BRIDGE_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	servicePort = regexp.MustCompile(`^BRIDGE_(.*_)?PORT=(tcp|udp|sctp)://`)
)

func parseEnviron(environ []string) map[string]string {
	env := map[string]string{}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			env[name] = value
		}
	}
	return env
}

// readEnviron sets the settings that variables override. An empty variable counts as not set.
func (l *loader) readEnviron() {
	byEnv := map[string]*Key{} // variable -> setting
	for i := range keys {
		byEnv[keys[i].Env()] = &keys[i]
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		value := l.env[name]
		switch k := byEnv[name]; {
		case !strings.HasPrefix(name, envPrefix), strings.HasPrefix(name, envTestPrefix):
		case serviceName.MatchString(name), servicePort.MatchString(name + "=" + value):
		case k == nil:
			l.unknownVariable(name, slices.Sorted(maps.Keys(byEnv)))
		case value != "":
			l.override(k, name, value)
		}
	}
}

func (l *loader) unknownVariable(name string, known []string) {
	hint := "see the configuration reference for the variables there are"
	if near := spelling.Nearest(name, known); near != "" {
		hint = spelling.DidYouMean(name, []string{near})
	}
	f := l.variableFile(name, "") // its value may be a secret
	l.wrong.Errorf(f, &yaml.Node{Line: 1, Column: 1}, hint, "no setting has this variable")
}

// override replaces what the file says of k, and of its alternatives, by the value of a variable. A
// list is written with commas; a secret is taken whole.
func (l *loader) override(k *Key, variable, value string) {
	for _, group := range alternatives {
		for _, other := range group {
			if slices.Contains(group, k.Path) && other != k.Path && l.env[keyAt(other).Env()] == "" {
				delete(l.settings, other)
			}
		}
	}
	shown, parts := value, []string{value}
	if sensitive(k.Path) || strings.Contains(value, "@") { // perhaps a URL with a password
		shown = ""
	}
	if k.List && !k.Secret {
		parts = strings.Split(value, ",")
	}
	if l.overridesProvider(k, variable, shown) {
		return
	}
	f := l.variableFile(variable, shown)
	l.settings[k.Path] = nil
	column := 1
	for _, part := range parts {
		text, lead := part, 0
		if k.List && !k.Secret {
			text = strings.TrimSpace(part)
			lead = strings.Index(part, text)
		}
		n := &yaml.Node{Kind: yaml.ScalarNode, Line: 1, Column: column + lead, Value: text}
		column += utf8.RuneCountInString(part) + 1
		if shown == "" {
			f.Redact(n)
		}
		l.settings[k.Path] = append(l.settings[k.Path], setting{key: k, file: f, node: n, text: text})
	}
}

// variableFile returns a file of one line that stands for a variable where problems are reported.
func (l *loader) variableFile(name, value string) *source.File {
	var unread source.Report // the value is not YAML; only its line is of use
	name = "$" + name
	l.variables = append(l.variables, name)
	return source.Parse(name, []byte(value), &unread)
}
