package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/value"
)

// MemoryKeys returns the keys of a memory's settings.
func MemoryKeys() []string { return []string{"for", "max_keys", "max_bytes"} }

// Bounds of the settings of a memory.
const (
	minFor   = time.Second
	maxFor   = 87600 * time.Hour // ten years
	mostKeys = 10_000_000
	minBytes = 1 << 10
	maxBytes = 64 << 30
)

// A memorySection is a memory with its place.
type memorySection struct {
	place
	memory.Settings
	read, written bool // by a rule
}

func (c *compiler) readMemories(f *source.File, n *yaml.Node) {
	if n == nil || source.Null(n) {
		return
	}
	r := &reader{file: f, report: c.report}
	for _, p := range r.pairs(n, "memory") {
		name := p.Key.Value
		switch other := c.memories[name]; {
		case r.tagged(p.Value):
		case !expression.IsName(name):
			r.errorf(p.Key, "a name is made of letters, digits and _", "%q cannot be written as memory.NAME", name)
		case len(name) > maxName:
			r.errorf(p.Key, "", "the name of a memory has at most %d characters", maxName)
		case other != nil:
			r.errorf(p.Key, "give it another name", "memory %q already exists at %s:%d", name, other.file.Name, other.node.Line)
		default:
			c.memories[name] = &memorySection{place: place{f, p.Key}, Settings: readMemory(r, p)}
			c.memoryNames = append(c.memoryNames, name)
		}
	}
}

func readMemory(r *reader, p source.Pair) memory.Settings {
	s := memory.Settings{Name: p.Key.Value, For: memory.DefaultFor, MaxKeys: memory.DefaultMaxKeys, MaxBytes: memory.DefaultMaxBytes}
	if source.Null(p.Value) { // all defaults
		return s
	}
	if p.Value.Kind == yaml.ScalarNode {
		hold := "720h"
		if _, err := time.ParseDuration(p.Value.Value); err == nil {
			hold = p.Value.Value
		}
		r.errorf(p.Value, "write "+s.Name+": {for: "+hold+"}", "memory %s takes keys, not %s", s.Name, source.Describe(p.Value))
		return s
	}
	keys := r.keys(p.Value, "memory "+s.Name, MemoryKeys())
	if n := keys.pairs["for"].Value; n != nil {
		s.For = r.duration(n, "for", minFor, maxFor)
	}
	if n := keys.pairs["max_keys"].Value; n != nil {
		i, err := strconv.Atoi(n.Value)
		if err != nil || i < 1 || i > mostKeys {
			r.errorf(n, "", "max_keys is a whole number from 1 to %d, not %s", mostKeys, source.Describe(n))
		}
		s.MaxKeys = i
	}
	if n := keys.pairs["max_bytes"].Value; n != nil {
		s.MaxBytes = r.bytes(n, "max_bytes")
	}
	return s
}

// duration reads a duration within the bounds.
func (r *reader) duration(n *yaml.Node, key string, from, to time.Duration) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if err == nil && d >= from && d <= to && n.Kind == yaml.ScalarNode {
		return d
	}
	hint := "write 10m"
	if meant := durationMeant(n.Value); err != nil && meant != "" {
		hint = "write " + meant
	} else if isNumber(n.Value) {
		hint = fmt.Sprintf("write %[1]ss for seconds, %[1]sm for minutes", n.Value)
	}
	r.errorf(n, hint, "%s is a duration from %s to %s, not %s", key, inHours(from), inHours(to), source.Describe(n))
	return from
}

// wordedDuration matches a number with a unit as people write it.
var wordedDuration = regexp.MustCompile(`(?i)^([0-9]{1,6}) *(ms|s|m|h|d|w|milli|sec|min|hour|hr|day|week)[a-z]*$`)

// durationMeant returns a duration that was written with a unit of another form, such as 3 min; "" for
// anything else.
func durationMeant(text string) string {
	m := wordedDuration.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	number, _ := strconv.Atoi(m[1]) // six digits
	switch unit := strings.ToLower(m[2]); unit {
	case "ms", "milli":
		return m[1] + "ms"
	case "d", "day":
		return strconv.Itoa(24*number) + "h"
	case "w", "week":
		return strconv.Itoa(7*24*number) + "h"
	default:
		return m[1] + unit[:1]
	}
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

// inHours writes a duration without zero minutes and seconds.
func inHours(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

var sizeForm = regexp.MustCompile(`^([0-9]{1,12}) *(B|KiB|MiB|GiB)?$`)

// bytes reads a size in bytes.
func (r *reader) bytes(n *yaml.Node, key string) int64 {
	if m := sizeForm.FindStringSubmatch(n.Value); m != nil && n.Kind == yaml.ScalarNode {
		size, _ := strconv.ParseInt(m[1], 10, 64) // twelve digits
		size <<= 10 * max(0, slices.Index([]string{"B", "KiB", "MiB", "GiB"}, m[2]))
		if size >= minBytes && size <= maxBytes {
			return size
		}
	}
	r.errorf(n, "write it like 64MiB or 512KiB", "%s is a size from 1KiB to 64GiB, not %s", key, source.Describe(n))
	return minBytes
}

// memoryAt returns the memory that the node names; nil after a mistake.
func (c *ruleCompiler) memoryAt(n *yaml.Node) *memorySection {
	m := c.all.memories[n.Value]
	if m == nil {
		hint := spelling.DidYouMean(n.Value, c.all.memoryNames)
		if near := spelling.Nearest(n.Value, c.all.memoryNames); near == "" {
			hint = "name it at the top level: memory: {" + n.Value + ": {}}"
		}
		c.in.errorf(n, hint, "no memory %s", value.Quote(n.Value))
	}
	return m
}

// warnMemories warns of memories that nothing reads or nothing writes.
func (c *compiler) warnMemories() {
	for _, name := range c.memoryNames {
		m := c.memories[name]
		switch {
		case !m.read && !m.written:
			c.report.Warnf(m.file, m.node, "use it, or leave it out", "no rule uses memory %s", name)
		case !m.read:
			c.report.Warnf(m.file, m.node, "read it: memory."+name+"[key], or forgotten: "+name, "rules remember in memory %s what no rule reads", name)
		case !m.written:
			c.report.Warnf(m.file, m.node, "a rule writes it with remember: {"+name+": {key: …, value: …}}", "no rule remembers anything in memory %s", name)
		}
	}
}

// memoryGroup returns the memories as expressions see them.
func (c *compiler) memoryGroup() expression.Group {
	g := expression.Group{Name: "memory", Hint: "there are no memories; name one under memory:"}
	for _, name := range slices.Sorted(slices.Values(c.memoryNames)) {
		g.Below = append(g.Below, expression.Name{Name: name, Root: rootMemory, Types: value.AnyType, Memory: true})
	}
	return g
}
