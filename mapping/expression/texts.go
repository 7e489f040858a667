package expression

import (
	"encoding/json"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"mqtt-stomp-bridge/mapping/value"
)

func textFunctions() []function {
	text, texts := signature(new(func(string) string)), signature(new(func(string, string) string))
	test := signature(new(func(string, string) bool))
	return []function{
		{name: "string", types: signature(new(func(any) string)), call: callString,
			doc: Doc{"string(x)", "the text of a text, number, time, or true or false", `string(payload.no) + "a"`, `"7a"`}},
		{name: "upper", types: text, call: textFunction("upper", strings.ToUpper),
			doc: Doc{"upper(text)", "the text in upper case", `upper(payload.name)`, `"ADA"`}},
		{name: "lower", types: text, call: textFunction("lower", strings.ToLower),
			doc: Doc{"lower(text)", "the text in lower case", `lower(payload.name)`, `"ada"`}},
		{name: "trim", types: signature(new(func(string) string), new(func(string, string) string)), call: callTrim,
			doc: Doc{"trim(text, characters?)", "the text without white space, or those characters, at its ends", `trim("--x-", "-")`, `"x"`}},
		{name: "trimPrefix", types: texts, call: textPair("trimPrefix", func(a, b string) any { return strings.TrimPrefix(a, b) }),
			doc: Doc{"trimPrefix(text, prefix)", "the text without the prefix, if it has it", `trimPrefix("tel:110", "tel:")`, `"110"`}},
		{name: "trimSuffix", types: texts, call: textPair("trimSuffix", func(a, b string) any { return strings.TrimSuffix(a, b) }),
			doc: Doc{"trimSuffix(text, suffix)", "the text without the suffix, if it has it", `trimSuffix("a@s.net", "@s.net")`, `"a"`}},
		{name: "hasPrefix", types: test, call: textTest("hasPrefix", strings.HasPrefix),
			doc: Doc{"hasPrefix(text, prefix)", "whether the text begins with the prefix, as `text startsWith prefix`", `hasPrefix(payload.name, "A")`, `true`}},
		{name: "hasSuffix", types: test, call: textTest("hasSuffix", strings.HasSuffix),
			doc: Doc{"hasSuffix(text, suffix)", "whether the text ends with the suffix, as `text endsWith suffix`", `hasSuffix(payload.name, "A")`, `false`}},
		{name: "replace", types: signature(new(func(string, string, string) string)), call: callReplace,
			doc: Doc{"replace(text, old, new)", "the text with every old one replaced", `replace("front_door", "_", " ")`, `"front door"`}},
		{name: "split", types: signature(new(func(string, string) []any), new(func(string, string, int) []any)), call: callSplit,
			doc: Doc{"split(text, separator, limit?)", "the parts of the text; with a limit the last part is the rest", `split("a/b/c", "/", 2)`, `["a","b/c"]`}},
		{name: "join", types: signature(new(func([]any, string) string)), call: callJoin,
			doc: Doc{"join(list, separator)", "the elements as one text", `join(payload.tags, ", ")`, `"b, a"`}},
		{name: "capture", types: signature(new(func(string, string) any)), call: callCapture, check: checkCapture, prepare: preparePattern,
			doc: Doc{"capture(text, pattern)", "what the groups ( ) of the pattern have matched, as a list, or as an object where groups are named `(?P<name>…)`; " +
				"nil where the pattern does not match. Patterns are [RE2](https://github.com/google/re2/wiki/Syntax) and written in the rule",
				`capture("T=21.5 C", "T=([0-9.]+)")[0]`, `"21.5"`}},
		{name: "format", types: signature(new(func(string, any, ...any) string)), call: callFormat, check: checkFormat, prepare: prepareFormat,
			doc: Doc{"format(format, value, …)", "text with values in it: `%d` `%x` `%X` `%o` `%b` whole numbers, `%f` `%e` `%g` numbers, `%s` text, `%t` true or false, " +
				"`%v` any of these; between % and the letter stand flags (`0` `-` `+` `#` space), a width and a precision as in C",
				`format("!%08x", 3735928559)`, `"!deadbeef"`}},
	}
}

func callString(_ *Scope, args []any) (any, error) {
	if i, ok := value.Whole(args[0]); ok { // also -0.0
		return strconv.FormatInt(i, 10), nil
	}
	switch v := args[0].(type) {
	case nil, string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return strconv.FormatFloat(f, 'f', -1, 64), nil
		}
		return v.String(), nil
	case time.Time:
		return v.UTC().Format(value.TimeLayout), nil
	case value.Bytes:
		return value.Text(v)
	}
	return nil, value.Refuse("expression", "string takes one value, not %s; write toJSON(…)", value.TypeName(args[0]))
}

func callTrim(s *Scope, args []any) (any, error) {
	if len(args) == 1 {
		return textFunction("trim", strings.TrimSpace)(s, args)
	}
	return textPair("trim", func(text, characters string) any {
		cut := map[rune]bool{} // Trim looks through all of the characters for each of the text
		for _, r := range characters {
			cut[r] = true
		}
		return strings.TrimFunc(text, func(r rune) bool { return cut[r] })
	})(s, args)
}

func callJoin(s *Scope, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	sep, ok2 := value.String(args[1])
	if !ok || !ok2 {
		return nil, value.Refuse("expression", "join takes a list and text, not %s and %s", value.TypeName(args[0]),
			value.TypeName(args[1]))
	}
	if err := s.spendVisit(list); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, v := range list {
		text, err := value.Text(v)
		if err != nil {
			return nil, value.Refuse("expression", "join: element %d: %v", i, err)
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text)
		if b.Len() > value.MaxText {
			return nil, tooLong("join")
		}
	}
	return b.String(), s.Spend(b.Len())
}

func callSplit(s *Scope, args []any) (any, error) {
	text, sep, missing, err := twoTexts("split", args)
	if missing || err != nil {
		return nil, err
	}
	limit := MaxItems + 1
	if len(args) == 3 {
		if args[2] == nil {
			return nil, nil
		}
		n, ok := value.Whole(args[2])
		if !ok || n < 1 {
			return nil, value.Refuse("expression", "split: the limit is a whole number of 1 or more, not %s", described(args[2]))
		}
		limit = int(min(n, int64(limit)))
	}
	parts := strings.SplitN(text, sep, limit)
	if len(parts) > MaxItems {
		return nil, value.Refuse("too large", "split gives more than %d parts", MaxItems)
	}
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, s.Spend(len(text) + workVisit*len(list))
}

// described names a number by its value, and anything else by its type.
func described(v any) string {
	if n, ok := value.Number(v); ok {
		text, _ := callString(nil, []any{n})
		return text.(string)
	}
	return value.TypeName(v)
}

func callReplace(s *Scope, args []any) (any, error) {
	if slices.Contains(args, nil) {
		return nil, nil
	}
	var t [3]string
	for i, v := range args {
		var ok bool
		if t[i], ok = value.String(v); !ok {
			return nil, refuseType("replace", "text", v)
		}
	}
	if size := int64(len(t[0])) + int64(strings.Count(t[0], t[1]))*int64(max(0, len(t[2])-len(t[1]))); size > value.MaxText {
		return nil, tooLong("replace")
	}
	result := strings.ReplaceAll(t[0], t[1], t[2])
	return result, s.Spend(len(t[0]) + len(result))
}

func textFunction(name string, f func(string) string) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		text, ok := value.String(args[0])
		if !ok {
			return nil, refuseType(name, "text", args[0])
		}
		return f(text), s.Spend(len(text))
	}
}

func textPair(name string, f func(a, b string) any) func(*Scope, []any) (any, error) {
	return func(s *Scope, args []any) (any, error) {
		a, b, missing, err := twoTexts(name, args)
		if missing || err != nil {
			return nil, err
		}
		return f(a, b), s.Spend(len(a) + len(b))
	}
}

// textTest makes a test of two texts; it is false when one is missing.
func textTest(name string, f func(a, b string) bool) func(*Scope, []any) (any, error) {
	test := textPair(name, func(a, b string) any { return f(a, b) })
	return func(s *Scope, args []any) (any, error) {
		v, err := test(s, args)
		if v == nil && err == nil {
			v = false
		}
		return v, err
	}
}

func twoTexts(name string, args []any) (a, b string, missing bool, err error) {
	if args[0] == nil || args[1] == nil {
		return "", "", true, nil
	}
	a, ok := value.String(args[0])
	b, ok2 := value.String(args[1])
	if !ok || !ok2 {
		err = value.Refuse("expression", "%s takes two texts, not %s and %s", name, value.TypeName(args[0]), value.TypeName(args[1]))
	}
	return a, b, false, err
}

// A pattern is a regular expression with the work that a byte costs at the very worst: the matcher
// may be at each of its instructions at once.
type pattern struct {
	*regexp.Regexp
	work int
}

// newPattern compiles a pattern that has been checked.
func newPattern(text string) pattern {
	work := workMatch
	if re, err := syntax.Parse(text, syntax.Perl); err == nil {
		if program, err := syntax.Compile(re.Simplify()); err == nil {
			work = max(work, len(program.Inst)/2)
		}
	}
	return pattern{regexp.MustCompile(text), work}
}

func preparePattern(args []ast.Node) {
	text, _ := literal(args, 1)
	args[1] = &ast.ConstantNode{Value: newPattern(text)}
}

func checkCapture(args []ast.Node, at mistakeAt) {
	text, ok := literal(args, 1)
	if !ok {
		at(args[1], "capture takes a pattern that is written in the rule", `such as capture(payload.x, "^([a-z]+)-([0-9]+)$")`)
		return
	}
	switch re, err := regexp.Compile(text); {
	case err != nil:
		at(args[1], "the pattern is not a regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "")
	case re.NumSubexp() == 0:
		at(args[1], "the pattern has no group", "put what is wanted in ( ); to test a text, write payload.x matches "+strconv.Quote(text))
	}
}

// callCapture is capture(text, pattern): what the groups have matched.
func callCapture(s *Scope, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	text, ok := value.String(args[0])
	if !ok {
		return nil, refuseType("capture", "text", args[0])
	}
	p := args[1].(pattern)
	const copied = 32 // groups that are kept for one unit, at each place of the text and of the pattern
	if err := s.Spend(p.work * (1 + p.NumSubexp()/copied) * len(text)); err != nil {
		return nil, err
	}
	groups := p.FindStringSubmatchIndex(text)
	if groups == nil {
		s.missed(miss{text: value.Quote(text) + " does not match " + value.Quote(p.String())})
		return nil, nil
	}
	object := map[string]any{}
	var list []any
	for i, name := range p.SubexpNames()[1:] {
		var v any
		if from, to := groups[2*i+2], groups[2*i+3]; from >= 0 {
			v = text[from:to]
		}
		list = append(list, v)
		if name != "" {
			object[name] = v
		}
	}
	if err := s.Spend(workVisit * len(list)); err != nil || len(object) > 0 {
		return object, err
	}
	return list, nil
}
