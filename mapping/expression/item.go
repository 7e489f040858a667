package expression

import "mqtt-stomp-bridge/mapping/value"

// An Item is a value of which nothing may have been made yet: it may still stand where it came from.
// Items are good as long as their scope sees the event. The zero value is nothing.
type Item struct {
	value.Span            // where it stands; a KindNone says that it has been made
	node       value.Node // on the tape of the scope; offTape: it does not stand there
	made       any
}

const offTape value.Node = -1

// Items is Data that can give values as they stand.
type Items interface {
	Data
	// Item returns the value of a root as Value does.
	Item(r Root) (Item, error)
}

// Made returns the item of a value.
func Made(v any) Item { return Item{made: v} }

// Text returns the item of a text, which must not change while the item is used.
func Text(text []byte) Item {
	return Item{Span: value.Span{Kind: value.KindText, Bytes: text}, node: offTape}
}

// Missing reports whether there is no value.
func (it Item) Missing() bool { return it.Span.Missing() && it.made == nil }

// onTape reports whether the item is one of a node.
func (it Item) onTape() bool { return it.Kind != value.KindNone && it.node != offTape }

// Direct has expressions evaluated without the engine, as far as that can be, until the next Begin.
// They look at items, and at the values on the tape, which is the one that items of nodes are of; it
// may be nil.
func (s *Scope) Direct(items Items, tape *value.Tape) { s.items, s.tape = items, tape }

// At returns the item of a node of the tape.
func (s *Scope) At(n value.Node) Item { return Item{Span: s.tape.Span(n), node: n} }

// Make returns the value of the item.
func (s *Scope) Make(it Item) any {
	const short = 64 // bytes; what is longer is made once
	switch {
	case it.Kind == value.KindNone:
		return it.made
	case it.onTape() && len(it.Bytes) > short, it.Nested():
		return s.MakeNode(it.node).Value
	}
	return it.Value()
}

// MakeNode returns what is made of a node of the tape, once for an event.
func (s *Scope) MakeNode(n value.Node) value.Document {
	d, first := s.tape.Make(n)
	if first {
		s.texts.Add(d)
	}
	return d
}

// Item is Eval without making the value.
func (x *Expression) Item(s *Scope) (Item, error) {
	switch {
	case s.items == nil, x.direct == nil:
		v, err := x.engine(s)
		return Made(v), err
	case x.path != nil:
		s.why.known = false
		return s.item(x.path)
	}
	s.why.known = false
	it, err := x.direct.item(s)
	if err != nil {
		return Item{}, s.refused(err)
	}
	return it, nil
}

// item returns what stands at the path.
func (s *Scope) item(p *Path) (Item, error) {
	if p.entries != nil {
		return Made(s.walk(p, 0, p.entries)), nil
	}
	it, err := s.items.Item(p.Root)
	switch {
	case err != nil:
		return Item{}, err
	case it.Kind != value.KindNone && len(p.Steps) == 0:
		if it.Missing() {
			s.missed(miss{path: p, step: -1})
		}
		return it, nil
	case !it.onTape():
		return Made(s.walk(p, 0, s.Make(it))), nil
	}
	n := it.node
	for i := range p.Steps {
		st := &p.Steps[i]
		if st.IsIndex && s.tape.Count(n) > mostSteps {
			return Made(s.walk(p, i, s.MakeNode(n).Value)), nil
		}
		part, ok := s.tape.Part(n, st)
		if !ok || s.tape.Null(part) {
			s.missedOnTape(p, i, n)
			return Item{}, nil
		}
		n = part
	}
	return s.At(n), nil
}

func (s *Scope) missedOnTape(p *Path, step int, n value.Node) {
	s.missed(miss{path: p, step: step, node: n, taped: true})
}

// mostSteps is how many elements of a list on the tape may be stepped over to find one.
const mostSteps = 1024

// A List is the elements of a list that are left to go through.
type List struct {
	scope *Scope
	size  int
	next  value.Node // where they stand on the tape
	made  []any      // or what is left of them
}

// List returns the elements of the item; false where it is no list.
func (s *Scope) List(it Item) (List, bool) {
	if it.Kind == value.KindList {
		return List{scope: s, size: s.tape.Count(it.node), next: s.tape.First(it.node)}, true
	}
	list, ok := it.made.([]any)
	return List{size: len(list), made: list}, ok
}

// Len returns how many elements the list has in all.
func (l *List) Len() int { return l.size }

// Next returns the next element. There must be one.
func (l *List) Next() Item {
	if l.scope == nil {
		v := l.made[0]
		l.made = l.made[1:]
		return Made(v)
	}
	n := l.next
	l.next = l.scope.tape.Next(n)
	return l.scope.At(n)
}
