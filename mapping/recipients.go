package mapping

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/expression"
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
	names *expression.Expression
	token func(name string) string
}

func (r *recipients) String() string { return r.written }

// audience returns who may get the output. r may be nil: everybody. Without an error it is never
// empty, so that no event can, by mistake, make an output everybody's.
func (r *recipients) audience(s *expression.Scope) (audience.Audience, error) {
	if r == nil {
		return nil, nil
	}
	if err := s.Spend(r.charged); err != nil {
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
				err = value.Within(err, "=%s", from.names)
			}
			return nil, err
		}
	}
	if len(tokens) == 0 {
		return nil, value.Refuse("nobody", "the audience is an empty list: nobody could get this")
	}
	return audience.Of(tokens), nil
}

// appendTokens appends the tokens of the names that the expression gives. Only an empty list gives
// none.
func (from memberSource) appendTokens(tokens []string, s *expression.Scope) ([]string, error) {
	v, err := from.names.Eval(s)
	if err != nil {
		return nil, err
	}
	list, isList := v.([]any)
	switch {
	case v == nil:
		return nil, value.Refuse("missing", "no value: %s", s.Missing())
	case !isList:
		list = []any{v}
	}
	for i, v := range list {
		name, err := toMember(v)
		if err == nil && len(tokens) == maxMembers {
			err = value.Refuse("too large", "an audience has at most %d members", maxMembers)
		}
		if err == nil {
			err = s.Spend(workMember + len(name))
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

// toMember gives the name of a user or a group: text, or a whole number, as the claim that names a
// user may be.
func toMember(v any) (string, error) {
	name, err := value.Text(v)
	switch {
	case err != nil:
		return "", err
	case name == "":
		return "", value.Refuse("no name", "the name is empty")
	case len(name) > maxMember:
		return "", value.Refuse("too large", "%s is a name of %d bytes; at most %d are allowed", value.Quote(name), len(name), maxMember)
	case !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\r\n"):
		return "", value.Refuse("no name", "%s is not a name: it must be one line of UTF-8", value.Quote(name))
	}
	return name, nil
}

// memberField is what a rule's audience takes in the place of one name.
func memberField() *contract.Field {
	return &contract.Field{Name: "audience", Target: &contract.Target{
		Wants: "a name or a list of names", Convert: contract.Converts(toMember, value.AppendText[string]), Fits: value.TypeText | value.TypeWhole | value.TypeList,
	}}
}

func (c *ruleCompiler) readAudience() {
	if p, ok := c.keys.pairs["audience"]; ok {
		c.rule.recipients = readAudience(c.in, c.expr, p, c.rule.name)
	}
}

// readAudience reads the audience of the named rule. A nil expr makes every expression a mistake,
// as in a test.
func readAudience(in *reader, expr *expressionReader, p source.Pair, rule string) *recipients {
	r := recipientsReader{in: in, expr: expr, rule: rule, field: memberField(), out: &recipients{line: p.Key.Line}}
	if p.Value.Kind != yaml.MappingNode {
		r.out.written = r.list(p.Value, "audience", audience.User)
	} else {
		r.groups(p.Value)
	}
	if len(r.out.fixed) > 0 {
		r.out.fixed = audience.Of(r.out.fixed)
	}
	for _, token := range r.out.fixed {
		r.out.charged += len(token)
	}
	if len(r.out.fixed) > maxMembers {
		in.errorf(p.Value, "name a group instead", "an audience has at most %d members, not %d", maxMembers, len(r.out.fixed))
	}
	return r.out
}

// A recipientsReader reads one audience into out.
type recipientsReader struct {
	in    *reader
	expr  *expressionReader // nil: expressions are not allowed
	rule  string
	field *contract.Field
	out   *recipients
}

// groups reads users and groups by their keys.
func (r *recipientsReader) groups(n *yaml.Node) {
	if hint := braces(n); hint != "" {
		r.in.errorf(n, hint, "audience takes names, not %s", source.Describe(n))
		return
	}
	keys := r.in.keys(n, "audience", []string{"users", "groups"})
	var parts []string
	for _, part := range []struct {
		key   string
		token func(string) string
	}{{"users", audience.User}, {"groups", audience.Group}} {
		if p, ok := keys.pairs[part.key]; ok {
			parts = append(parts, part.key+": "+r.list(p.Value, part.key, part.token))
		}
	}
	if len(keys.seen) == 0 {
		r.in.errorf(n, "write {users: …, groups: …}", "audience names nobody")
	}
	r.out.written = "{" + strings.Join(parts, ", ") + "}"
}

// list reads one name or a list of them, and returns it as the rule has it.
func (r *recipientsReader) list(n *yaml.Node, key string, token func(string) string) string {
	if n.Kind != yaml.SequenceNode {
		return r.name(n, key, token)
	}
	if len(n.Content) == 0 {
		r.in.errorf(n, leaveAway(key), "%s names nobody", key)
	}
	texts := make([]string, len(n.Content))
	for i, e := range n.Content {
		texts[i] = r.name(source.Deref(e), key, token)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func leaveAway(key string) string {
	if key == "audience" {
		return "leave audience out where everybody may get it"
	}
	return "leave " + key + " out"
}

// name reads one name, or an expression that gives one or a list of them.
func (r *recipientsReader) name(n *yaml.Node, key string, token func(string) string) string {
	switch {
	case r.in.tagged(n):
		return n.Value
	case source.Null(n):
		r.in.errorf(n, leaveAway(key), "%s has no value", key)
		return ""
	case n.Kind != yaml.ScalarNode:
		r.in.errorf(n, braces(n), "%s takes a name or a list of names, not %s in it", key, source.Describe(n))
		return ""
	}
	text, isExpr := strings.CutPrefix(n.Value, "=")
	switch {
	case !isExpr:
		r.literal(n, key, token)
		return n.Value
	case r.expr == nil:
		r.in.errorf(n, "write the names themselves", "a test holds no expressions")
		return n.Value
	}
	x := r.expr.parse(n, text, 1)
	if x != nil && r.expr.fits(n, x, r.field.Target.Fits, fmt.Sprintf("%s wants %s", key, r.field.Target.Wants)) {
		r.expr.checkKnown(r.field, r.rule, n, x)
		r.out.from = append(r.out.from, memberSource{x, token})
	}
	return n.Value
}

// literal reads a name that is written in the rule.
func (r *recipientsReader) literal(n *yaml.Node, key string, token func(string) string) {
	if r.in.unmarked(n) {
		return
	}
	if _, err := toMember(n.Value); err != nil {
		r.in.errorf(n, "", "%s: %v", key, err)
		return
	}
	r.out.fixed = append(r.out.fixed, token(n.Value))
}
