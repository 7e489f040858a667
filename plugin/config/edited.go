package config

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// An Edited is what rules come to whose texts have been edited.
type Edited struct {
	Mapper   *mapping.Mapper  // nil when a mistake is in the rules or may have kept some away
	Problems []source.Problem // in the texts
	// Others are mistakes in what is not edited: settings, access, files that are not YAML. They may be
	// shown to those who may read the configuration, to others their [Kind] alone.
	Others []source.Problem
}

// errNotNamed is why an edited rule cannot have a file read.
var errNotNamed = errors.New("is not among the files that the configuration names so far, which are all that can be read here")

// CheckEdited is Check where the named files hold other tables, memories, rules and tests: those of
// the texts, which need not be secret. Everything else of the texts is a mistake; settings and access
// are what the files hold. A text under another name counts as one more file. Nothing is written.
//
// The texts and the settings are never put together: what is edited cannot take up a part of a
// setting, by a quote that stays open, and so show it. Nor can it have a file read that the files
// do not name.
func CheckEdited(path string, environ []string, texts map[string]string) Edited {
	l, c := read(path, environ)
	l.check(c)
	l.readIncludes()
	files := l.report.Problems()

	var report, access source.Report
	sources := l.editedSources(texts, &report)
	e := Edited{}
	m := mapping.Compile(sources, l.options(c, l.readNamed(c)), &report)
	mapping.CompileAccess(sources, &access)
	for _, p := range slices.Concat(l.broken, files, access.Problems(), l.wrong.Problems()) {
		if _, edited := texts[p.File]; mistake(p) && (!edited || p.File == path) {
			e.Others = append(e.Others, p)
		}
	}
	lacking := slices.ContainsFunc(slices.Concat(l.broken, files), func(p source.Problem) bool { return slices.Contains(e.Others, p) })
	if e.Problems = report.Problems(); report.Err() == nil && !lacking {
		e.Mapper = m
	}
	return e
}

// options are those for the rules of a configuration.
func (l *loader) options(c *Config, read func(name string, most int) ([]byte, error)) mapping.Options {
	return mapping.Options{BaseTopic: c.Broker.BaseTopic, MaxMessage: int(c.Server.Limits.Message), ReadFile: read}
}

// readNamed returns a readBeside for those files alone that the rules in the files name. Which these
// are it finds out when it is first asked for one: mostly there is none.
func (l *loader) readNamed(c *Config) func(name string, most int) ([]byte, error) {
	compile := sync.OnceFunc(func() { mapping.Compile(l.sources, l.options(c, l.readBeside), new(source.Report)) })
	return func(name string, most int) ([]byte, error) {
		compile()
		if name = absolute("", name); !slices.Contains(l.beside, name) {
			return nil, errNotNamed
		}
		return ReadFirst(name, most)
	}
}

// editedSources returns what the files say of rules and access, with the texts in place of the rules
// of those that are edited.
func (l *loader) editedSources(texts map[string]string, report *source.Report) (sources []mapping.Source) {
	for _, f := range l.parsed {
		own := mapping.Source{File: f}
		if i := slices.IndexFunc(l.sources, func(s mapping.Source) bool { return s.File == f }); i >= 0 {
			own = l.sources[i]
		}
		text, edited := texts[f.Name]
		if !edited {
			sources = append(sources, own)
			continue
		}
		sources = append(sources, mapping.Source{File: f, Access: own.Access}, editedSource(f.Name, text, report))
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(l.names, name) {
			sources = append(sources, editedSource(name, texts[name], report))
		}
	}
	return sources
}

// editedSource reads a text, which holds nothing but rules and what belongs to them.
func editedSource(name, text string, report *source.Report) mapping.Source {
	s := mapping.Source{File: source.Parse(name, []byte(text), report)}
	if s.File.Root == nil || source.Null(s.File.Root) {
		return s
	}
	for _, p := range s.File.Pairs(s.File.Root, "the file", report) {
		if p.Key.Value != accessKey && s.Take(p) {
			continue
		}
		report.Errorf(s.File, p.Key, "", "only tables, memory, rules and tests can be edited here, not %q", p.Key.Value)
	}
	return s
}
