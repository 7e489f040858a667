package value

import (
	"slices"
	"unicode/utf8"
)

// Read reads the text, which must not change while the tape is used. It returns false for whatever
// DecodeJSON refuses, and for some texts that a Tape does not take: those with escapes in keys, and
// those beyond the bounds above.
func (t *Tape) Read(text []byte) bool {
	if len(text) > MaxPayload {
		return false
	}
	t.Forget()
	const each = 32 // bytes for a node, or there will be more than is foreseen
	r := tapeReader{text: WithoutMark(text), nodes: slices.Grow(t.nodes[:0], min(len(text)/each, maxTapeNodes))}
	end := r.value(0, 0, part{})
	t.text, t.nodes = r.text, r.nodes
	return end != wrong && skipSpace(r.text, end) == len(r.text) && (!r.wide || utf8.Valid(text))
}

// A tapeReader reads a text, which need not be UTF-8. Its methods read what stands at i, and return what
// is behind it, or wrong: a position that is handed on is faster than one that is kept.
type tapeReader struct {
	text  []byte
	nodes []node
	wide  bool // there is something that is not ASCII
}

// wrong is no position: the tape does not take the text.
const wrong = -1

// A part of the text.
type part struct{ start, end int }

// skipSpace returns where the next byte is that is not white space; at the end of the text its length.
func skipSpace(text []byte, i int) int {
	if i < len(text) && text[i] > ' ' { // mostly
		return i
	}
	return skipSpaces(text, i)
}

func skipSpaces(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return i
}

// value reads a value, which may stand behind white space; of a member, whose key is given.
func (r *tapeReader) value(i, depth int, key part) int {
	i = skipSpace(r.text, i)
	if i == len(r.text) || depth > MaxDepth || len(r.nodes) >= maxTapeNodes {
		return wrong
	}
	n := Node(len(r.nodes))
	if int(n) < cap(r.nodes) {
		r.nodes = r.nodes[:n+1]
	} else {
		r.nodes = append(r.nodes, node{})
	}
	start, kind, count, quote := i, KindBool, 0, 0
	switch r.text[i] {
	case '"':
		i, kind = r.str(i)
		start, quote = start+1, 1
	case '{':
		kind = KindObject
		i, count = r.object(i, n, depth)
	case '[':
		kind = KindList
		i, count = r.list(i, depth)
	case 't':
		i = r.word(i, "true")
	case 'f':
		i = r.word(i, "false")
	case 'n':
		kind = KindNull
		i = r.word(i, "null")
	default:
		kind = KindNumber
		i = r.number(i)
	}
	at := &r.nodes[n] // field by field: a whole node would be put together elsewhere and copied
	at.start, at.end = uint32(start), uint32(i-quote)
	at.key, at.keySize = uint32(key.start), uint32(key.end-key.start)
	at.next, at.count, at.kind = Node(len(r.nodes)), int32(count), kind
	return i
}

// object reads the object of the node, and counts its members.
func (r *tapeReader) object(i int, n Node, depth int) (end, count int) {
	text := r.text
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == '}' {
		return i + 1, 0
	}
	var seen uint64 // a bit of each key so far
	for count < maxTapeMembers && i < len(text) && text[i] == '"' {
		behind, kind := r.str(i)
		if behind == wrong || kind == KindEscaped {
			return wrong, 0
		}
		key := part{i + 1, behind - 1}
		if bit := keyBit(text[key.start:key.end]); seen&bit == 0 {
			seen |= bit
		} else if r.repeats(n, key) {
			return wrong, 0
		}
		if i = skipSpace(text, behind); i == len(text) || text[i] != ':' {
			return wrong, 0
		}
		if i = r.value(i+1, depth+1, key); i == wrong {
			return wrong, 0
		}
		count++
		if i = skipSpace(text, i); i == len(text) || text[i] != ',' {
			return closed(text, i, '}'), count
		}
		i = skipSpace(text, i+1)
	}
	return wrong, 0
}

// keyBit returns one of the bits for a key: keys with different ones differ.
func keyBit(key []byte) uint64 {
	h := uint(len(key))
	if h > 0 {
		h += uint(key[len(key)/2])*5 + uint(key[len(key)-1])*7 // beginnings are often the same
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

// list reads a list, and counts its elements.
func (r *tapeReader) list(i, depth int) (end, count int) {
	i = skipSpace(r.text, i+1)
	if i < len(r.text) && r.text[i] == ']' {
		return i + 1, 0
	}
	for {
		if i = r.value(i, depth+1, part{}); i == wrong {
			return wrong, 0
		}
		count++
		if i = skipSpace(r.text, i); i == len(r.text) || r.text[i] != ',' {
			return closed(r.text, i, ']'), count
		}
		i++
	}
}

// closed returns what is behind the closing byte at i.
func closed(text []byte, i int, closing byte) int {
	if i == len(text) || text[i] != closing {
		return wrong
	}
	return i + 1
}

func (r *tapeReader) word(i int, word string) int {
	end := i + len(word)
	if end > len(r.text) || string(r.text[i:end]) != word {
		return wrong
	}
	return end
}

// str reads a string.
func (r *tapeReader) str(i int) (end int, kind Kind) {
	text := r.text
	kind = KindPlain
	for i++; i < len(text); i++ {
		for i < len(text) && asItIs[text[i]] {
			i++
		}
		if i == len(text) {
			break
		}
		switch c := text[i]; {
		case c == '"':
			return i + 1, kind
		case c >= utf8.RuneSelf:
			kind, r.wide = max(kind, KindText), true
		case c != '\\':
			return wrong, kind // a control character
		default:
			size := escapeSize(text[i:])
			if size == 0 {
				return wrong, kind
			}
			kind = KindEscaped
			i += size - 1
		}
	}
	return wrong, kind
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
func (r *tapeReader) number(i int) int {
	i = r.optional(i, '-', '-')
	start := i
	if i = r.optional(i, '0', '0'); i == start {
		if i = r.digits(i); i == start {
			return wrong
		}
	}
	if fraction := r.optional(i, '.', '.'); fraction > i {
		if i = r.digits(fraction); i == fraction {
			return wrong
		}
	}
	if exponent := r.optional(i, 'e', 'E'); exponent > i {
		exponent = r.optional(exponent, '+', '-')
		if i = r.digits(exponent); i == exponent {
			return wrong
		}
	}
	return i
}

// optional steps over a byte that is one of the two.
func (r *tapeReader) optional(i int, a, b byte) int {
	if i < len(r.text) && (r.text[i] == a || r.text[i] == b) {
		return i + 1
	}
	return i
}

// digits steps over digits.
func (r *tapeReader) digits(i int) int {
	for text := r.text; i < len(text) && text[i] >= '0' && text[i] <= '9'; {
		i++
	}
	return i
}
