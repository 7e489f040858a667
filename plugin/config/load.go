package config

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mitchellh/mapstructure"
	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// A Result is what a configuration comes to.
type Result struct {
	Config *Config // nil when there is a mistake

	// Mapper is the rules, nil when a mistake is in them or may have kept some away. They can be
	// tried although a setting is wrong, or a file of a secret is not on this machine.
	Mapper *mapping.Mapper

	Problems []source.Problem // every mistake and warning; none ever shows a secret

	// Beside are the files that rules and tests name. Some may not exist, where others were found or
	// one is missing.
	Beside []string
}

// Load reads the configuration at path, the files that it includes and the BRIDGE_ variables of
// environ, which is in the form of os.Environ. It returns every mistake and every warning of all of
// them, in the order of the files and then of the variables, by position; the configuration is nil
// when there is a mistake. No problem ever shows a secret.
//
// A configuration that nobody could connect to is complete enough for check and try; CanServe says
// whether a bridge can be started from it.
func Load(path string, environ []string) (*Config, []source.Problem) {
	r := Check(path, environ)
	return r.Config, r.Problems
}

// Check is Load for who wants the rules although a setting is wrong.
func Check(path string, environ []string) Result {
	l, c := read(path, environ)
	l.check(c)
	l.readIncludes()
	c.Mapper = mapping.Compile(l.sources, l.options(c, l.readBeside), &l.report)
	c.Access = mapping.CompileAccess(l.sources, &l.report)
	r := Result{}
	if l.report.Err() == nil && !slices.ContainsFunc(l.broken, mistake) {
		r.Mapper = c.Mapper
	}
	if r.Mapper != nil && l.wrong.Err() == nil {
		l.doubtRules(c)
		for _, name := range l.beside {
			l.addFile(name)
		}
		c.Files = l.files
		c.Hash = l.fingerprint(c)
		c.ReplicaHash = l.replicaFingerprint(c)
		c.RulesHash = l.rulesFingerprint()
		r.Config = c
	}
	r.Problems, r.Beside = l.problems(), l.beside
	return r
}

func mistake(p source.Problem) bool { return !p.Warning }

// doubtRules warns of a configuration without rules. It serves, but nobody gets anything.
func (l *loader) doubtRules(c *Config) {
	if len(c.Mapper.Rules()) > 0 || len(l.parsed) == 0 {
		return
	}
	f := l.parsed[0]
	at := &yaml.Node{Line: 1, Column: 1}
	if i := slices.IndexFunc(l.sources, func(s mapping.Source) bool { return s.File == f && s.Rules != nil }); i >= 0 {
		at = l.sources[i].Rules
	}
	l.report.Warnf(f, at, "write rules: with a list of them, or include: with the files that hold them", "there are no rules, so nobody gets a message")
}

// Settings returns the settings of a configuration as far as there is no mistake in them, and
// otherwise their defaults; no rules. Of a file that is not YAML it takes the sections that are. It
// is for what only looks at a running bridge, which goes on with what it had when a mistake was
// saved.
func Settings(path string, environ []string) *Config {
	l := newLoader(environ)
	l.readMain(path)
	if len(l.broken) > 0 {
		l.readSections(path)
	}
	l.readEnviron()
	l.expand()
	return l.decode()
}

func newLoader(environ []string) *loader {
	return &loader{env: parseEnviron(environ), settings: settings{}}
}

func read(path string, environ []string) (*loader, *Config) {
	l := newLoader(environ)
	l.readMain(path)
	l.readEnviron()
	l.expand()
	return l, l.decode()
}

// CanServe returns why no bridge can be started from c, although it is without a mistake.
func (c *Config) CanServe() error {
	if len(c.Auth.Kinds) == 0 {
		return errors.New("auth: there is no secret and nothing else that clients could show, so none could connect: set BRIDGE_AUTH_JWT_SECRET_FILE or BRIDGE_AUTH_JWT_SECRET, or another kind of auth")
	}
	return nil
}

// A loader collects what the files and the environment say.
type loader struct {
	env       map[string]string
	report    source.Report    // of files and rules
	wrong     source.Report    // of settings
	broken    []source.Problem // syntax errors, already without secrets
	settings  settings
	providers []*provider // of auth.jwt as a list; none: it has the keys itself
	sources   []mapping.Source

	parsed    []*source.File      // the configuration first, if it could be read
	names     []string            // of files that problems may be in, in the order of reading; the configuration first
	variables []string            // that override settings, as files are named in problems
	files     []string            // that were read
	beside    []string            // files that rules and tests name, also those that are not there
	sums      [][sha256.Size]byte // of what is in them
	authOrder []string            // the keys of auth, as they stand in the file
	unwritten []unwritten
}

// settings are the values of each setting by its path: one, unless the key is a list.
type settings map[string][]setting

// A setting is one value as it was written.
type setting struct {
	key    *Key
	file   *source.File
	node   *yaml.Node
	text   string // expanded by expand
	dir    string // where a relative path starts; "" for that of a variable, which is not expanded
	bad    bool   // already reported
	single bool   // the file has it as one value, where it could have a list
}

// errorf reports that the setting is wrong.
func (l *loader) errorf(s setting, hint, format string, args ...any) {
	l.reportOf(s.key).Errorf(s.file, s.node, hint, s.key.Path+": "+format, args...)
}

// reportOf returns where problems with the setting go. Without the included files there are other
// rules.
func (l *loader) reportOf(k *Key) *source.Report {
	if k.Path == "include" {
		return &l.report
	}
	return &l.wrong
}

// parse reads a YAML file; nil when that cannot be done at all. Syntax errors are kept apart, since
// they come before it is known which lines hold secrets.
func (l *loader) parse(name string) *source.File {
	l.names = append(l.names, name)
	data, err := os.ReadFile(name)
	if err != nil {
		p := source.Problem{File: name, Line: 1, Column: 1, Width: 1, Message: reason(err)}
		if errors.Is(err, fs.ErrNotExist) {
			p.Hint = "-c FILE names the configuration; the demo needs none"
		}
		l.broken = append(l.broken, p)
		return nil
	}
	l.addFile(name)
	var report source.Report
	f := source.Parse(name, data, &report)
	l.parsed = append(l.parsed, f)
	l.broken = append(l.broken, withoutSecrets(report.Problems(), data)...)
	return f
}

func (l *loader) addFile(name string) {
	if !slices.Contains(l.files, name) {
		l.files = append(l.files, name)
	}
}

// reason returns what the system said, without the path that is told anyway.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return "cannot be read: " + pe.Err.Error()
	}
	return "cannot be read: " + err.Error()
}

func (l *loader) readMain(path string) {
	f := l.parse(path)
	rules := mapping.Source{File: f}
	for _, p := range l.pairs(f, "the configuration") {
		if !rules.Take(p) {
			l.walk(f, "", p)
		}
	}
	l.addRules(rules)
}

// addRules adds a file's share of the rules and of access, if it has any.
func (l *loader) addRules(s mapping.Source) {
	if s.Tables != nil || s.Memory != nil || s.Rules != nil || s.Tests != nil || s.Access != nil {
		l.sources = append(l.sources, s)
	}
}

// pairs returns the keys of a file at its top level, with all secrets redacted from here on.
func (l *loader) pairs(f *source.File, what string) []source.Pair {
	switch {
	case f == nil || f.Root == nil || source.Null(f.Root):
		return nil
	case f.Root.Kind != yaml.MappingNode: // not quoted: it may be the file of a secret
		f.Redact(f.Root)
		l.report.Errorf(f, f.Root, "", "%s takes keys, such as rules:", what)
		return nil
	}
	redact(f, "", f.Root)
	return f.Pairs(f.Root, what, &l.report)
}

// expand puts the values of variables into the settings that the files gave and no variable
// overrides.
func (l *loader) expand() {
	l.expandSettings()
	for _, p := range l.providers {
		l.within(p, l.expandSettings)
	}
}

func (l *loader) expandSettings() {
	for _, settings := range l.settings {
		for i, s := range settings {
			if s.dir == "" || s.bad {
				continue
			}
			text, err := expand(s.text, l.env)
			if err != nil {
				l.reportOf(s.key).ErrorAt(s.file, s.node, err.offset, err.width, err.hint, "%s: %s", s.key.Path, err.message)
			}
			settings[i].text, settings[i].bad = text, err != nil
		}
	}
}

// absolute returns the path as seen from dir, or from the working directory where dir is "".
func absolute(dir, path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// decode decodes the settings, and first those of each provider by itself.
func (l *loader) decode() *Config {
	for _, p := range l.providers {
		l.within(p, func() { p.jwt = l.decodeSettings().Auth.JWT })
	}
	return l.decodeSettings()
}

// decodeSettings returns the defaults with the settings set over them. A value that is refused is
// reported and left out.
func (l *loader) decodeSettings() *Config {
	plain := tree{}
	for _, path := range slices.Sorted(maps.Keys(l.settings)) {
		if value := l.value(l.settings[path]); value != nil {
			plain.set(path, value)
		}
	}
	c := Default()
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{Result: c, ErrorUnused: true, ZeroFields: true})
	if err == nil {
		err = d.Decode(map[string]any(plain))
	}
	if err != nil {
		panic("config: the table of keys and Config differ: " + err.Error())
	}
	return c
}

// value returns what the settings of one key stand for; nil when any is refused.
func (l *loader) value(settings []setting) any {
	var values []any
	for i, s := range settings {
		if s.bad {
			continue
		}
		v, err := s.parse()
		if err != nil {
			l.refused(s, err)
			settings[i].bad = true
			continue
		}
		if s.key.kind.path && s.text != "" {
			v = absolute(s.dir, s.text)
		}
		values = append(values, v)
	}
	switch {
	case len(values) < len(settings):
		return nil
	case settings[0].key.List:
		return values
	}
	return values[0]
}

// parse returns what the text stands for.
func (s setting) parse() (any, error) {
	if s.key.kind.listed && s.single && strings.Contains(s.text, ",") {
		return nil, refuseValue("write a list: [one, two]", s.text, " has a comma, and several values are a list")
	}
	return s.key.kind.parse(s.text)
}

// refused reports why a value is not taken, without the value where it may be a secret.
func (l *loader) refused(s setting, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = refuse("", "%s", err)
	}
	if s.file.Redacted(s.node) {
		r = r.hidden()
	}
	if r.width > 0 && s.text == s.node.Value { // no variable has moved what is meant
		l.reportOf(s.key).ErrorAt(s.file, s.node, r.offset, r.width, r.hint, "%s: %s", s.key.Path, r)
		return
	}
	l.errorf(s, r.hint, "%s", r)
}

// problems returns everything that was reported, by file in the order of reading, then by variable,
// and by position.
func (l *loader) problems() []source.Problem {
	all := slices.Concat(l.broken, l.report.Problems(), l.wrong.Problems())
	order := append(l.names, l.variables...)
	slices.SortStableFunc(all, func(a, b source.Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.File), slices.Index(order, b.File)),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return all
}
