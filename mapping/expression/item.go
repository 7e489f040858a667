package expression

import "mqtt-stomp-bridge/mapping/value"

// An Item is a value of which nothing may have been made yet: it may still stand where it came from,
// which its scope knows. It is small, since it is handed on often. Items are good as long as their
// scope sees the event. The zero value is nothing.
type Item struct {
	place place
	n     int32 // of what the place has
	made  any
}

// A place is where an item stands.
type place uint8

const (
	placeMade place = iota // nowhere: it has been made
	placeNode              // on the tape, as the node n
	placeJSON              // there too: the text that is the JSON of the node n
	placeText              // it is the n-th text of Items
)

// Items is Data that can give values as they stand.
type Items interface {
	Data
	// Item returns the value of a root as Value does.
	Item(r Root) (Item, error)
	// TextAt returns the n-th of the texts that items are.
	TextAt(n int) []byte
}

// Made returns the item of a value.
func Made(v any) Item { return Item{made: v} }

// TextAt returns the item of a text, the n-th of Items.
func TextAt(n int) Item { return Item{place: placeText, n: int32(n)} }

// Missing reports whether there is no value.
func (it Item) Missing() bool { return it.place == placeMade && it.made == nil }

// Direct has expressions evaluated without the engine, as far as that can be, until the next Begin.
// They look at items, and at the values on the tape, which is the one that items of nodes are of; its
// Root is the value of that root, unless the item of the root is another.
func (s *Scope) Direct(items Items, tape *value.Tape, root Root) {
	s.items, s.tape, s.taped = items, tape, root
}

// UseEngine has all expressions evaluated by the engine all the same, until the next Begin: for tests.
func (s *Scope) UseEngine() { s.engine = true }

// At returns the item of a node of the tape.
func (s *Scope) At(n value.Node) Item {
	if s.tape.Kind(n) == value.KindNull {
		return Item{}
	}
	return Item{place: placeNode, n: int32(n)}
}

// Span returns where the item stands; a KindNone where it has been made.
func (s *Scope) Span(it Item) value.Span {
	switch it.place {
	case placeNode:
		return s.tape.Span(value.Node(it.n))
	case placeJSON:
		return value.Span{Kind: value.KindText, Bytes: s.tape.Span(value.Node(it.n)).Bytes}
	case placeText:
		return value.Span{Kind: value.KindText, Bytes: s.items.TextAt(int(it.n))}
	}
	return value.Span{}
}

// AsJSON returns the text that is the JSON of an item on the tape.
func (it Item) AsJSON() Item {
	it.place = placeJSON
	return it
}

// Make returns the value of the item.
func (s *Scope) Make(it Item) any {
	const short = 64 // bytes; what is longer is made once
	if it.place == placeMade {
		return it.made
	}
	span := s.Span(it)
	if it.place == placeNode && (span.Nested() || len(span.Bytes) > short) {
		return s.MakeNode(value.Node(it.n)).Value
	}
	return span.Value()
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
	case s.items == nil, s.engine, x.direct == nil:
		v, err := x.run(s)
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
	if s.onTape && p.Root == s.taped {
		return s.itemAt(p, value.Root)
	}
	it, err := s.items.Item(p.Root)
	switch {
	case err != nil:
		return Item{}, err
	case it.place != placeMade && len(p.Steps) == 0:
		return it, nil
	case it.place != placeNode:
		return Made(s.walk(p, 0, s.Make(it))), nil
	}
	s.onTape = s.onTape || p.Root == s.taped
	return s.itemAt(p, value.Node(it.n))
}

// itemAt returns what stands at the path, whose root is the node.
func (s *Scope) itemAt(p *Path, n value.Node) (Item, error) {
	for i := range p.Steps {
		st := &p.Steps[i]
		if st.IsIndex && s.tape.Before(n, st.Index) > mostSteps {
			return Made(s.walk(p, i, s.MakeNode(n).Value)), nil
		}
		part, ok := s.tape.Part(n, st)
		if !ok || s.tape.Kind(part) == value.KindNull {
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

// mostSteps is how many elements of a list on the tape are stepped over to find one. Where there are
// more, the list is made once, in which one is as near as another.
const mostSteps = 64

// A List is the elements of a list that are left to go through.
type List struct {
	scope *Scope
	size  int
	next  value.Node // where they stand on the tape
	made  []any      // or what is left of them
}

// List returns the elements of the item; false where it is no list.
func (s *Scope) List(it Item) (List, bool) {
	if n := value.Node(it.n); it.place == placeNode && s.tape.Kind(n) == value.KindList {
		return List{scope: s, size: s.tape.Count(n), next: s.tape.First(n)}, true
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
