package value

// Bounds of what a Tape takes. What is beyond them is for DecodeJSON, which finds a member of a large
// object sooner.
const (
	maxTapeMembers = 64      // of one object
	maxTapeNodes   = 1 << 16 // of one text
)

// A Tape says where the values of a JSON text stand, without making any of them. It reads the text
// in one pass, and is reused: after a few texts it takes no memory. The zero value is ready. It is
// not safe for concurrent use.
//
// Its nodes are in the order of the text: behind a list or an object comes all that is in it.
//
//	{"a": [1, 2], "b": 3}   0 object   1 a: list   2 number   3 number   4 b: number
//	                        next: 5        4           3          4            5
type Tape struct {
	text  []byte
	nodes []node
	made  map[Node]Document // what Make has made
}

// A Node is the number of a value on a tape. That of the whole text is Root.
type Node int32

// Root is the node of the value that is the whole text.
const Root Node = 0

type node struct {
	start, end uint32 // of the span's bytes
	key        uint32 // of a member: where its key starts
	keySize    uint32
	next       Node  // behind the node and all that is in it
	count      int32 // of elements or members
	kind       Kind
}

// Span returns the value as it stands in the text.
func (t *Tape) Span(n Node) Span {
	at := &t.nodes[n]
	return Span{at.kind, t.text[at.start:at.end]}
}

// Count returns how many elements a list has, or how many members an object.
func (t *Tape) Count(n Node) int { return int(t.nodes[n].count) }

// First returns the first element of a list that has one.
func (t *Tape) First(n Node) Node { return n + 1 }

// Next returns the element of a list behind another, if there is one.
func (t *Tape) Next(n Node) Node { return t.nodes[n].next }

// Part returns the part of a value to which the step leads; false where there is none.
func (t *Tape) Part(n Node, st *Step) (Node, bool) {
	switch at := &t.nodes[n]; {
	case at.kind == KindObject && !st.IsIndex:
		return t.member(n, st.Key)
	case at.kind == KindList && st.IsIndex:
		return t.element(n, st.Index)
	}
	return 0, false
}

func (t *Tape) member(n Node, key string) (Node, bool) {
	end := t.nodes[n].next
	for m := n + 1; m < end; {
		at := &t.nodes[m]
		if int(at.keySize) == len(key) && string(t.text[at.key:at.key+at.keySize]) == key {
			return m, true
		}
		m = at.next
	}
	return 0, false
}

// Before returns how many elements of the list Part has to step over to the one of the index.
func (t *Tape) Before(n Node, index int) int {
	if index < 0 {
		index += t.Count(n)
	}
	return index
}

func (t *Tape) element(n Node, index int) (Node, bool) {
	before := t.Before(n, index)
	if before < 0 || before >= t.Count(n) {
		return 0, false
	}
	e := n + 1
	for range before {
		e = t.nodes[e].next
	}
	return e, true
}

// Kind returns the kind of the value.
func (t *Tape) Kind(n Node) Kind { return t.nodes[n].kind }

// Make returns what DecodeJSON makes of the value and of its text. It makes it once; first says that
// this was it.
func (t *Tape) Make(n Node) (d Document, first bool) {
	d, ok := t.made[n]
	if !ok {
		d = t.make(n)
		if t.made == nil {
			t.made = map[Node]Document{}
		}
		t.made[n] = d
	}
	return d, !ok
}

func (t *Tape) make(n Node) Document {
	s := t.Span(n)
	if !s.Nested() {
		return Document{Value: s.Value()}
	}
	r := jsonReader{text: string(s.Bytes)}
	v, _ := r.value(0) // it has been checked
	return Document{Value: v, Raw: r.text}
}

// Forget lets go of what Make has made.
func (t *Tape) Forget() { clear(t.made) }

// Reset lets go of the text, and of the memory of a large one.
func (t *Tape) Reset() {
	const kept = 4096 // nodes
	if cap(t.nodes) > kept {
		*t = Tape{}
	}
	t.Forget()
	t.text, t.nodes = nil, t.nodes[:0]
}
