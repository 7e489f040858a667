package mapping

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/source"
)

// Options hold what rules need to know of the bridge. The zero value has the defaults.
type Options struct {
	BaseTopic string // topics at and under it never match a rule; default DefaultBaseTopic

	// MaxMessage is the size in bytes of a MESSAGE frame: an output that would become a larger one
	// is rejected. 0: there is no limit.
	MaxMessage int

	// ReadFile returns what is in a file that a rule or a test names, but no more than its first most
	// bytes. The name is a path from where those of the sources start; an error that is not
	// fs.ErrNotExist is told. nil: no file can be read.
	ReadFile func(name string, most int) ([]byte, error)
}

// messageHeaders is what the headers of a MESSAGE frame count as.
const messageHeaders = 1 << 10

// DefaultBaseTopic is the base topic where Options name none.
const DefaultBaseTopic = "mqtt-stomp-bridge"

// Compile compiles the rules of all sources and reports every mistake in them. It never returns
// nil; the mapper must not be used when report.Err is not nil.
func Compile(sources []Source, opts Options, report *source.Report) *Mapper {
	c := newCompiler(sources, report)
	c.base, c.files, c.maxMessage = cmp.Or(opts.BaseTopic, DefaultBaseTopic), files(opts.ReadFile), opts.MaxMessage
	for _, s := range sources {
		c.readMemories(s.File, s.Memory)
	}
	for _, s := range sources {
		c.readRules(s.File, s.Rules)
	}
	rules := make([]*rule, len(c.rules))
	for i, r := range c.rules {
		rules[i] = r.rule
	}
	m := newMapper(c.base, rules)
	for _, name := range c.memoryNames {
		m.memories = append(m.memories, c.memories[name].Settings)
	}
	c.compareTopics()
	if report.Err() == nil { // the rule that is wrong may be the one that uses a memory
		c.warnMemories()
	}
	for _, s := range sources {
		m.tests = append(m.tests, c.readTests(s.File, s.Tests)...)
	}
	return m
}

// A compiler collects the tables, rules and tests of all files.
type compiler struct {
	report      *source.Report
	base        string
	maxMessage  int // Options.MaxMessage
	files       files
	encodings   map[string]*payload.Encoding // by name; shared by the rules: a payload is decoded once for each
	schemas     map[string]*payload.Schema   // of .proto files, by path; nil: there are mistakes in it, which are reported
	tables      map[string]*table
	visible     expression.Group          // the tables, as expressions see them
	memories    map[string]*memorySection // by name
	memoryNames []string                  // in the order of the files
	named       map[string]place          // name of a rule -> where it stands
	rules       []placedRule
}

// newCompiler returns a compiler that has read the tables.
func newCompiler(sources []Source, report *source.Report) *compiler {
	c := &compiler{
		report: report, encodings: map[string]*payload.Encoding{}, schemas: map[string]*payload.Schema{}, tables: map[string]*table{},
		memories: map[string]*memorySection{}, named: map[string]place{},
	}
	for _, e := range payload.Named() {
		c.encodings[e.Name] = e
	}
	for _, s := range sources {
		c.readTables(s.File, s.Tables)
	}
	c.visible = tableGroup(c.tables)
	return c
}

// A place is a node of a file.
type place struct {
	file *source.File
	node *yaml.Node
}

// A placedRule is a rule with the places of its topics.
type placedRule struct {
	rule   *rule
	file   *source.File
	topics []*yaml.Node
}

// A table is a look-up table.
type table struct {
	file    *source.File
	entries map[string]any
	nodes   map[string]*yaml.Node     // the entries' values
	seen    map[*contract.Target]bool // targets that the entries have been checked against
}

func (c *compiler) readTables(f *source.File, n *yaml.Node) {
	if n == nil || source.Null(n) {
		return
	}
	r := &reader{file: f, report: c.report}
	for _, p := range r.pairs(n, "tables") {
		name := p.Key.Value
		switch {
		case r.tagged(p.Value):
		case !expression.IsName(name):
			r.errorf(p.Key, "a name is made of letters, digits and _", "%q cannot be written as table.NAME", name)
		case c.tables[name] != nil:
			r.errorf(p.Key, "give it another name", "table %q already exists in %s", name, c.tables[name].file.Name)
		default:
			c.tables[name] = readTable(r, p)
		}
	}
}

func readTable(r *reader, p source.Pair) *table {
	t := &table{file: r.file, entries: map[string]any{}, nodes: map[string]*yaml.Node{}, seen: map[*contract.Target]bool{}}
	entries := r.pairs(p.Value, "table "+p.Key.Value)
	if len(entries) == 0 && p.Value.Kind == yaml.MappingNode {
		r.errorf(p.Key, "write its entries as KEY: TEXT", "table %s has no entries", p.Key.Value)
	}
	for _, e := range entries {
		switch {
		case r.tagged(e.Value), r.cutOff(e):
		case e.Value.Kind != yaml.ScalarNode || source.Null(e.Value):
			r.errorf(e.Value, "write KEY: TEXT", "table %s, %q: an entry is a text, not %s", p.Key.Value, e.Key.Value, source.Describe(e.Value))
		case strings.HasPrefix(e.Value.Value, "="):
			r.errorf(e.Value, "compute it in the field", "table %s, %q: tables hold texts, not expressions", p.Key.Value, e.Key.Value)
		default:
			t.entries[e.Key.Value], t.nodes[e.Key.Value] = e.Value.Value, e.Value
		}
	}
	return t
}

func (c *compiler) readRules(f *source.File, n *yaml.Node) {
	if n == nil || source.Null(n) {
		return
	}
	if n = source.Deref(n); n.Kind != yaml.SequenceNode {
		c.report.Errorf(f, n, "begin each rule with “- name: …”", "rules takes a list, not %s", source.Describe(n))
		return
	}
	for _, e := range n.Content {
		newRuleCompiler(c, f).compile(source.Deref(e))
	}
}

// maxName is how many characters a rule's name may have: it is a level of the dead-letter topic.
const maxName = 64

var ruleName = regexp.MustCompile(`^[A-Za-z0-9_.-]([A-Za-z0-9 _.-]*[A-Za-z0-9_.-])?$`)

// keys returns the keys of the table, sorted.
func (t *table) keys() []string { return slices.Sorted(maps.Keys(t.entries)) }

// doubles reports whether r sends to the same queue as other, for every event for which other sends
// something.
func (r *rule) doubles(other *rule) bool {
	if r.when != nil || r.each != nil || r.recipients != nil || len(r.routes) != 1 || len(other.routes) != 1 || r.routes[0].when != nil {
		return false
	}
	sees := r.encoding == other.encoding || r.encoding.Name == "ignore"
	return sees && r.routes[0].queue == other.routes[0].queue && (r.deliver || !other.deliver)
}
