package expression

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"mqtt-stomp-bridge/mapping/value"
)

const widestFormat = 64 // characters that a width or a precision may ask for

// A formatPart is text of a format, or the verb of one value: %08x.
type formatPart struct {
	text string
	verb byte // 0: text
}

// A formatError says what is wrong with a format.
type formatError struct{ message, hint string }

// parseFormat takes a format apart and counts its verbs.
func parseFormat(format string) (parts []formatPart, verbs int, wrong *formatError) {
	for format != "" {
		i := strings.IndexByte(format+"%", '%')
		if i > 0 {
			parts = append(parts, formatPart{text: format[:i]})
			format = format[i:]
			continue
		}
		if strings.HasPrefix(format, "%%") {
			parts = append(parts, formatPart{text: "%"})
			format = format[2:]
			continue
		}
		part, wrong := parseVerb(format)
		if wrong != nil {
			return nil, 0, wrong
		}
		parts = append(parts, part)
		verbs++
		format = format[len(part.text):]
	}
	return parts, verbs, nil
}

// parseVerb takes the verb from the front of the text.
func parseVerb(text string) (formatPart, *formatError) {
	const verbs = "dxXobfegstv"
	flags := len(text[1:]) - len(strings.TrimLeft(text[1:], "+-# 0")) + 1
	width := digits(text[flags:])
	end := flags + width
	precision := 0
	if strings.HasPrefix(text[end:], ".") {
		precision = digits(text[end+1:])
		end += 1 + precision
	}
	switch {
	case tooWide(text[flags:flags+width]) || tooWide(text[end-precision:end]):
		return formatPart{}, &formatError{fmt.Sprintf("%s asks for more than %d characters", value.Quote(text[:end]), widestFormat), ""}
	case end == len(text):
		return formatPart{}, &formatError{value.Quote(text) + " has no letter behind it", "a percent sign itself is %%"}
	case !strings.Contains(verbs, text[end:end+1]):
		letter := []rune(text[end:])[0]
		return formatPart{}, &formatError{fmt.Sprintf("%s is not a verb of format", value.Quote(text[:end]+string(letter))),
			"there are %d %x %X %o %b for whole numbers, %f %e %g for numbers, %s for text, %t for true or false, %v for any; a percent sign is %%"}
	}
	return formatPart{text[:end+1], text[end]}, nil
}

func digits(text string) int { return len(text) - len(strings.TrimLeft(text, "0123456789")) }

func tooWide(number string) bool {
	n, err := strconv.Atoi(number)
	return number != "" && (err != nil || n > widestFormat)
}

func checkFormat(args []ast.Node, at mistakeAt) {
	format, ok := literal(args, 0)
	if !ok {
		return
	}
	_, verbs, wrong := parseFormat(format)
	switch {
	case wrong != nil:
		at(args[0], wrong.message, wrong.hint)
	case verbs != len(args)-1:
		at(args[0], wrongCount(verbs, len(args)-1), "each % stands for one value, %% for a percent sign")
	}
}

func wrongCount(verbs, values int) string {
	return fmt.Sprintf("format: the number of values is %d, and the format asks for %d", values, verbs)
}

func prepareFormat(args []ast.Node) {
	if format, ok := literal(args, 0); ok {
		parts, _, _ := parseFormat(format)
		args[0] = &ast.ConstantNode{Value: parts}
	}
}

// callFormat is format(format, value, …).
func callFormat(s *Scope, args []any) (any, error) {
	if slices.Contains(args, nil) {
		return nil, nil
	}
	parts, ok := args[0].([]formatPart) // taken apart at load
	if !ok {
		format, ok := value.String(args[0])
		if !ok {
			return nil, refuseType("format", "text as its format", args[0])
		}
		if err := s.Spend(workMatch * len(format)); err != nil {
			return nil, err
		}
		var verbs int
		var wrong *formatError
		if parts, verbs, wrong = parseFormat(format); wrong != nil {
			return nil, value.Refuse("expression", "format: %s", wrong.message)
		}
		if verbs != len(args)-1 {
			return nil, value.Refuse("expression", "%s", wrongCount(verbs, len(args)-1))
		}
	}
	var b []byte
	values := args[1:]
	for _, p := range parts {
		if p.verb == 0 {
			b = append(b, p.text...)
			continue
		}
		v, err := formatted(p, values[0])
		if err != nil {
			return nil, err
		}
		if b, values = fmt.Appendf(b, p.text, v), values[1:]; len(b) > value.MaxText {
			return nil, tooLong("format")
		}
	}
	return string(b), s.Spend(len(b) + workVisit*len(parts))
}

// formatted returns the value as the type that the verb takes.
func formatted(p formatPart, v any) (any, error) {
	takes := ""
	switch p.verb {
	case 'd', 'x', 'X', 'o', 'b':
		if n, ok := value.Whole(v); ok {
			return n, nil
		}
		if n, ok := v.(json.Number); ok { // a hash or a MAC address of 64 bits
			if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
				return u, nil
			}
		}
		takes = "a whole number of 64 bits"
		if isText(v) {
			return nil, value.Refuse("expression", "format: %s takes %s, not text; write int(…)", p.text, takes)
		}
	case 'f', 'e', 'g':
		if n, ok := value.Number(v); ok {
			return toFloat(n), nil
		}
		takes = "a number"
		if isText(v) {
			return nil, value.Refuse("expression", "format: %s takes %s, not text; write float(…)", p.text, takes)
		}
	case 's':
		if text, err := value.Text(v); err == nil {
			return text, nil
		}
		takes = "text or a whole number"
	case 't':
		if b, ok := v.(bool); ok {
			return b, nil
		}
		takes = "true or false"
	default:
		text, err := callString(nil, []any{v})
		if err == nil {
			return text, nil
		}
		takes = "one value"
	}
	return nil, value.Refuse("expression", "format: %s takes %s, not %s", p.text, takes, value.TypeName(v))
}
