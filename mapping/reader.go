package mapping

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

// A reader reads the nodes of one part of a file, such as a rule, and remembers whether a mistake
// was in it.
type reader struct {
	file   *source.File
	report *source.Report
	bad    bool     // there was a mistake: what was read cannot be used
	own    []string // names that the rule has given, under each and let
}

// errorf reports a mistake at the node.
func (r *reader) errorf(n *yaml.Node, hint, format string, args ...any) {
	r.bad = true
	r.report.Errorf(r.file, n, hint, format, args...)
}

// errorAt reports a mistake within the scalar: width characters from the offset-th of its value.
func (r *reader) errorAt(n *yaml.Node, offset, width int, hint, format string, args ...any) {
	r.bad = true
	r.report.ErrorAt(r.file, n, offset, width, hint, format, args...)
}

func (r *reader) warnf(n *yaml.Node, hint, format string, args ...any) {
	r.report.Warnf(r.file, n, hint, format, args...)
}

// warnAt is errorAt for a doubtful place.
func (r *reader) warnAt(n *yaml.Node, offset, width int, hint, format string, args ...any) {
	r.report.WarnAt(r.file, n, offset, width, hint, format, args...)
}

// pairs returns the keys of the mapping n; what names it in a mistake.
func (r *reader) pairs(n *yaml.Node, what string) []source.Pair {
	return r.file.Pairs(n, what, r.report)
}

// tagged reports a node in which YAML has read a part of the text as a tag.
func (r *reader) tagged(n *yaml.Node) bool {
	if !source.Tagged(n) {
		return false
	}
	whole := strings.TrimSpace(n.Tag + " " + n.Value)
	switch {
	case strings.HasPrefix(whole, "!!"):
		r.errorf(n, "leave the tag out, and quote the value where it must be text", "YAML tags such as %s have no meaning here", n.Tag)
	case expressionLike.MatchString(strings.TrimLeft(whole, "!( ")):
		inner := strings.TrimLeft(whole, "! ")
		r.errorf(n, "write  not "+inner+"  or quote it: '!"+inner+"'", "YAML reads %s as a tag, not as “not”", whole)
	default:
		r.errorf(n, "quote it: '"+whole+"'", "YAML reads %s as a tag, not as text", whole)
	}
	return true
}

// empty reports a key that has no value: in { }, YAML makes one of what stands behind a comma. A key
// with a colon and nothing behind it is null, which strict does not take either.
func (r *reader) empty(p source.Pair, strict bool) bool {
	cut := r.file.WithoutColon(p.Key)
	if !source.Unwritten(p.Value) || !cut && !strict {
		return false
	}
	hint := "write it behind the colon: '' for an empty text, or null where null is meant"
	if before, after, colon := strings.Cut(p.Key.Value, ":"); cut && colon {
		hint = "a blank follows the colon: " + before + ": " + after
	} else if cut {
		hint = "“, ” ends a value inside { }: put the whole text in '…'; where null is meant, write it: " + p.Key.Value + ": null"
	}
	r.errorf(p.Key, hint, "the key %q has no value", p.Key.Value)
	return true
}

// cutOff reports what a comma in { } has cut off a text, where null could not be meant.
func (r *reader) cutOff(p source.Pair) bool {
	if !source.Unwritten(p.Value) || !r.file.WithoutColon(p.Key) {
		return false
	}
	r.errorf(p.Key, "“, ” ends a value inside { }: put the whole text in '…'", "the key %q has no value", p.Key.Value)
	return true
}

// keys are the keys of a mapping that has known ones.
type keys struct {
	pairs map[string]source.Pair
	seen  map[string]bool // also what is tagged, and what an unknown key was probably meant to be
}

// keys returns the keys of n. Unknown ones are reported, but do not make the part bad: they are not
// used.
func (r *reader) keys(n *yaml.Node, what string, known []string) keys {
	k := keys{pairs: map[string]source.Pair{}, seen: map[string]bool{}}
	for _, p := range r.pairs(n, what) {
		k.seen[p.Key.Value] = true
		switch {
		case !slices.Contains(known, p.Key.Value):
			k.seen[spelling.Nearest(p.Key.Value, known)] = true
			r.report.Errorf(r.file, p.Key, r.unknownKeyHint(p, known), "unknown field %q", p.Key.Value)
		case r.tagged(p.Value):
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

// unknownKeyHint names the slip behind a key that is not known.
func (r *reader) unknownKeyHint(p source.Pair, known []string) string {
	if strings.ContainsAny(p.Key.Value, `()"`) {
		return "“, ” ends a value inside { }: put the whole expression in '…'"
	}
	if source.Unwritten(p.Value) && r.file.WithoutColon(p.Key) && spelling.Nearest(p.Key.Value, known) == "" {
		return "“, ” ends a value inside { }: put the whole text in '…'"
	}
	return spelling.DidYouMean(p.Key.Value, known)
}

// braces returns the hint for a mapping that was meant as {{ expression }}; "" for any other node.
func braces(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode &&
		len(n.Content[0].Content) > 0 {
		return "YAML reads { as a map; for a value write =" + n.Content[0].Content[0].Value
	}
	return ""
}

// expressionLike matches a text that was probably meant as an expression.
var expressionLike = regexp.MustCompile(`^\s*(?:(?:payload|item|topic|mqtt|table|received)\s*(?:\?\?|\?\.|\.[A-Za-z_]|\[)|` +
	`payload$|item$|received$|\$\.|(?:uuid|time|json|toJSON)\()`)

// pathLike matches a text that goes on from a name as an expression would.
var pathLike = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:\?\?|\?\.|\.[A-Za-z_]|\[)`)

// ownPath reports a text that goes on from a name of the rule's own.
func (r *reader) ownPath(text string) bool {
	m := pathLike.FindStringSubmatch(text)
	return m != nil && slices.Contains(r.own, m[1])
}

// bracedForm matches the ways in which other programs mark an expression.
var bracedForm = regexp.MustCompile(`\{\{\s*(.*?)\s*\}\}|\$\{\s*(.*?)\s*\}`)

// joined returns the expression for a text with braced forms in it.
func joined(text string) string {
	var parts []string
	end := 0
	for _, at := range bracedForm.FindAllStringSubmatchIndex(text, -1) {
		if at[0] > end {
			parts = append(parts, strconv.Quote(text[end:at[0]]))
		}
		from := max(at[2], at[4]) // one of the two has matched
		parts = append(parts, text[from:max(at[3], at[5])])
		end = at[1]
	}
	if end < len(text) {
		parts = append(parts, strconv.Quote(text[end:]))
	}
	return strings.Join(parts, " + ")
}

// inYAML returns the text as a value on a line of its own, in quotes where YAML would read it in
// another way.
func inYAML(text string) string {
	if strings.Contains(text, ": ") || strings.Contains(text, " #") {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return text
}

// quotedTwice matches an expression in quotes that have become part of the text.
var quotedTwice = regexp.MustCompile(`^(?:"=.+"|'=.+')$`)

// typographic matches a text that a word processor has quoted.
var typographic = regexp.MustCompile(`^(?:[“„].*[”“]|[‘‚].*[’‘])$`)

// unmarked reports a text to be sent that looks like an expression without its =.
func (r *reader) unmarked(n *yaml.Node) bool { return r.unmarkedAs(n, "sends") }

// unmarkedAs is unmarked for a text of which what says what becomes of it.
func (r *reader) unmarkedAs(n *yaml.Node, what string) bool {
	text, fix := n.Value, strings.TrimSpace(n.Value)
	switch m := bracedForm.FindStringSubmatch(text); {
	case typographic.MatchString(fix):
		inner := strings.Trim(fix, "“”„‘’‚")
		r.warnf(n, "write "+inner+", or \""+inner+"\"", "this %s the quotes too: to YAML, %s is a text without quotes", what, fix)
		return false
	case m != nil:
		fix = joined(fix)
	case quotedTwice.MatchString(fix):
		fix = fix[len(`"=`) : len(fix)-1]
	case slices.Contains(r.own, fix):
		r.warnf(n, "for its value write ="+fix+" (for the text itself: ='"+text+"')", "this %s the text %q itself, not what the rule calls so", what, text)
		return false
	case !expressionLike.MatchString(text) && !r.ownPath(text):
		return false
	case strings.HasPrefix(fix, "$."):
		fix = "payload" + strings.TrimPrefix(fix, "$")
	}
	r.errorf(n, "for its value write "+inYAML("="+fix)+" (for the text itself: ='"+text+"')", "this %s the text %q itself", what, text)
	return true
}
