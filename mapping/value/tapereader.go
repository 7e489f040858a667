package value

import (
	"slices"
	"unicode/utf8"
)

// Read reads the text, which must not change while the tape is used. It returns false for whatever
// DecodeJSON refuses, and for some texts that a Tape does not take: those with escapes in keys, and
// those beyond the bounds above.
func (t *Tape) Read(text []byte) bool {
	if len(text) > MaxPayload || !utf8.Valid(text) {
		return false
	}
	t.Forget()
	const each = 32 // bytes for a node, or there will be more than is foreseen
	r := tapeReader{text: WithoutMark(text), nodes: slices.Grow(t.nodes[:0], min(len(text)/each, maxTapeNodes))}
	ok := r.value(0, part{}) && r.skipSpace() == 0 && r.pos == len(r.text)
	t.text, t.nodes = r.text, r.nodes
	return ok
}

// A tapeReader reads a text that is UTF-8.
type tapeReader struct {
	text  []byte
	pos   int
	nodes []node
}

// A part of the text.
type part struct{ start, end int }

// skipSpace goes on to the next byte that is not white space and returns it; 0 at the end, where r
// stands behind the last one.
func (r *tapeReader) skipSpace() byte {
	if r.pos < len(r.text) && r.text[r.pos] > ' ' { // mostly
		return r.text[r.pos]
	}
	return r.skipSpaces()
}

func (r *tapeReader) skipSpaces() byte {
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// value reads a value, which may stand behind white space: of a member, behind the key.
func (r *tapeReader) value(depth int, key part) bool {
	if depth > MaxDepth || len(r.nodes) >= maxTapeNodes {
		return false
	}
	c := r.skipSpace()
	n := Node(len(r.nodes))
	if int(n) < cap(r.nodes) {
		r.nodes = r.nodes[:n+1]
	} else {
		r.nodes = append(r.nodes, node{})
	}
	start, behind := r.pos, 0 // what follows the bytes: the quote of a string
	kind, count, ok := KindNumber, 0, false
	switch c {
	case '"':
		kind, ok = r.str()
		start++
		behind = 1
	case '{':
		kind = KindObject
		count, ok = r.object(n, depth)
	case '[':
		kind = KindList
		count, ok = r.list(depth)
	case 't':
		kind, ok = KindBool, r.word("true")
	case 'f':
		kind, ok = KindBool, r.word("false")
	case 'n':
		kind, ok = KindNull, r.word("null")
	default:
		ok = r.number()
	}
	at := &r.nodes[n] // field by field: a whole node would be put together elsewhere and copied
	at.start, at.end = uint32(start), uint32(r.pos-behind)
	at.key, at.keySize = uint32(key.start), uint32(key.end-key.start)
	at.next, at.count, at.kind = Node(len(r.nodes)), int32(count), kind
	return ok
}

// object reads an object, at whose opening brace r stands.
func (r *tapeReader) object(n Node, depth int) (count int, ok bool) {
	r.pos++
	if r.skipSpace() == '}' {
		r.pos++
		return 0, true
	}
	var seen uint64 // a bit of each key so far
	for count < maxTapeMembers && r.skipSpace() == '"' {
		start := r.pos + 1
		kind, ok := r.str()
		if !ok || kind == KindEscaped {
			return count, false
		}
		key := part{start, r.pos - 1}
		if bit := keyBit(r.text[key.start:key.end]); seen&bit == 0 {
			seen |= bit
		} else if r.repeats(n, key) {
			return count, false
		}
		if r.skipSpace() != ':' {
			return count, false
		}
		r.pos++
		if !r.value(depth+1, key) {
			return count, false
		}
		if count++; !r.comma() {
			return count, r.closed('}')
		}
	}
	return count, false
}

// keyBit returns one of the bits for a key: keys with different ones differ.
func keyBit(key []byte) uint64 {
	h := uint(len(key))
	if h > 0 {
		h += uint(key[0])*3 + uint(key[len(key)-1])*7
	}
	return 1 << (h & 63)
}

// repeats reports whether a member of the object has the key.
func (r *tapeReader) repeats(n Node, key part) bool {
	for m := n + 1; int(m) < len(r.nodes); m = r.nodes[m].next {
		at := &r.nodes[m]
		if string(r.text[at.key:at.key+at.keySize]) == string(r.text[key.start:key.end]) {
			return true
		}
	}
	return false
}

// list reads a list, at whose opening bracket r stands.
func (r *tapeReader) list(depth int) (count int, ok bool) {
	r.pos++
	if r.skipSpace() == ']' {
		r.pos++
		return 0, true
	}
	for r.value(depth+1, part{}) {
		if count++; !r.comma() {
			return count, r.closed(']')
		}
	}
	return count, false
}

// comma steps over a comma; false where there is none.
func (r *tapeReader) comma() bool {
	if r.skipSpace() != ',' {
		return false
	}
	r.pos++
	return true
}

// closed steps over the closing byte; false where another stands there.
func (r *tapeReader) closed(closing byte) bool {
	if r.pos == len(r.text) || r.text[r.pos] != closing {
		return false
	}
	r.pos++
	return true
}

func (r *tapeReader) word(word string) bool {
	end := r.pos + len(word)
	if end > len(r.text) || string(r.text[r.pos:end]) != word {
		return false
	}
	r.pos = end
	return true
}

// str reads a string, at whose opening quote r stands.
func (r *tapeReader) str() (kind Kind, ok bool) {
	kind = KindPlain
	text := r.text
	for i := r.pos + 1; i < len(text); i++ {
		for i < len(text) && asItIs[text[i]] {
			i++
		}
		if i == len(text) {
			break
		}
		switch c := text[i]; {
		case c == '"':
			r.pos = i + 1
			return kind, true
		case c >= utf8.RuneSelf:
			kind = max(kind, KindText)
		case c != '\\':
			return kind, false // a control character
		default:
			size := escapeSize(text[i:])
			if size == 0 {
				return kind, false
			}
			kind = KindEscaped
			i += size - 1
		}
	}
	return kind, false
}

// escapeSize returns the length of the escape with which the text begins; 0 where it is none.
func escapeSize(text []byte) int {
	if len(text) < len(`\n`) {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return len(`\n`)
	case 'u':
		if len(text) < len(`\u0000`) {
			return 0
		}
		for _, c := range text[2:6] {
			if !isHex(c) {
				return 0
			}
		}
		return len(`\u0000`)
	}
	return 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// number reads a number: RFC 8259, 6.
func (r *tapeReader) number() bool {
	r.optional('-', '-')
	if !r.optional('0', '0') && !r.digits() {
		return false
	}
	if r.optional('.', '.') && !r.digits() {
		return false
	}
	if r.optional('e', 'E') {
		r.optional('+', '-')
		return r.digits()
	}
	return true
}

// optional steps over a byte that is one of the two.
func (r *tapeReader) optional(a, b byte) bool {
	if r.pos == len(r.text) || r.text[r.pos] != a && r.text[r.pos] != b {
		return false
	}
	r.pos++
	return true
}

// digits steps over digits, of which there must be one.
func (r *tapeReader) digits() bool {
	i := r.pos
	for text := r.text; i < len(text) && text[i] >= '0' && text[i] <= '9'; {
		i++
	}
	start := r.pos
	r.pos = i
	return i > start
}
