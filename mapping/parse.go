package mapping

import (
	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

// A Source is what one YAML file says about rules, and about access to the queues. Nodes may be
// nil.
type Source struct {
	File   *source.File
	Tables *yaml.Node
	Memory *yaml.Node
	Rules  *yaml.Node
	Tests  *yaml.Node
	Access *yaml.Node
}

// ParseSource reads a YAML file that holds tables, memory, rules, tests and access, each where it is there,
// and nothing else. Every mistake goes to report; what can be read is returned all the same.
func ParseSource(name string, data []byte, report *source.Report) Source {
	s := Source{File: source.Parse(name, data, report)}
	if s.File.Root == nil {
		return s
	}
	for _, p := range s.File.Pairs(s.File.Root, "the file", report) {
		if !s.Take(p) {
			known := []string{"tables", "memory", "rules", "tests", "access"}
			report.Errorf(s.File, p.Key, spelling.DidYouMean(p.Key.Value, known), "unknown key %q", p.Key.Value)
		}
	}
	return s
}

// Take stores the value of a key of the file's top level, and reports whether the key is one of a
// Source.
func (s *Source) Take(p source.Pair) bool {
	switch p.Key.Value {
	case "tables":
		s.Tables = p.Value
	case "memory":
		s.Memory = p.Value
	case "rules":
		s.Rules = p.Value
	case "tests":
		s.Tests = p.Value
	case "access":
		s.Access = p.Value
	default:
		return false
	}
	return true
}
