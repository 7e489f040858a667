package expression

import (
	"regexp"
	"slices"
	"strings"

	"mqtt-stomp-bridge/mapping/value"
)

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// IsName reports whether the text can be written behind a dot.
func IsName(text string) bool { return nameForm.MatchString(text) }

// A Path is a fixed way into the data, such as payload.a.b[0]. Whatever is missing on the way makes
// the value nil.
type Path struct {
	Root  Root // what Data is asked for
	Steps []value.Step

	name    string         // the root as the rule wrote it: payload, topic.device, mqtt.user
	group   *Group         // the name is a group's, and needs another behind it
	entries map[string]any // of a table: Data is not asked
	memory  string         // the name is this memory's, and needs a key behind it
}

// complete reports whether the path has a value, and needs nothing behind it.
func (p *Path) complete() bool { return p.group == nil && p.memory == "" }

// String returns the text of the path.
func (p *Path) String() string { return p.upTo(len(p.Steps)) }

// upTo returns the text of the path with its first n steps.
func (p *Path) upTo(n int) string {
	var b strings.Builder
	b.WriteString(p.name)
	for _, st := range p.Steps[:n] {
		b.WriteString(st.String())
	}
	return b.String()
}

// extend returns the path one step further; nil where the group has no such name.
func (p *Path) extend(st value.Step) *Path {
	if p.group != nil {
		n := p.group.below(st.Key)
		if n == nil {
			return nil
		}
		longer := &Path{Root: n.Root, name: p.name + "." + n.Name, entries: n.Entries}
		if n.Memory {
			longer.memory = n.Name
		}
		return longer
	}
	longer := *p
	longer.Steps = append(slices.Clip(p.Steps), st)
	return &longer
}

// Read returns the value at the path, as an expression that is the path would.
func (s *Scope) Read(p *Path) (any, error) {
	s.why = Reason{}
	return s.read(p)
}

func (s *Scope) read(p *Path) (any, error) {
	if p.entries != nil {
		return s.walk(p, 0, p.entries), nil
	}
	v, err := s.data.Value(p.Root)
	if err != nil {
		return nil, err
	}
	return s.walk(p, 0, v), nil
}

// walk goes from v, where the path has led so far, the steps from the first on.
func (s *Scope) walk(p *Path, first int, v any) any {
	if texts, ok := v.(map[string]string); ok && len(p.Steps) == first {
		return objectOf(texts)
	}
	for i, st := range p.Steps[first:] {
		next := st.Of(v)
		if next == nil {
			s.missed(miss{path: p, step: first + i, at: v})
			return nil
		}
		v = next
	}
	if v == nil {
		s.missed(miss{path: p, step: -1})
	}
	return v
}

func objectOf(texts map[string]string) map[string]any {
	object := make(map[string]any, len(texts))
	for k, v := range texts {
		object[k] = v
	}
	return object
}
