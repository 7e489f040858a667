package value

// CheckDepth refuses a JSON text that nests deeper than DecodeJSON takes it. It does not look for
// syntax errors.
func CheckDepth(text string) error {
	depth := 0
	for r := (jsonReader{text: text}); r.pos < len(text); {
		switch text[r.pos] {
		case '"':
			r.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if r.pos++; depth > MaxDepth {
			return Refuse("too deep", "nests deeper than %d levels", MaxDepth)
		}
	}
	return nil
}
