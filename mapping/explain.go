package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"

	"maps"
	"mqtt-stomp-bridge/mapping/spelling"
)

// A loadError is a mistake in an expression: width characters from offset.
type loadError struct {
	offset, width int
	message, hint string
}

var (
	unknownName  = regexp.MustCompile(`^unknown name (\S+)`)
	unknownField = regexp.MustCompile(`^unknown field (\S+)`)
)

// explain says in the words of rules what the engine found wrong with the text.
func (n *names) explain(text string, err error) *loadError {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return &loadError{message: withoutGo(err), width: 1}
	}
	e := &loadError{offset: fe.From, width: max(1, fe.To-fe.From), message: strings.TrimSpace(fe.Message)}
	runes := []rune(text)
	e.offset = min(e.offset, len(runes))
	if m := unknownName.FindStringSubmatch(fe.Message); m != nil {
		after := string(runes[min(e.offset+len([]rune(m[1])), len(runes)):])
		e.hint = n.meant(m[1], strings.HasPrefix(strings.TrimSpace(after), "("))
		return e
	}
	if m := unknownField.FindStringSubmatch(fe.Message); m != nil {
		n.explainField(e, string(runes[:e.offset]), m[1])
		return e
	}
	explainSyntax(e, text, string(runes[e.offset:]))
	return e
}

// meant returns the hint for a name that there is not; called tells whether it stands as a function.
func (n *names) meant(name string, called bool) string {
	if called {
		if near := spelling.Nearest(name, Functions()); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
		return "the functions are: " + strings.Join(Functions(), ", ")
	}
	switch {
	case n.access && slices.Contains(slices.Sorted(maps.Keys(roots())), name):
		return "access is asked when a client subscribes: there is no event, only " + strings.Join(n.visible(), ", ")
	case name == "payload":
		return fmt.Sprintf("a rule with payload: %s does not see the payload", n.kind.Name)
	case name == "item" || name == "index":
		return "item and index are the elements of an each: and this rule has none"
	case slices.Contains([]string{"null", "None", "undefined"}, name):
		return "what is missing is nil"
	case strings.HasPrefix(name, "json_") || name == "value_json" || name == "this" || name == "root":
		return "the event's payload is called payload"
	}
	names := n.visible()
	if near := spelling.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Sprintf("names here: %s; a text needs quotes: %q", strings.Join(names, ", "), name)
}

// visible returns the names that an expression here may begin with.
func (n *names) visible() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(roots())), func(name string) bool { return !n.sees(name) })
}

// Functions returns the names of the functions that rules may call.
func Functions() []string {
	all := predicates()
	for _, f := range functions() {
		all = append(all, f.name)
	}
	return all
}

// explainField puts what is below topic, mqtt or table into the hint for a field that is not.
func (n *names) explainField(e *loadError, before, name string) {
	base, _ := strings.CutSuffix(before, ".")
	base = base[strings.LastIndexFunc(base, func(r rune) bool { return r < 'A' })+1:]
	known := n.children(base)
	if near := spelling.Nearest(name, known); near != "" {
		e.hint = fmt.Sprintf("did you mean %s.%s?", base, near)
		return
	}
	e.hint = n.below(base)
}

// children returns the names below topic, mqtt or table.
func (n *names) children(base string) []string {
	switch base {
	case "topic":
		return n.captures
	case "mqtt":
		return slices.Sorted(maps.Keys(mqttRoots()))
	case "table":
		return slices.Sorted(maps.Keys(n.tables))
	}
	return nil
}

// below returns the hint that names what is below topic, mqtt or table.
func (n *names) below(base string) string {
	known := n.children(base)
	switch {
	case len(known) > 0:
		return fmt.Sprintf("there is: %s.%s", base, strings.Join(known, ", "+base+"."))
	case base == "topic":
		return "write the level that you mean as {name} in topic:, such as chat/{channel_id}/message"
	case base == "table":
		return "there are no tables; write one under tables:"
	}
	return ""
}

// commentHint names what cuts an unquoted expression short.
const commentHint = "text after “ #” is a YAML comment, and “, ” ends a value inside { }: put the whole expression in '…'"

var (
	noField   = regexp.MustCompile(`^type string has no field (\S+)`)
	onlyLists = regexp.MustCompile(`^builtin (\S+) takes only array`)
	besideNil = regexp.MustCompile(`^Operator \((\S+)\) and coalesce expressions`)
	dotNumber = regexp.MustCompile(`^unexpected token Number\("\.(\d+)"\)`)
	tooLarge  = regexp.MustCompile(`^invalid (integer|float) literal: .*value out of range|^integer literal is too large`)
	literals  = regexp.MustCompile(`[0-9][0-9a-zA-Z_.]*`)
)

// explainSyntax replaces the messages of the engine that do not name the usual slip behind them. The mistake is where rest
// begins in the text.
func explainSyntax(e *loadError, text, rest string) {
	switch {
	case strings.Contains(text, "{{"):
		e.hint = "write the expression without {{ }}"
	case strings.Contains(text, "${"):
		e.message, e.hint = "unexpected ${", "write the expression without ${ }"
	case strings.Contains(e.message, `unexpected token Identifier("then")`):
		e.message, e.hint = `unexpected "then"`, "write condition ? value : other value"
	case strings.Contains(e.message, "unexpected token EOF"), strings.Contains(e.message, "unexpected end of expression"):
		e.message, e.hint = "the expression ends too early", commentHint
	case strings.Contains(e.message, "literal not terminated"):
		e.message, e.hint = "the text is not closed by a quote", commentHint
	case strings.Contains(e.message, `unexpected token Operator("=")`):
		e.message, e.hint = "= compares nothing", "write =="
	case strings.HasPrefix(rest, "&"):
		e.message, e.hint = "unexpected &", "write and"
	case noField.MatchString(e.message):
		e.message = "this is text, and has no field " + noField.FindStringSubmatch(e.message)[1]
	case onlyLists.MatchString(e.message):
		e.message = onlyLists.FindStringSubmatch(e.message)[1] + " goes through a list, and this is not one"
	case besideNil.MatchString(e.message):
		operator := besideNil.FindStringSubmatch(e.message)[1]
		e.message = "?? and " + operator + " side by side need parentheses"
		e.hint = fmt.Sprintf("write a ?? (b %[1]s c), or (a ?? b) %[1]s c", operator)
	case tooLarge.MatchString(e.message):
		explainTooLarge(e, text)
	case dotNumber.MatchString(e.message):
		index := dotNumber.FindStringSubmatch(e.message)[1]
		e.message, e.hint = "unexpected ."+index, fmt.Sprintf("an element of a list is [%s], counted from 0", index)
	case strings.Contains(e.message, "unexpected token"):
		e.message = strings.NewReplacer("unexpected token ", "unexpected ", "Operator(", "", "Identifier(", "", "Bracket(", "",
			"String(", "", "Number(", "", `")`, `"`).Replace(e.message)
	default:
		e.message = strings.NewReplacer("map[string]interface {}", "object", "[]interface {}", "list", "interface {}", "any").Replace(e.message)
	}
}

// explainTooLarge finds the number that the engine cannot hold: the engine names the place behind it.
func explainTooLarge(e *loadError, text string) {
	e.message = "this number is too large"
	for _, at := range literals.FindAllStringIndex(text, -1) {
		literal := text[at[0]:at[1]]
		_, notWhole := strconv.ParseInt(literal, 0, strconv.IntSize)
		_, notFloat := strconv.ParseFloat(strings.ReplaceAll(literal, "_", ""), 64)
		if errors.Is(notWhole, strconv.ErrRange) {
			e.hint = "write it with a fraction: " + literal + ".0"
		} else if !errors.Is(notFloat, strconv.ErrRange) {
			continue
		}
		e.offset, e.width = utf8.RuneCountInString(text[:at[0]]), len(literal)
		return
	}
}
