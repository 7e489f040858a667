package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/value"
)

// AccessKeys returns the keys of an entry of access.
func AccessKeys() []string { return []string{"queue", "allow"} }

// Access says who may subscribe to which queue. It is safe for concurrent use.
type Access struct {
	rules []accessRule
}

// An accessRule allows what its condition is true for.
type accessRule struct {
	queues []string
	allow  *expression
	place  string // file and line
}

// CompileAccess compiles the access sections of all sources, and reports every mistake in them; those in tables are
// Compile's to report. It returns nil where no source has such a section: everybody may subscribe to everything. A section
// without entries is a mistake, so that commenting them out does not open the queues. What it returns must not be used when
// report.Err is not nil.
func CompileAccess(sources []Source, report *source.Report) *Access {
	c := newCompiler(sources, new(source.Report))
	c.report = report
	var a *Access
	for _, s := range sources {
		if s.Access == nil {
			continue
		}
		if a == nil {
			a = new(Access)
		}
		a.rules = append(a.rules, c.readAccess(s.File, source.Deref(s.Access))...)
	}
	return a
}

// Allow reports whether the user, whose token has the claims, may subscribe to the queue: whether one of its conditions is
// true. Claims are as decoded from JSON, with numbers as json.Number; Allow only reads them. The reason of a no is for the
// log: it names the conditions, and of claims their types, never a value. A nil Access allows everything.
func (a *Access) Allow(queue, user string, claims map[string]any) (ok bool, reason string) {
	if a == nil {
		return true, ""
	}
	var reasons []string
	s := &scope{event: &Event{}, user: user}
	s.claims, _ = claimValue(claims).(map[string]any)
	for _, r := range a.rules {
		if !slices.Contains(r.queues, queue) {
			continue
		}
		s.begin(nil)
		ok, err := r.allowed(s)
		if ok {
			return true, ""
		}
		reasons = append(reasons, r.reason(s, err))
	}
	if reasons == nil {
		return false, "no access entry is for " + queue
	}
	return false, strings.Join(reasons, "; ")
}

func (r *accessRule) allowed(s *scope) (bool, error) {
	v, err := r.allow.eval(s)
	if err != nil {
		return false, err
	}
	return truth(v)
}

// reason says that the condition did not hold, and of what type the claims are that it reads. The text of the error would
// quote them.
func (r *accessRule) reason(s *scope, err error) string {
	var b strings.Builder
	b.WriteString("allow (" + r.place + ") is false")
	if err != nil {
		b.Reset()
		fmt.Fprintf(&b, "allow (%s) cannot be evaluated: %s", r.place, value.KindOf(err))
	}
	for i, p := range r.allow.claims {
		v, _ := s.read(p) // of claims: no error
		fmt.Fprintf(&b, "%s%s is %s", []string{", where ", ", "}[min(i, 1)], p, value.TypeName(v))
	}
	return b.String()
}

// claimValue returns the value of a claim with its numbers as expressions have them.
func claimValue(v any) any {
	switch v := v.(type) {
	case json.Number:
		return value.JSONNumber(v.String())
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = claimValue(e)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for k, e := range v {
			object[k] = claimValue(e)
		}
		return object
	}
	return v
}

// readAccess reads the entries of one file.
func (c *compiler) readAccess(f *source.File, n *yaml.Node) []accessRule {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		what, hint := source.Kind(n), "write - {queue: /queue/…, allow: CONDITION}"
		if n.Kind == yaml.SequenceNode {
			what = "an empty one, which would allow nothing"
		}
		if source.Null(n) {
			hint += ", or leave access away where everybody may have everything"
		}
		c.report.Errorf(f, n, hint, "access takes a list, not %s", what)
		return nil
	}
	var rules []accessRule
	named := map[string]bool{}
	for _, e := range n.Content {
		r := accessReader{
			ruleCompiler: &ruleCompiler{compiler: c, file: f, names: &names{access: true, tables: c.tables}},
			named:        named,
		}
		rules = append(rules, r.read(source.Deref(e)))
	}
	if c.report.Err() != nil {
		return rules // a queue may be named by what is wrong
	}
	for _, q := range contract.QueueNames() {
		if !named[q] {
			c.report.Warnf(f, n, "if that is meant, say so: {queue: "+q+", allow: false}", "nobody may subscribe to %s, which no entry names", q)
		}
	}
	return rules
}

// An accessReader reads one entry.
type accessReader struct {
	*ruleCompiler
	named map[string]bool // queues of all entries
}

func (c *accessReader) read(n *yaml.Node) accessRule {
	rule := accessRule{place: fmt.Sprintf("%s:%d", c.file.Name, n.Line)}
	if reportTag(c.file, n, c.report) {
		return rule
	}
	c.keys = keysOf(c.file, n, "an entry of access", AccessKeys(), c.report)
	if n.Kind != yaml.MappingNode {
		return rule
	}
	if lacking := c.keys.lacking(AccessKeys()...); lacking != "" {
		c.errorf(n, "", "the entry lacks %s", lacking)
	}
	rule.queues = c.queues()
	for _, q := range rule.queues {
		c.named[q] = true
	}
	if n, ok := c.bare("allow"); ok {
		rule.allow = c.boolean(n, "allow")
		rule.place = fmt.Sprintf("%s:%d", c.file.Name, n.Line)
	}
	return rule
}

// queues returns the queues of the entry; * stands for all.
func (c *accessReader) queues() []string {
	p, ok := c.keys.pairs["queue"]
	if !ok {
		return nil
	}
	nodes := []*yaml.Node{p.Value}
	if p.Value.Kind == yaml.SequenceNode {
		nodes = p.Value.Content
		if len(nodes) == 0 {
			c.errorf(p.Value, "write a queue, or '*' for all of them", "queue names no queue")
		}
	}
	var queues []string
	for _, n := range nodes {
		n = source.Deref(n)
		known := append(contract.QueueNames(), "*")
		switch {
		case n.Kind != yaml.ScalarNode || source.Null(n):
			c.errorf(n, "write a queue, a list of them, or '*'", "queue takes a queue, not %s", source.Kind(n))
		case reportTag(c.file, n, c.report):
		case !slices.Contains(known, n.Value):
			c.errorf(n, spelling.DidYouMean(n.Value, known), "no queue %q", n.Value)
		case n.Value == "*":
			queues = append(queues, contract.QueueNames()...)
		default:
			queues = append(queues, n.Value)
		}
	}
	return queues
}
