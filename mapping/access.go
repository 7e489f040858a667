package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
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

// An accessRule lets those subscribe to its queues for whom its condition is true.
type accessRule struct {
	queues []string
	allow  *expression.Expression
	claims []*expression.Path // that the condition reads
	at     string             // file and line
}

// CompileAccess compiles the access sections of all sources, and reports every mistake in them;
// those in tables are Compile's to report. It returns nil where no source has such a section:
// everybody may subscribe to everything. A section without entries is a mistake, so that commenting
// them out does not open the queues. What it returns must not be used when report.Err is not nil.
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

// Allow reports whether the user, whose token has the claims, may subscribe to the queue: whether
// one of its conditions is true. Claims are as decoded from JSON, with numbers as json.Number;
// Allow only reads them. The reason for a no is for the log: it names the conditions and the types
// of the claims they read, never a value. A nil Access allows everything.
func (a *Access) Allow(queue, user string, claims map[string]any) (ok bool, reason string) {
	if a == nil {
		return true, ""
	}
	var reasons []string
	var s expression.Scope
	who := newSubscriber(user, claims)
	for _, r := range a.rules {
		if !slices.Contains(r.queues, queue) {
			continue
		}
		s.Begin(who, nil)
		ok, err := r.allow.True(&s)
		if ok {
			return true, ""
		}
		reasons = append(reasons, r.reason(&s, err))
	}
	if reasons == nil {
		return false, "no access entry is for " + queue
	}
	return false, strings.Join(reasons, "; ")
}

// A subscriber is what the conditions of access see.
type subscriber struct {
	user   string
	claims map[string]any
}

func newSubscriber(user string, claims map[string]any) *subscriber {
	who := &subscriber{user: user}
	who.claims, _ = claimValue(claims).(map[string]any)
	return who
}

// Value implements expression.Data.
func (who *subscriber) Value(r expression.Root) (any, error) {
	if r == rootSubscriber {
		return who.user, nil
	}
	return who.claims, nil
}

// reason says that the condition did not hold, and the types of the claims it reads. It leaves out
// the text of the error, which may quote them.
func (r *accessRule) reason(s *expression.Scope, err error) string {
	var b strings.Builder
	b.WriteString("allow (" + r.at + ") is false")
	if err != nil {
		b.Reset()
		fmt.Fprintf(&b, "allow (%s) cannot be evaluated: %s", r.at, value.KindOf(err))
	}
	for i, p := range r.claims {
		v, _ := s.Read(p) // of claims: no error
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
	in := &reader{file: f, report: c.report}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		what, hint := source.Describe(n), "write - {queue: /queue/…, allow: CONDITION}"
		if n.Kind == yaml.SequenceNode {
			what = "an empty one, which would allow nothing"
		}
		if source.Null(n) {
			hint += ", or leave access out where everybody may have everything"
		}
		in.errorf(n, hint, "access takes a list, not %s", what)
		return nil
	}
	var rules []accessRule
	r := accessReader{
		in:    in,
		expr:  &expressionReader{in: in, names: accessNames(c.visible), tables: c.tables},
		named: map[string]bool{},
	}
	for _, e := range n.Content {
		rules = append(rules, r.read(source.Deref(e)))
	}
	if c.report.Err() != nil {
		return rules // the entry that is wrong may be the one that names a queue
	}
	for _, q := range contract.QueueNames() {
		if !r.named[q] {
			in.warnf(n, "if that is meant, say so: {queue: "+q+", allow: false}", "nobody may subscribe to %s, which no entry names", q)
		}
	}
	return rules
}

// An accessReader reads the entries of one file.
type accessReader struct {
	in    *reader
	expr  *expressionReader
	named map[string]bool // queues of the entries so far
}

func (r *accessReader) read(n *yaml.Node) accessRule {
	rule := accessRule{at: fmt.Sprintf("%s:%d", r.in.file.Name, n.Line)}
	if r.in.tagged(n) {
		return rule
	}
	keys := r.in.keys(n, "an entry of access", AccessKeys())
	if n.Kind != yaml.MappingNode {
		return rule
	}
	if lacking := keys.lacking(AccessKeys()...); lacking != "" {
		r.in.errorf(n, "", "the entry lacks %s", lacking)
	}
	rule.queues = r.queues(keys)
	for _, q := range rule.queues {
		r.named[q] = true
	}
	if p, ok := keys.pairs["allow"]; ok && r.expr.isBare(p.Value, "allow") {
		if rule.allow = r.expr.condition(p.Value, "allow"); rule.allow != nil {
			rule.claims = rule.allow.Paths(rootClaims)
		}
		rule.at = fmt.Sprintf("%s:%d", r.in.file.Name, p.Value.Line)
	}
	return rule
}

// queues returns the queues of the entry; * is all of them.
func (r *accessReader) queues(keys keys) []string {
	p, ok := keys.pairs["queue"]
	if !ok {
		return nil
	}
	nodes := []*yaml.Node{p.Value}
	if p.Value.Kind == yaml.SequenceNode {
		nodes = p.Value.Content
		if len(nodes) == 0 {
			r.in.errorf(p.Value, "write a queue, or '*' for all of them", "queue names no queue")
		}
	}
	var queues []string
	for _, n := range nodes {
		n = source.Deref(n)
		known := append(contract.QueueNames(), "*")
		switch {
		case n.Kind != yaml.ScalarNode || source.Null(n):
			r.in.errorf(n, "write a queue, a list of them, or '*'", "queue takes a queue, not %s", source.Describe(n))
		case r.in.tagged(n):
		case !slices.Contains(known, n.Value):
			r.in.errorf(n, spelling.DidYouMean(n.Value, known), "no queue %q", n.Value)
		case n.Value == "*":
			queues = append(queues, contract.QueueNames()...)
		default:
			queues = append(queues, n.Value)
		}
	}
	return queues
}
