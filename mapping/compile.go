package mapping

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/topic"
	"mqtt-stomp-bridge/mapping/value"
)

// Options hold what rules need to know of the bridge. The zero value has the defaults.
type Options struct {
	BaseTopic string // topics at and under it never match a rule; default DefaultBaseTopic
}

// DefaultBaseTopic is the base topic where Options name none.
const DefaultBaseTopic = "mqtt-stomp-bridge"

// Compile compiles the rules of all sources and reports every mistake in them. It never returns nil; the mapper must not
// be used when report.Err is not nil.
func Compile(sources []Source, opts Options, report *source.Report) *Mapper {
	c := newCompiler(sources, report)
	c.kinds, c.base = value.Encodings(), cmp.Or(opts.BaseTopic, DefaultBaseTopic)
	for _, s := range sources {
		c.readRules(s.File, s.Rules)
	}
	m := &Mapper{base: c.base}
	for _, r := range c.rules {
		m.rules = append(m.rules, r.rule)
	}
	c.compareTopics()
	for _, s := range sources {
		m.tests = append(m.tests, c.readTests(s.File, s.Tests)...)
	}
	return m
}

// A compiler collects what all files say.
type compiler struct {
	report *source.Report
	base   string
	kinds  []*value.Encoding // shared by the rules: a payload is decoded once a kind
	tables map[string]*table
	named  map[string]place // name of a rule -> where it stands
	rules  []placedRule
}

// newCompiler returns a compiler that knows the tables.
func newCompiler(sources []Source, report *source.Report) *compiler {
	c := &compiler{report: report, tables: map[string]*table{}, named: map[string]place{}}
	for _, s := range sources {
		c.readTables(s.File, s.Tables)
	}
	return c
}

// A place is a node of a file.
type place struct {
	file *source.File
	node *yaml.Node
}

// A placedRule is a rule with the place of its topic.
type placedRule struct {
	*rule
	topic place
}

// A table is a look-up table.
type table struct {
	file    *source.File
	entries map[string]any
	nodes   map[string]*yaml.Node     // the entries' values
	seen    map[*contract.Target]bool // targets that the entries were checked against
}

// reportTag reports a node of which YAML has taken a part away as a tag.
func reportTag(f *source.File, n *yaml.Node, report *source.Report) bool {
	if !source.Tagged(n) {
		return false
	}
	whole := strings.TrimSpace(n.Tag + " " + n.Value)
	switch {
	case strings.HasPrefix(whole, "!!"):
		report.Errorf(f, n, "leave the tag away, and quote the value where it must be text", "YAML tags such as %s have no meaning here", n.Tag)
	case expressionLike.MatchString(strings.TrimLeft(whole, "!( ")):
		inner := strings.TrimLeft(whole, "! ")
		report.Errorf(f, n, "write  not "+inner+"  or quote it: '!"+inner+"'", "YAML reads %s as a tag, not as “not”", whole)
	default:
		report.Errorf(f, n, "quote it: '"+whole+"'", "YAML reads %s as a tag, not as text", whole)
	}
	return true
}

func (c *compiler) readTables(f *source.File, n *yaml.Node) {
	if n == nil || source.Null(n) {
		return
	}
	for _, p := range f.Pairs(n, "tables", c.report) {
		name := p.Key.Value
		switch {
		case reportTag(f, p.Value, c.report):
		case !captureName.MatchString(name):
			c.report.Errorf(f, p.Key, "a name is made of letters, digits and _", "%q cannot be written as table.NAME", name)
		case c.tables[name] != nil:
			c.report.Errorf(f, p.Key, "give it another name", "a table %q stands in %s already", name, c.tables[name].file.Name)
		default:
			c.tables[name] = c.readTable(f, p)
		}
	}
}

func (c *compiler) readTable(f *source.File, p source.Pair) *table {
	t := &table{file: f, entries: map[string]any{}, nodes: map[string]*yaml.Node{}, seen: map[*contract.Target]bool{}}
	entries := f.Pairs(p.Value, "table "+p.Key.Value, c.report)
	if len(entries) == 0 && p.Value.Kind == yaml.MappingNode {
		c.report.Errorf(f, p.Key, "write its entries as KEY: TEXT", "table %s has no entries", p.Key.Value)
	}
	for _, e := range entries {
		switch {
		case reportTag(f, e.Value, c.report):
		case e.Value.Kind != yaml.ScalarNode || source.Null(e.Value):
			c.report.Errorf(f, e.Value, "write KEY: TEXT", "table %s, %q: an entry is a text, not %s", p.Key.Value, e.Key.Value, source.Kind(e.Value))
		case strings.HasPrefix(e.Value.Value, "="):
			c.report.Errorf(f, e.Value, "work it out in the field", "table %s, %q: tables hold texts, not expressions", p.Key.Value, e.Key.Value)
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
		c.report.Errorf(f, n, "begin each rule with “- name: …”", "rules takes a list, not %s", source.Kind(n))
		return
	}
	for _, e := range n.Content {
		r := &ruleCompiler{compiler: c, file: f, names: &names{kind: c.kinds[0], tables: c.tables}}
		r.compile(source.Deref(e))
	}
}

// maxName is how many characters a rule's name may have: it is a level of the dead-letter topic.
const maxName = 64

var ruleName = regexp.MustCompile(`^[A-Za-z0-9_.-]([A-Za-z0-9 _.-]*[A-Za-z0-9_.-])?$`)

// compareTopics warns about rules that send the same thing twice, and about topics that overlap only partly.
func (c *compiler) compareTopics() {
	seen := map[string]bool{} // filters of the rules so far
	for i, b := range c.rules {
		f := b.pattern.Filter()
		overlap := seen[f] // said before, if there is one
		seen[f] = true
		for _, a := range c.rules[:i] {
			switch g := a.pattern.Filter(); {
			case !topic.Intersects(f, g):
			case topic.Covers(g, f) && a.doubles(b.rule):
				c.report.Warnf(b.topic.file, b.topic.node, "give one of the two a when",
					"what this rule sends goes to %s twice: rule %q (%s:%d) sends every event of the topic there", b.routes[0].queue, a.name, a.file, a.line)
			case topic.Covers(f, g) && b.doubles(a.rule):
				c.report.Warnf(b.topic.file, b.topic.node, "give one of the two a when",
					"what rule %q (%s:%d) sends goes to %s twice: this rule sends every event of that topic there", a.name, a.file, a.line, a.routes[0].queue)
			case !topic.Covers(f, g) && !topic.Covers(g, f) && !overlap:
				overlap = true
				c.report.Warnf(b.topic.file, b.topic.node, "nothing is wrong, but the broker sends more than the rules need",
					"this topic and that of rule %q (%s:%d), %s, overlap: the bridge subscribes to %s, which holds both",
					a.name, a.file, a.line, a.pattern, topic.Join(f, g))
			}
		}
	}
}

// doubles reports whether r sends something for every event that other sends something for, to the same queue.
func (r *rule) doubles(other *rule) bool {
	if r.when != nil || r.each != nil || r.recipients != nil || len(r.routes) != 1 || len(other.routes) != 1 || r.routes[0].when != nil {
		return false
	}
	kinds := r.kind.Name == other.kind.Name || r.kind.Name == "ignore"
	return kinds && r.routes[0].queue == other.routes[0].queue && (r.deliver || !other.deliver)
}

// keys are the keys of a mapping that has known ones.
type keys struct {
	pairs map[string]source.Pair
	seen  map[string]bool // also what is tagged, and what an unknown key was probably meant to be
}

// keysOf returns the keys of n; unknown ones are reported.
func keysOf(f *source.File, n *yaml.Node, what string, known []string, report *source.Report) keys {
	k := keys{pairs: map[string]source.Pair{}, seen: map[string]bool{}}
	for _, p := range f.Pairs(n, what, report) {
		k.seen[p.Key.Value] = true
		switch {
		case !slices.Contains(known, p.Key.Value):
			k.seen[spelling.Nearest(p.Key.Value, known)] = true
			report.Errorf(f, p.Key, unknownKeyHint(p, known), "unknown field %q", p.Key.Value)
		case reportTag(f, p.Value, report):
		default:
			k.pairs[p.Key.Value] = p
		}
	}
	return k
}

// lacking returns those of the needed keys that are not there, as a list in words.
func (k keys) lacking(needed ...string) string {
	return inWords(slices.DeleteFunc(needed, func(key string) bool { return k.seen[key] }))
}

// inWords joins with commas and a last "and".
func inWords(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// unknownKeyHint names the slip behind a key that is none.
func unknownKeyHint(p source.Pair, known []string) string {
	if strings.ContainsAny(p.Key.Value, `()"`) {
		return "“, ” ends a value inside { }: put the whole expression in '…'"
	}
	return spelling.DidYouMean(p.Key.Value, known)
}
