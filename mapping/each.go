package mapping

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/value"
)

// maxLevels is how many levels an each may have.
const maxLevels = 8

// A level is a list that a rule's each goes through, for every element of the level above it.
type level struct {
	name string // of its elements
	list *expression.Expression
	line int

	// The path of an element is that of the element of base, path, and the element's number. A base
	// of -1 has none.
	base int
	path string
}

// nameLevels reads the names of the levels of each, which the other expressions of the rule see.
func (c *ruleCompiler) nameLevels() {
	p, ok := c.keys.pairs["each"]
	switch {
	case !ok:
		return
	case p.Value.Kind != yaml.MappingNode || braces(p.Value) != "":
		c.names.levels = []string{"item"}
		c.levels = []source.Pair{{Key: &yaml.Node{Value: "item"}, Value: p.Value}}
		return
	}
	c.rule.named, c.names.named = true, true
	c.levels = c.in.pairs(p.Value, "each")
	switch {
	case len(p.Value.Content) == 0:
		c.in.errorf(p.Value, "write {NAME: LIST}, or one list without a name", "each has no level")
	case len(c.levels) > maxLevels:
		c.in.errorf(c.levels[maxLevels].Key, "", "an each has at most %d levels", maxLevels)
		c.levels = c.levels[:maxLevels]
	}
	for _, l := range c.levels {
		c.freeName(l, "a level of each")
		c.names.levels = append(c.names.levels, l.Key.Value)
		c.in.own = append(c.in.own, l.Key.Value)
	}
}

// freeName reports a key that cannot name what, because it is no name or because that is taken.
func (c *ruleCompiler) freeName(p source.Pair, what string) {
	name := p.Key.Value
	if !expression.IsName(name) {
		hint := "a name is made of letters, digits and _"
		if strings.ContainsAny(name, `()"`) {
			hint = c.in.unknownKeyHint(p, nil)
		}
		c.in.errorf(p.Key, hint, "%q cannot name %s", name, what)
	} else if taken := c.names.taken(name); taken != "" {
		c.in.errorf(p.Key, "give it another name", "%s cannot name %s: it is %s", name, what, taken)
	}
}

// readEach reads the lists of the levels.
func (c *ruleCompiler) readEach() {
	for i, p := range c.levels {
		c.see(i)
		what := "each"
		if c.rule.named {
			what += " " + p.Key.Value
		}
		if !expression.IsName(p.Key.Value) || c.in.tagged(p.Value) || !c.isList(p.Value, what) {
			continue
		}
		l := level{name: p.Key.Value, line: p.Value.Line}
		if l.list = c.expr.bare(p.Value); l.list == nil || !c.expr.fits(p.Value, l.list, value.TypeList, what+" takes a list") {
			continue
		}
		l.base, l.path = c.continues(l)
		c.rule.each = append(c.rule.each, l)
	}
}

// isList reports whether n can be the expression of a list; if not, it reports the mistake.
func (c *ruleCompiler) isList(n *yaml.Node, what string) bool {
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0 && !c.rule.named:
		c.in.errorf(n, "for lists within lists name the levels: {entry: payload.entry, msg: entry.messages}",
			"each takes an expression or named levels, not a list")
		return false
	case source.Null(n) && n.Kind == yaml.ScalarNode && braces(n) == "":
		c.in.errorf(n, "write a list of the event, such as payload.items", "%s takes an expression, not nothing", what)
		return false
	}
	return c.expr.isBare(n, what)
}

// continues returns the level whose elements' paths those of l continue, and what comes between
// them; -1 and the path without the word payload, or else the level's name, where there is none.
func (c *ruleCompiler) continues(l level) (base int, path string) {
	p := l.list.Path()
	switch {
	case p == nil:
	case p.Root == rootPayload:
		root := "payload"
		if c.names.expired {
			root = "value"
		}
		if path := strings.TrimPrefix(strings.TrimPrefix(p.String(), root), "."); path != "" {
			return -1, path
		}
	case p.Root >= rootLevel && p.Root < rootLet:
		base := int(p.Root - rootLevel)
		return base, strings.TrimPrefix(p.String(), c.names.levels[base])
	}
	return -1, l.name
}

// element names the element of the innermost of the levels whose elements stand there: by its path,
// after those of outer levels that it does not continue.
func (r *rule) element(at []int) string {
	paths := make([]string, len(at))
	for i, l := range r.each[:len(at)] {
		paths[i] = fmt.Sprintf("%s[%d]", l.path, at[i])
		if l.base >= 0 {
			paths[i] = paths[l.base] + paths[i]
		}
	}
	for _, l := range r.each[:len(at)] {
		if l.base >= 0 {
			paths[l.base] = ""
		}
	}
	paths = slices.DeleteFunc(paths, func(path string) bool { return path == "" })
	return strings.Join(paths, " ")
}

// element names the element that is at work, for people; "" where there is none that has a name.
func (u *run) element() string {
	if !u.rule.named {
		return ""
	}
	return u.rule.element(u.in.at[:u.depth])
}

// An eachRun is the each of a rule at work on one event.
type eachRun struct {
	*run
	count    int        // of innermost elements, so far
	rejected int        // lists, each with all that was in it
	stopped  bool       // what is left cannot be mapped
	noted    int        // lists that the trace tells of
	empty    *RuleTrace // of the first list without elements, while there are none at all
}

// each runs the rule for the innermost elements of its each.
func (u *run) each(int) {
	if !u.rule.whenPerElement && !u.wanted(-1) {
		return
	}
	if err := u.in.read(); err != nil {
		u.failed("decode", -1, u.rule.line, err)
		return
	}
	e := eachRun{run: u}
	e.level(0)
	if e.count == 0 && e.rejected == 0 {
		u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.rule.name, Item: -1, What: Filtered, Why: "items"})
		if e.empty != nil {
			e.empty.Note = "no: " + e.empty.Note
		}
	}
	if e.empty != nil {
		*u.trace = append(*u.trace, *e.empty)
	}
}

// level goes through the list of the k-th level.
func (e *eachRun) level(k int) {
	e.depth = k
	list := e.list(k)
	for i := 0; i < list.Len() && !e.stopped; i++ {
		e.in.enter(k, i, list.Next())
		e.depth = k + 1
		switch err := e.in.scope.Spend(workItem); {
		case err != nil:
			e.giveUp(k, i, list.Len(), err)
		case k+1 < len(e.rule.each):
			e.level(k + 1)
		default:
			e.in.index = e.count
			e.guard(e.count, e.one)
			e.count++
		}
	}
}

// list returns the list of the k-th level. It says why where there are no elements.
func (e *eachRun) list(k int) expression.List {
	l := &e.rule.each[k]
	it, err := l.list.Item(&e.in.scope)
	list, isList := e.in.scope.List(it)
	switch {
	case err != nil:
	case it.Missing(), isList && list.Len() == 0:
		e.without(l, it.Missing())
		return expression.List{}
	case !isList:
		v := e.in.scope.Make(it)
		err = value.Refuse("not a list", "%s is %s, not a list%s", l.list, value.TypeName(v), goByKeys(v, l.list))
	case list.Len() > expression.MaxItems:
		err = value.Refuse("too many items", "%d elements; at most %d are allowed", list.Len(), expression.MaxItems)
	case k+1 == len(e.rule.each) && e.count+list.Len() > expression.MaxItems:
		err = value.Refuse("too many items", "more than %d elements in all are not allowed; these and those after them were not mapped",
			expression.MaxItems)
		e.stopped = true
	default:
		if e.notes() {
			e.note(-1, fmt.Sprintf("%s: a list of %d", e.describe(l), list.Len()))
		}
		return list
	}
	e.refused(l, err)
	return expression.List{}
}

// refused rejects a list. The last of them that there may be ends the each.
func (e *eachRun) refused(l *level, err error) {
	what := "each"
	if e.rule.named {
		what += " " + l.name
	}
	r := value.Within(err, "%s", what)
	if e.rejected++; e.rejected == expression.MaxItems {
		e.stopped = true
		r.Reason += fmt.Sprintf("; after %d such lists, no more were mapped", e.rejected)
	}
	e.failed("each", -1, l.line, r)
}

// notes reports whether the trace is to tell of one more list.
func (e *eachRun) notes() bool {
	e.noted++
	return e.trace != nil && e.noted <= expression.MaxItems
}

// goByKeys says what to write where an object has come in the place of a list.
func goByKeys(v any, list *expression.Expression) string {
	if _, isObject := v.(map[string]any); !isObject {
		return ""
	}
	return fmt.Sprintf("; to go through its keys write keys(%s)", list)
}

// describe names the list of the level for a trace.
func (e *eachRun) describe(l *level) string {
	if e.rule.named {
		return fmt.Sprintf("each %s (%s)", l.name, l.list)
	}
	return "each " + l.list.String()
}

// without keeps for the trace that a list has no elements.
func (e *eachRun) without(l *level, missing bool) {
	if !e.notes() {
		return
	}
	t := RuleTrace{Rule: e.rule.name, Item: -1, Element: e.element(), Note: e.describe(l) + " has no elements"}
	if missing {
		t.Missing = e.in.scope.Missing()
	}
	if e.empty == nil && e.count == 0 {
		e.empty = &t
	} else {
		*e.trace = append(*e.trace, t)
	}
}

// giveUp ends an each that has used up its work at the i-th of n elements of the k-th level: one
// rejection for all elements that are left, so that a hostile event cannot make a thousand dead
// letters.
func (e *eachRun) giveUp(k, i, n int, err error) {
	e.rejected, e.stopped = e.rejected+1, true
	what := "this element and those after it"
	if !e.rule.named {
		what = fmt.Sprintf("elements %d to %d", i, n-1)
	}
	item := e.count
	if k+1 < len(e.rule.each) {
		item, n = -1, i+1 // how many there are within the others is not known
	}
	e.failed("each", item, e.rule.each[k].line, value.Refuse(value.KindOf(err), "%s were not mapped: %v", what, err))
	for j := i + 1; j < n; j++ {
		e.result.Outcomes = append(e.result.Outcomes, Outcome{Rule: e.rule.name, Item: item + j - i, What: Rejected, Why: value.KindOf(err)})
	}
}
