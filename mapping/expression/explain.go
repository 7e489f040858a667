package expression

import (
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
			m.Message, m.Hint = name[1]+" is a function", "call it: "+name[1]+"(…)"
			return m
		}
		m.Hint = n.meant(name[1], called)
		return m
	}
	if name := unknownField.FindStringSubmatch(fe.Message); name != nil {
		n.explainField(m, string(runes[:m.Offset]), name[1])
		return m
	}
	explainSyntax(m, text, string(runes[m.Offset:]))
	return m
}

// meant returns the hint for an unknown name; called says whether it is used as a function.
func (n *Names) meant(name string, called bool) string {
	if called {
		if near := spelling.Nearest(name, Functions()); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
		return "the functions are: " + listed()
	}
	if n.Hint != nil {
		if hint := n.Hint(name); hint != "" {
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
	literals  = regexp.MustCompile(`[0-9][0-9a-zA-Z_.]*`)
)

// explainSyntax replaces those messages of the engine that do not name the usual slip behind them.
// rest is the text from the mistake on.
func explainSyntax(m *Mistake, text, rest string) {
	switch {
	case strings.Contains(text, "{{"):
		m.Hint = "write the expression without {{ }}"
	case strings.Contains(text, "${"):
		m.Message, m.Hint = "unexpected ${", "write the expression without ${ }"
	case strings.Contains(m.Message, `unexpected token Identifier("then")`):
		m.Message, m.Hint = `unexpected "then"`, "write condition ? value : other value"
	case strings.Contains(m.Message, "unexpected token EOF"), strings.Contains(m.Message, "unexpected end of expression"):
		m.Message, m.Hint = "the expression ends too early", commentHint
	case strings.Contains(m.Message, "literal not terminated"):
		m.Message, m.Hint = "the text is not closed by a quote", commentHint
	case strings.Contains(m.Message, `unexpected token Operator("=")`):
		m.Message, m.Hint = "= does not compare", "write =="
	case strings.HasPrefix(rest, "&"):
		m.Message, m.Hint = "unexpected &", "write and"
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
	case strings.Contains(m.Message, "unexpected token"):
		m.Message = strings.NewReplacer("unexpected token ", "unexpected ", "Operator(", "", "Identifier(", "", "Bracket(", "",
			"String(", "", "Number(", "", `")`, `"`).Replace(m.Message)
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
