package value

import "strings"

// skip steps over the next value and returns its text.
func (r *jsonReader) skip() string {
	c := r.skipSpace()
	start := r.pos
	switch c {
	case '"':
		r.skipString()
	case '{', '[':
		r.skipNested()
	default:
		for r.pos < len(r.text) && strings.IndexByte(",]} \t\r\n", r.text[r.pos]) < 0 {
			r.pos++
		}
	}
	return r.text[start:r.pos]
}

func (r *jsonReader) skipNested() {
	for depth := 0; ; {
		switch r.text[r.pos] {
		case '"':
			r.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if r.pos++; depth == 0 {
			return
		}
	}
}

// RawAt returns the text of the value to which the steps lead within the JSON text; false if there
// is no such value. The text must have been decoded before: RawAt does not look for syntax errors.
func RawAt(text string, steps []Step) (string, bool) {
	for _, st := range steps {
		r := jsonReader{text: text}
		opening := r.skipSpace()
		r.pos++
		found := false
		switch {
		case opening == '{' && !st.IsIndex:
			text, found = r.member(st.Key)
		case opening == '[' && st.IsIndex:
			text, found = r.element(st.Index)
		}
		if !found {
			return "", false
		}
	}
	return text, true
}

func (r *jsonReader) member(key string) (string, bool) {
	for r.more('}') {
		r.skipSpace()
		same := r.str() == key
		r.skipSpace()
		r.pos++ // the colon
		if text := r.skip(); same {
			return text, true
		}
	}
	return "", false
}

func (r *jsonReader) element(index int) (string, bool) {
	if index < 0 {
		return "", false
	}
	for ; r.more(']'); index-- {
		if text := r.skip(); index == 0 {
			return text, true
		}
	}
	return "", false
}
