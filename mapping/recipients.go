package mapping

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/value"
)

// Bounds of an audience.
const (
	maxMembers = 1000
	maxMember  = 256 // bytes of a name
)

// Recipients are what a rule says under audience: who may get its outputs.
type recipients struct {
	written string            // as the rule has it
	line    int               // of the key
	fixed   audience.Audience // the names that stand in the rule
	charged int               // bytes of fixed
	from    []memberSource    // the others
}

// A memberSource gives one user or group, or a list of them.
type memberSource struct {
	*expression
	token func(name string) string
}

func (r *recipients) String() string { return r.written }

// audience returns who may get the output. r may be nil: everybody. Without an error it is never empty, so that no mistake of
// an event makes an output everybody's.
func (r *recipients) audience(s *scope) (audience.Audience, error) {
	if r == nil {
		return nil, nil
	}
	if err := s.spend(r.charged); err != nil {
		return nil, err
	}
	if len(r.from) == 0 && len(r.fixed) > 0 {
		return r.fixed, nil
	}
	tokens := append(make([]string, 0, len(r.fixed)+len(r.from)), r.fixed...)
	for _, from := range r.from {
		var err error
		if tokens, err = from.appendTokens(tokens, s); err != nil {
			if len(r.fixed)+len(r.from) > 1 {
				err = value.Refuse(value.KindOf(err), "%s: %v", from, err)
			}
			return nil, err
		}
	}
	if len(tokens) == 0 {
		return nil, value.Refuse("nobody", "the audience is an empty list: nobody could get this")
	}
	return audience.Of(tokens), nil
}

// appendTokens appends the tokens of the names that the expression gives. Only an empty list gives none.
func (from memberSource) appendTokens(tokens []string, s *scope) ([]string, error) {
	v, err := from.eval(s)
	if err != nil {
		return nil, err
	}
	list, isList := v.([]any)
	switch {
	case v == nil:
		return nil, value.Refuse("missing", "no value: %s", s.lacking())
	case !isList:
		list = []any{v}
	}
	for i, v := range list {
		name, err := toMember(v)
		if err == nil && len(tokens) == maxMembers {
			err = value.Refuse("too large", "an audience has at most %d members", maxMembers)
		}
		if err == nil {
			err = s.spend(workVisit + len(name))
		}
		if err != nil {
			if isList {
				err = value.Refuse(value.KindOf(err), "element %d: %v", i, err)
			}
			return nil, err
		}
		tokens = append(tokens, from.token(name))
	}
	return tokens, nil
}

// toMember gives the name of a user or a group: text, or a whole number, as the claim that names a user may be.
func toMember(v any) (string, error) {
	name, err := value.Text(v)
	switch {
	case err != nil:
		return "", err
	case name == "":
		return "", value.Refuse("no name", "the name is empty")
	case len(name) > maxMember:
		return "", value.Refuse("too large", "%s is a name of %d bytes; %d are the most", value.Quote(name), len(name), maxMember)
	case !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\r\n"):
		return "", value.Refuse("no name", "%s is not a name: it must be one line of UTF-8", value.Quote(name))
	}
	return name, nil
}

// memberSpec is what a rule's audience takes in the place of one name.
func memberSpec() *contract.Field {
	return &contract.Field{Name: "audience", Target: &contract.Target{
		Wants: "a name or a list of names", Convert: contract.Checked(toMember), Fits: value.TypeText | value.TypeWhole | value.TypeList,
	}}
}

func (c *ruleCompiler) readAudience() {
	if p, ok := c.keys.pairs["audience"]; ok {
		c.rule.recipients = c.audience(p, false)
	}
}

// audience reads an audience, of a test without expressions.
func (c *ruleCompiler) audience(p source.Pair, ofTest bool) *recipients {
	r := recipientsReader{ruleCompiler: c, spec: memberSpec(), ofTest: ofTest, recipients: &recipients{line: p.Key.Line}}
	if p.Value.Kind != yaml.MappingNode {
		r.written = r.list(p.Value, "audience", audience.User)
	} else {
		r.kinds(p.Value)
	}
	if len(r.fixed) > 0 {
		r.fixed = audience.Of(r.fixed)
	}
	for _, token := range r.fixed {
		r.charged += len(token)
	}
	if len(r.fixed) > maxMembers {
		c.errorf(p.Value, "name a group instead", "an audience has at most %d members, not %d", maxMembers, len(r.fixed))
	}
	return r.recipients
}

// A recipientsReader reads one audience.
type recipientsReader struct {
	*ruleCompiler
	*recipients
	spec   *contract.Field
	ofTest bool
}

// kinds reads users and groups by their keys.
func (r *recipientsReader) kinds(n *yaml.Node) {
	if hint := r.braces(n); hint != "" {
		r.errorf(n, hint, "audience takes names, not %s", source.Kind(n))
		return
	}
	keys := keysOf(r.file, n, "audience", []string{"users", "groups"}, r.report)
	var parts []string
	for _, kind := range []struct {
		key   string
		token func(string) string
	}{{"users", audience.User}, {"groups", audience.Group}} {
		if p, ok := keys.pairs[kind.key]; ok {
			parts = append(parts, kind.key+": "+r.list(p.Value, kind.key, kind.token))
		}
	}
	if len(keys.seen) == 0 {
		r.errorf(n, "write {users: …, groups: …}", "audience names nobody")
	}
	r.written = "{" + strings.Join(parts, ", ") + "}"
}

// list reads one name or a list of them, and returns it as the rule has it.
func (r *recipientsReader) list(n *yaml.Node, key string, token func(string) string) string {
	if n.Kind != yaml.SequenceNode {
		return r.name(n, key, token)
	}
	if len(n.Content) == 0 {
		r.errorf(n, leaveAway(key), "%s names nobody", key)
	}
	texts := make([]string, len(n.Content))
	for i, e := range n.Content {
		texts[i] = r.name(source.Deref(e), key, token)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func leaveAway(key string) string {
	if key == "audience" {
		return "leave audience away where everybody may get it"
	}
	return "leave " + key + " away"
}

// name reads one name, or an expression that gives one or a list of them.
func (r *recipientsReader) name(n *yaml.Node, key string, token func(string) string) string {
	switch {
	case reportTag(r.file, n, r.report):
		return n.Value
	case source.Null(n):
		r.errorf(n, leaveAway(key), "%s has no value", key)
		return ""
	case n.Kind != yaml.ScalarNode:
		r.errorf(n, r.braces(n), "%s takes a name or a list of names, not %s in it", key, source.Kind(n))
		return ""
	}
	text, isExpr := strings.CutPrefix(n.Value, "=")
	switch {
	case !isExpr:
		r.literal(n, key, token)
		return n.Value
	case r.ofTest:
		r.errorf(n, "write the names themselves", "a test holds no expressions")
		return n.Value
	}
	x := r.expression(n, text, 1)
	if x != nil && r.fits(n, x, r.spec.Target.Fits, fmt.Sprintf("%s wants %s", key, r.spec.Target.Wants)) {
		r.checkKnown(r.spec, n, x)
		r.from = append(r.from, memberSource{x, token})
	}
	return n.Value
}

// literal reads a name that stands in the rule.
func (r *recipientsReader) literal(n *yaml.Node, key string, token func(string) string) {
	if r.noExpression(n) {
		return
	}
	if _, err := toMember(n.Value); err != nil {
		r.errorf(n, "", "%s: %v", key, err)
		return
	}
	r.fixed = append(r.fixed, token(n.Value))
}
