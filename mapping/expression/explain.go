package expression

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"

	"mqtt-stomp-bridge/mapping/spelling"
)

// A Mistake is a mistake in an expression: Width characters from Offset.
type Mistake struct {
	Offset, Width int
	Message, Hint string
}

var (
	unknownName  = regexp.MustCompile(`^unknown name (\S+)`)
	unknownField = regexp.MustCompile(`^unknown field (\S+)`)
)

// explain says in the words of rules what the engine found wrong with the text.
func (n *Names) explain(text string, err error) *Mistake {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return &Mistake{Message: withoutGo(err), Width: 1}
	}
	m := &Mistake{Offset: fe.From, Width: max(1, fe.To-fe.From), Message: strings.TrimSpace(fe.Message)}
	runes := []rune(text)
	m.Offset = min(m.Offset, len(runes))
	if name := unknownName.FindStringSubmatch(fe.Message); name != nil {
		after := string(runes[min(m.Offset+len([]rune(name[1])), len(runes)):])
		called := strings.HasPrefix(strings.TrimSpace(after), "(")
		if !called && slices.Contains(Functions(), name[1]) {
			m.Message, m.Hint = name[1]+" is a function", "call it: "+usage(name[1])
			return m
		}
		m.Hint = n.meant(name[1], string(runes[:m.Offset]), called)
		return m
	}
	if name := unknownField.FindStringSubmatch(fe.Message); name != nil {
		n.explainField(m, string(runes[:m.Offset]), name[1])
		return m
	}
	explainSyntax(m, text, string(runes[:m.Offset]), string(runes[m.Offset:]))
	return m
}

// meant returns the hint for an unknown name behind the text before; called says whether it is used
// as a function.
func (n *Names) meant(name, before string, called bool) string {
	if called {
		if here := elsewhere[strings.ToLower(name)]; here != "" {
			return "write " + here
		}
		if near := spelling.Nearest(name, Functions()); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
		return "the functions are: " + listed()
	}
	if key := dashed.FindStringSubmatch(before); key != nil {
		return fmt.Sprintf("a key with a - in it is written [%q]; the operator needs a blank before it", key[1]+name)
	}
	if bare := strings.TrimPrefix(name, "$"); bare == "" || slices.Contains(n.all(), bare) {
		return "names have no $: write " + cmp.Or(bare, "payload")
	}
	predicate := withinPredicate(before)
	if n.Hint != nil {
		switch hint := n.Hint(name); {
		case hint != "" && name == "item" && predicate != "":
			return hint + " (within " + predicate + "(…) the element is #)"
		case hint != "":
			return hint
		}
	}
	if slices.Contains([]string{"null", "None", "undefined"}, name) {
		return "what is missing is nil"
	}
	names := n.all()
	if near := spelling.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if predicate != "" && !strings.HasPrefix(name, "$") {
		return fmt.Sprintf("within %[1]s(…), # is the element and .%[2]s its field %[2]s; a text needs quotes: %[2]q", predicate, name)
	}
	return fmt.Sprintf("names here: %s; a text needs quotes: %q", strings.Join(names, ", "), name)
}

// explainField gives the mistake the hint for a name that is not below its group, with which the
// text before it ends.
func (n *Names) explainField(m *Mistake, before, name string) {
	base, _ := strings.CutSuffix(before, ".")
	g := n.group(base[strings.LastIndexFunc(base, func(r rune) bool { return r < 'A' })+1:])
	if g == nil {
		return
	}
	if near := spelling.Nearest(name, g.names()); near != "" {
		m.Hint = fmt.Sprintf("did you mean %s.%s?", g.Name, near)
		return
	}
	m.Hint = g.hint()
}

// commentHint names what cuts an unquoted expression short.
const commentHint = "text after “ #” is a YAML comment, and “, ” ends a value inside { }: put the whole expression in '…'"

var (
	noField   = regexp.MustCompile(`^type string has no field (\S+)`)
	onlyLists = regexp.MustCompile(`^builtin (\S+) takes only array`)
	besideNil = regexp.MustCompile(`^Operator \((\S+)\) and coalesce expressions`)
	dotNumber = regexp.MustCompile(`^unexpected token Number\("\.(\d+)"\)`)
	twice     = regexp.MustCompile(`^cannot redeclare (?:variable )?(\S+)`)
	tooLarge  = regexp.MustCompile(`^invalid (integer|float) literal: .*value out of range|^integer literal is too large`)
	optional  = regexp.MustCompile(`[\pL\d_)\]]\?$`)
	numbered  = regexp.MustCompile(`[^0-9]\.[0-9]+[.\pL]?$`)
	otherKey  = regexp.MustCompile(`^[^\s.,()\[\]]*`)
	dashed    = regexp.MustCompile(`\.([\pL_][\pL\d_-]*-)$`)
	literals  = regexp.MustCompile(`[0-9][0-9a-zA-Z_.]*`)
)

// explainSyntax replaces those messages of the engine that do not name the usual slip behind them.
// The mistake stands between before and rest.
func explainSyntax(m *Mistake, text, before, rest string) {
	switch {
	case strings.Contains(text, "{{"):
		m.Hint = "write the expression without {{ }}"
	case strings.Contains(text, "${"):
		m.Message, m.Hint = "unexpected ${", "write the expression without ${ }"
	case strings.Contains(m.Message, `unexpected token Identifier("then")`):
		m.Message, m.Hint = `unexpected "then"`, "write condition ? value : other value"
	case strings.Contains(m.Message, "unexpected token EOF"), strings.Contains(m.Message, "unexpected end of expression"):
		m.Message, m.Hint = "the expression ends too early", commentHint
		if explainPipe(m, text) {
			return
		}
		if optional.MatchString(text) {
			m.Hint = "to leave a key out where it has no value, write the ? behind the key: caption?: =payload.caption"
		}
	case strings.Contains(m.Message, "literal not terminated"):
		m.Message, m.Hint = "the text is not closed by a quote", commentHint
	case strings.HasPrefix(rest, "=>"):
		m.Message, m.Hint = "unexpected =>", "within map, filter and the like, # is the element and .x its field x: map(list, .x)"
	case strings.HasPrefix(rest, "=~"):
		m.Message, m.Hint = "unexpected =~", `write matches "^[a-z]+$"`
	case strings.Contains(m.Message, `unexpected token Operator("=")`):
		m.Message, m.Hint = "= does not compare", "write =="
	case strings.HasPrefix(rest, "&") && !strings.HasPrefix(rest, "&&"):
		m.Message, m.Hint = "unexpected &", "write and between conditions, bitand(a, b) for bits"
	case strings.HasPrefix(rest, "~"):
		m.Message, m.Hint = "unexpected ~", "write bitnot(a)"
	case noField.MatchString(m.Message):
		m.Message = "this is text, and has no field " + noField.FindStringSubmatch(m.Message)[1]
	case onlyLists.MatchString(m.Message):
		m.Message = onlyLists.FindStringSubmatch(m.Message)[1] + " goes through a list, and this is not one"
	case besideNil.MatchString(m.Message):
		operator := besideNil.FindStringSubmatch(m.Message)[1]
		m.Message = "?? and " + operator + " side by side need parentheses"
		m.Hint = fmt.Sprintf("write a ?? (b %[1]s c), or (a ?? b) %[1]s c", operator)
	case twice.MatchString(m.Message):
		m.Message, m.Hint = twice.FindStringSubmatch(m.Message)[1]+" has a meaning already", "give this let another name"
	case tooLarge.MatchString(m.Message):
		explainTooLarge(m, text)
	case dotNumber.MatchString(m.Message):
		index := dotNumber.FindStringSubmatch(m.Message)[1]
		m.Message, m.Hint = "unexpected ."+index, fmt.Sprintf("an element of a list is [%s], counted from 0", index)
	case strings.HasPrefix(m.Message, "bad number syntax") && numbered.MatchString(before):
		m.Message = "a path has names and no numbers"
		m.Hint = `an element of a list is [0], counted from 0; a key that begins with a digit is ["1st"]`
	case strings.HasPrefix(m.Message, "unrecognized character") && strings.HasSuffix(before, "."):
		m.Hint = fmt.Sprintf("a key with other characters than letters, digits and _ is written [%q]", otherKey.FindString(rest))
	case strings.HasPrefix(m.Message, "invalid char escape"):
		m.Hint = "write \\\\ for one \\, or the text in `…`"
	case strings.HasPrefix(m.Message, "a map key must be"):
		m.Message, m.Hint = "an object has keys and values", `write {"key": value}; to add to an object write merge(payload, {…})`
	case strings.Contains(m.Message, "unexpected token"):
		explainToken(m, before, rest)
	case explainTypes(m):
	default:
		objects := strings.NewReplacer("map[string]interface {}", "object", "map[interface {}]interface {}", "object",
			"[]interface {}", "list", "interface {}", "any")
		m.Message = objects.Replace(m.Message)
	}
}

// explainTooLarge finds the number that the engine cannot hold; the engine points behind it.
func explainTooLarge(m *Mistake, text string) {
	m.Message = "this number is too large"
	for _, at := range literals.FindAllStringIndex(text, -1) {
		literal := text[at[0]:at[1]]
		_, notWhole := strconv.ParseInt(literal, 0, strconv.IntSize)
		_, notFloat := strconv.ParseFloat(strings.ReplaceAll(literal, "_", ""), 64)
		if errors.Is(notWhole, strconv.ErrRange) {
			m.Hint = "write it with a fraction: " + literal + ".0"
		} else if !errors.Is(notFloat, strconv.ErrRange) {
			continue
		}
		m.Offset, m.Width = utf8.RuneCountInString(text[:at[0]]), len(literal)
		return
	}
}
