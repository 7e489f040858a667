package expression

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const sinceEpoch = "seconds(…) of a time, time(…) for the time of a number"

// elsewhere maps what other languages and tools have to what rules have for it. The names are in
// lower case.
var elsewhere = map[string]string{
	"atob": "fromBase64(…)", "base64decode": "fromBase64(…)", "b64decode": "fromBase64(…)", "base64": "fromBase64(…) or toBase64(…)",
	"btoa": "toBase64(…)", "base64encode": "toBase64(…)", "b64encode": "toBase64(…)",
	"hex": `toHex(…) of bytes, format("%x", …) of a number`, "unhex": "fromHex(…)",
	"regex": `capture(text, "(…)")`, "regexp": `capture(text, "(…)")`, "match": `capture(text, "(…)"), or text matches "…"`,
	"includes": `text contains "…", or x in list`,
	"sprintf":  `format("%d", …)`, "printf": `format("%d", …)`, "concat": `a + b of texts, flatten([a, b]) of lists`,
	"substr": "text[0:8]", "substring": "text[0:8]", "slice": "text[0:8]", "length": "len(…)", "size": "len(…)",
	"now": "received, the time of receipt", "date": "time(text, layout, zone)", "parsetime": "time(text, layout, zone)",
	"epoch": sinceEpoch, "unix": sinceEpoch, "timestamp": sinceEpoch, "datediff": "seconds(a) - seconds(b)",
	"pow": "a ** b", "power": "a ** b", "mod": "a % b", "xor": "bitxor(a, b)",
	"strptime": "time(text, layout, zone)", "strftime": "formatTime(time, layout, zone)", "formatdate": "formatTime(time, layout, zone)",
	"throw": `reject("…")`, "error": `reject("…")`, "fail": `reject("…")`, "raise": `reject("…")`,
	"str": "string(…)", "tostring": "string(…)", "number": "int(…) or float(…)", "tonumber": "int(…) or float(…)",
	"parseint": "int(…)", "parsefloat": "float(…)", "parse": "fromJSON(…)", "stringify": "toJSON(…)",
	"strip": "trim(…)", "coalesce": "a ?? b", "default": "a ?? b", "ifnull": "a ?? b", "nvl": "a ?? b",
	"iif": "condition ? value : other value", "uint16": "uint16be(…) or uint16le(…)", "int16": "int16be(…) or int16le(…)",
	"uint32": "uint32be(…) or uint32le(…)", "int32": "int32be(…) or int32le(…)", "float32": "float32be(…) or float32le(…)",
}

// usage returns how a function is called, such as split(text, separator, limit?).
func usage(name string) string {
	for _, section := range Reference() {
		for _, d := range section.Docs {
			for _, u := range strings.SplitAfter(d.Usage, ")") {
				if u = strings.TrimSpace(u); strings.HasPrefix(u, name+"(") {
					return u
				}
			}
		}
	}
	return name + "(…)"
}

var betweenTexts = regexp.MustCompile(`^(?:contains|matches|startsWith|endsWith)\b`)

var wordBefore = regexp.MustCompile(`([\pL_][\pL\d_]*)\s*$`)

// withinPredicate returns the function whose condition or value for each element the text before
// stands in; "" if there is none.
func withinPredicate(before string) string {
	var open []string // the functions whose parentheses are open
	for i, r := range before {
		switch r {
		case '(':
			name := ""
			if word := wordBefore.FindStringSubmatch(before[:i]); word != nil {
				name = word[1]
			}
			open = append(open, name)
		case ')':
			open = open[:max(0, len(open)-1)]
		}
	}
	if i := slices.IndexFunc(open, func(name string) bool { return slices.Contains(predicates(), name) }); i >= 0 {
		return open[i]
	}
	return ""
}

// explainToken says what the slip may be behind something that the engine did not expect. The
// expression is before and rest.
func explainToken(m *Mistake, before, rest string) {
	m.Message = strings.NewReplacer("unexpected token ", "unexpected ", "Operator(", "", "Identifier(", "", "Bracket(", "",
		"String(", "", "Number(", "", `")`, `"`).Replace(m.Message)
	word := ""
	if found := wordBefore.FindStringSubmatch(before); found != nil {
		word = found[1]
	}
	first := []rune(rest + " ")[0]
	operand := unicode.IsLetter(first) || unicode.IsDigit(first) || strings.ContainsRune(`"'_`, first)
	if explainPipe(m, before) {
		return
	}
	between := betweenTexts.FindString(rest)
	switch {
	case first == '<' && strings.HasSuffix(before, "<"):
		m.Offset, m.Width, m.Message, m.Hint = m.Offset-1, 2, "unexpected <<", "write bitshl(a, n)"
	case first == '>' && strings.HasSuffix(before, ">"):
		m.Offset, m.Width, m.Message, m.Hint = m.Offset-1, 2, "unexpected >>", "write bitshr(a, n)"
	case between != "":
		m.Hint = "it stands between its texts: payload.x " + between + ` "a"`
	case strings.HasSuffix(before, "[") && (first == '*' || first == ']'):
		m.Hint = "to go through a list write map(list, .x); each: does so for outputs, with names for lists within lists: " +
			"{entry: payload.entry, msg: entry.messages}"
	case first == '.' && word == "let":
		m.Hint = "what let names stands alone: x, not let.x"
	case first == '.' && !strings.HasPrefix(rest, ".."):
		m.Hint = ".x is a field of an element, within map, filter, any and the like; a key is a text: \"x\""
	case strings.HasPrefix(rest, ".."):
		m.Message, m.Hint = "unexpected ...", "write merge(payload, {…})"
	case first == '/':
		m.Hint = `a pattern is a text: "^[a-z]+$"`
	case first == ',' && strings.Contains(before, "if"):
		m.Hint = "write condition ? value : other value"
	case operand && slices.Contains(Functions(), word):
		m.Hint = "call it: " + usage(word)
	case operand && word != "":
		m.Hint = "an operator is missing before it; a text needs quotes"
	}
}

var piped = regexp.MustCompile(`(?:^|[^|])\|\s*([\pL_][\pL\d_]*)?\s*$`)

// explainPipe explains a | behind which no call stands, but maybe a name, with which the text before
// the mistake ends; false if there is none.
func explainPipe(m *Mistake, before string) bool {
	found := piped.FindStringSubmatch(before)
	if found == nil {
		return false
	}
	m.Message, m.Hint = "| takes a call of a function behind it", "write or between conditions, bitor(a, b) for bits"
	if slices.Contains(Functions(), found[1]) {
		m.Hint = "call it: value | " + found[1] + "()"
	}
	return true
}

// What to write in place of operators that rules do not have, or not for these values.
const (
	noCaret     = "^ is not an operator of rules"
	caretHint   = "write ** for a power, bitxor(a, b) for bits"
	secondsHint = "write seconds(…): seconds(a) - seconds(b), or time(seconds(a) + 60)"
)

var (
	arguments    = regexp.MustCompile(`^(?:not enough|too many) arguments to call (\S+)`)
	argument     = regexp.MustCompile(`^cannot use (.+) as argument \(type (.+)\) to call (\S+)`)
	mismatched   = regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types (.+) and (.+)\)`)
	notCondition = regexp.MustCompile(`^non-bool expression \(type (.+)\) used as condition`)
	elements     = regexp.MustCompile(`^type string\[\w+\] is undefined`)
	noMethod     = regexp.MustCompile(`^type \S+ has no method`)
)

// explainTypes says in the words of rules which types do not go together; false if it is not that.
func explainTypes(m *Mistake) bool {
	switch {
	case arguments.MatchString(m.Message):
		name := arguments.FindStringSubmatch(m.Message)[1]
		if m.Hint = "call it as " + usage(name); name == "round" {
			m.Hint += `; to keep decimals write format("%.1f", x)`
		}
	case argument.MatchString(m.Message):
		found := argument.FindStringSubmatch(m.Message)
		m.Message = fmt.Sprintf("%s takes %s here, not %s", found[3], typeWord(found[2]), typeWord(found[1]))
		m.Hint = "call it as " + usage(found[3])
	case notCondition.MatchString(m.Message):
		m.Message, m.Hint = typeWord(notCondition.FindStringSubmatch(m.Message)[1])+" is not true or false", thereHint
	case mismatched.MatchString(m.Message):
		found := mismatched.FindStringSubmatch(m.Message)
		explainOperator(m, found[1], typeWord(found[2]), typeWord(found[3]))
	case strings.HasPrefix(m.Message, "array elements can only be selected"):
		m.Message, m.Hint = "a list has elements, and no fields", "its first element is [0]; each: goes through all of them, and so does map(list, .x)"
	case elements.MatchString(m.Message):
		m.Message, m.Hint = "a text has no elements", `a part of it is [0:8]; split(text, "/")[0] is the first of its parts`
	case noMethod.MatchString(m.Message):
		m.Message, m.Hint = "values have no methods", "call a function: upper(payload.x), not payload.x.upper()"
	default:
		return false
	}
	return true
}

// explainOperator says what to write for an operator between values that it does not take. The
// types are words; "" is one that is not known at load.
func explainOperator(m *Mistake, operator, a, b string) {
	known := slices.DeleteFunc([]string{a, b}, func(t string) bool { return t == "" })
	m.Message = fmt.Sprintf("%s does not take %s", operator, strings.Join(known, " and "))
	has := func(t string) bool { return a == t || b == t }
	switch {
	case operator == "^":
		m.Message, m.Hint = noCaret, caretHint
	case operator == "%" && has("a number"):
		m.Message, m.Hint = "% takes whole numbers", "/ gives a fraction: write int(a / b) % c"
	case has(durationWord):
		m.Hint = secondsHint
	case has("a time") && slices.Contains([]string{"<", "<=", ">", ">="}, operator):
		m.Hint = "write time(…) around what is no time"
	case has("a time") && !has("text") && slices.Contains([]string{"+", "-", "*", "/", "%", "**"}, operator):
		m.Hint = secondsHint
	case (operator == "or" || operator == "||") && a != "true or false":
		m.Hint = "for what counts where a value is missing, write a ?? b"
	case slices.Contains([]string{"and", "&&", "or", "||"}, operator):
		m.Hint = "it takes conditions, such as payload.x > 0"
	case operator == "+" && (a == "an object" || b == "an object"):
		m.Hint = "merge(a, b) makes one object of two"
	case operator == "+" && (a == "text" || b == "text"):
		m.Hint = "to join texts, write string(…) around what is none"
	case operator == "+" && (a == "a list" || b == "a list"):
		m.Hint = "flatten([a, b]) makes one list of two"
	}
}

const durationWord = "the time between two times"

// typeWord returns the word for a type of the engine.
func typeWord(t string) string {
	switch t {
	case "string":
		return "text"
	case "int", "int64":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "time.Time":
		return "a time"
	case "time.Duration": // which the engine makes of a time less a time
		return durationWord
	case "unknown", "interface {}":
		return ""
	}
	switch {
	case strings.HasPrefix(t, "map["):
		return "an object"
	case strings.HasPrefix(t, "[]"):
		return "a list"
	}
	return t
}
