package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// notJSON says what is wrong with a text that is not JSON, and what a rule could say to take it.
func notJSON(text []byte) error {
	err := json.Unmarshal(text, new(json.RawMessage))
	r := &Refusal{Kind: "not JSON", Reason: fmt.Sprintf("is not JSON: %v", err)}
	var se *json.SyntaxError
	if !errors.As(err, &se) {
		return r
	}
	at := int(se.Offset) - 1 // of the first byte that is wrong
	word, start := wordAt(text, at)
	steps, outside := stepsTo(text[:start])
	switch {
	case word != "" && outside && len(steps) > 0:
		r.Reason = fmt.Sprintf("is not JSON: %s is %s, at byte %d of %d, and JSON has no such number: it allows null there",
			At(steps), word, start+1, len(text))
	case word != "" && outside && start == 0:
		r.Reason = fmt.Sprintf("is not JSON: it is %s, and JSON has no such number", word)
	case at > 0:
		r.Reason += fmt.Sprintf(", at byte %d of %d", se.Offset, len(text))
	}
	switch {
	case json.Valid(relaxed(text)):
		r.hint = "{json: lenient} would take it"
	case at <= 0: // wrong from its first byte on: it may not be meant as JSON
		r.hint = "text would take it as it is"
	}
	return r
}

// notNumber matches what programs write for a number that is none. JSON does not have it.
var notNumber = regexp.MustCompile(`^[+-]?(?i:nan|inf|infinity)$`)

// wordAt returns the word around the byte at, and where it starts, if it stands for a number that
// is none; otherwise "".
func wordAt(text []byte, at int) (string, int) {
	start, end := min(max(at, 0), len(text)), min(max(at, 0), len(text))
	for start > 0 && isWord(text[start-1]) {
		start--
	}
	for end < len(text) && isWord(text[end]) {
		end++
	}
	if word := string(text[start:end]); len(word) <= len("-infinity") && notNumber.MatchString(word) {
		return word, start
	}
	return "", 0
}

func isWord(c byte) bool {
	return c == '+' || c == '-' || c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// stepsTo returns the way to the value that begins behind the text, which is the beginning of a
// JSON text; false if the text ends within a string.
func stepsTo(text []byte) ([]Step, bool) {
	var steps []Step
	for i := 0; i < len(text); i++ {
		last := len(steps) - 1
		switch c := text[i]; {
		case c == '{' || c == '[':
			steps = append(steps, Step{IsIndex: c == '['})
		case c == '"':
			n := stringLength(text[i:])
			if i+n == len(text) && !json.Valid(text[i:]) {
				return nil, false
			}
			if last >= 0 && !steps[last].IsIndex { // a key, or a value that the next key replaces
				_ = json.Unmarshal(text[i:i+n], &steps[last].Key) // valid, as part of the text
			}
			i += n - 1
		case last < 0:
		case c == '}' || c == ']':
			steps = steps[:last]
		case c == ',' && steps[last].IsIndex:
			steps[last].Index++
		}
	}
	return steps, true
}
