package mapping

import (
	"github.com/expr-lang/expr/vm"

	"mqtt-stomp-bridge/mapping/value"
)

const (
	maxItems = 1000     // elements of an each, and of a list that an expression goes through
	maxWork  = 16 << 20 // per rule and event: about a second at the very worst
)

// What an expression's operations cost, in units that are about 50 ns each at most.
const (
	workItem  = 64 // one element of an each
	workVisit = 32 // one element that an expression looks at
	workMatch = 8  // one byte that a regular expression reads
	workScan  = 16 // so many bytes of JSON text that are looked through for a value
)

// A scope is what the expressions of a rule see while it runs for one event. One goroutine at a time uses it.
type scope struct {
	machine vm.VM

	// Of the event.
	event  *Event
	levels []string // of its topic
	body   []byte   // of the last output, to be used again
	docs   map[*value.Encoding]*decoded

	// Of the rule.
	as       *value.Encoding
	captures []string
	payload  value.Document
	have     bool // payload is decoded
	work     int  // what is left of maxWork

	// Of the element of an each.
	item  any
	raw   string // its JSON text; "" when that is not known
	index int

	// Of an access rule.
	user   string
	claims map[string]any

	// Of the evaluation.
	miss    miss
	hasMiss bool
}

type decoded struct {
	value.Document
	err error
}

// begin makes the scope ready for a rule of that payload kind.
func (s *scope) begin(kind *value.Encoding) {
	s.as, s.payload, s.have, s.work = kind, value.Document{}, false, maxWork
	s.item, s.raw, s.index = nil, "", 0
}

// decode decodes the payload as the rule's kind says, once an event for all rules of that kind.
func (s *scope) decode() error {
	if s.have || s.as.Decode == nil {
		return nil
	}
	d := s.docs[s.as]
	if d == nil {
		d = new(decoded)
		d.Document, d.err = s.as.Decode(s.event.Payload)
		s.docs[s.as] = d
	}
	s.payload, s.have = d.Document, d.err == nil
	return d.err
}

// errWork ends a rule that does more than a bounded amount of work on one event.
var errWork = value.Refuse("too much work", "the rule does too much work on this event")

// spend takes n units of work.
func (s *scope) spend(n int) error {
	if s.work -= n; s.work < 0 {
		return errWork
	}
	return nil
}
