package value

import "unicode/utf8"

// Read reads the text, which must not change while the tape is used. It returns false for whatever
// DecodeJSON refuses, and for some texts that a Tape does not take: those with escapes in keys, and
// those beyond the bounds above.
func (t *Tape) Read(text []byte) bool {
	if len(text) > MaxPayload || !utf8.Valid(text) {
		return false
	}
	t.Forget()
	r := tapeReader{text: WithoutMark(text), nodes: t.nodes[:0]}
	ok := r.value(0) && r.skipSpace() == 0 && r.pos == len(r.text)
	t.text, t.nodes = r.text, r.nodes
	return ok
}

// A tapeReader reads a text that is UTF-8.
type tapeReader struct {
	text  []byte
	pos   int
	nodes []node
}

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

// value reads a value, which may stand behind white space.
func (r *tapeReader) value(depth int) bool {
	if depth > MaxDepth || len(r.nodes) >= maxTapeNodes {
		return false
	}
	c := r.skipSpace()
	n := len(r.nodes)
	r.nodes = append(r.nodes, node{start: uint32(r.pos)})
	kind, ok := KindNumber, false
	switch c {
	case '"':
		r.nodes[n].start++
		kind, ok = r.str()
		r.end(n, kind, r.pos-1)
		return ok
	case '{':
		kind, ok = KindObject, r.object(Node(n), depth)
	case '[':
		kind, ok = KindList, r.list(Node(n), depth)
	case 't':
		kind, ok = KindBool, r.word("true")
	case 'f':
		kind, ok = KindBool, r.word("false")
	case 'n':
		kind, ok = KindNull, r.word("null")
	default:
		ok = r.number()
	}
	r.end(n, kind, r.pos)
	return ok
}

// end ends the value of the node at pos.
func (r *tapeReader) end(n int, kind Kind, pos int) {
	at := &r.nodes[n]
	at.kind, at.end, at.next = kind, uint32(pos), Node(len(r.nodes))
}

func (r *tapeReader) object(n Node, depth int) bool {
	r.pos++
	if r.skipSpace() == '}' {
		r.pos++
		return true
	}
	var seen uint64 // a bit of each key so far
	for count := int32(1); count <= maxTapeMembers && r.skipSpace() == '"'; count++ {
		start := r.pos + 1
		kind, ok := r.str()
		if !ok || kind == KindEscaped {
			return false
		}
		key := r.text[start : r.pos-1]
		if bit := keyBit(key); seen&bit == 0 {
			seen |= bit
		} else if r.repeats(n, key) {
			return false
		}
		if r.skipSpace() != ':' {
			return false
		}
		r.pos++
		m := len(r.nodes)
		if !r.value(depth + 1) {
			return false
		}
		r.nodes[m].key, r.nodes[m].keySize = uint32(start), uint32(len(key))
		if !r.comma() {
			r.nodes[n].count = count
			return r.closed('}')
		}
	}
	return false
}

// keyBit returns one of the bits for a key: keys with different ones differ.
func keyBit(key []byte) uint64 {
	h := uint(len(key))
	if h > 0 {
		h += uint(key[0])*3 + uint(key[len(key)/2])*5 + uint(key[len(key)-1])*7
	}
	return 1 << (h & 63)
}

// repeats reports whether a member of the object has the key.
func (r *tapeReader) repeats(n Node, key []byte) bool {
	for m := n + 1; int(m) < len(r.nodes); m = r.nodes[m].next {
		at := &r.nodes[m]
		if string(r.text[at.key:at.key+at.keySize]) == string(key) {
			return true
		}
	}
	return false
}

func (r *tapeReader) list(n Node, depth int) bool {
	r.pos++
	if r.skipSpace() == ']' {
		r.pos++
		return true
	}
	for count := int32(1); r.value(depth + 1); count++ {
		if !r.comma() {
			r.nodes[n].count = count
			return r.closed(']')
		}
	}
	return false
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
