package expression

import (
	"github.com/expr-lang/expr/vm"

	"mqtt-stomp-bridge/mapping/value"
)

// Bounds of one rule at work on one event.
const (
	MaxItems = 1000     // elements of a list that an expression goes through
	maxWork  = 16 << 20 // about a second at the very worst
)

// What an expression's operations cost, in units that are about 50 ns each at most.
const (
	workVisit = 32 // one element that an expression looks at
	workMatch = 8  // one byte that a regular expression reads
)

// Data is what expressions are evaluated on.
type Data interface {
	// Value returns the value of a root, or nil. An object may be a map[string]string too. An error
	// must be a *value.Refusal; it ends the evaluation.
	Value(r Root) (any, error)
}

// A Scope evaluates the expressions of one rule on one event at a time. Begin makes the zero value
// ready. It is not safe for concurrent use.
type Scope struct {
	machine vm.VM

	data Data
	size int // bytes of the event
	work int // what is left of maxWork

	// Of the last evaluation.
	miss    miss
	hasMiss bool
}

// Begin begins a rule: its expressions see the data, which come from an event of size bytes, and it
// may do all the work that a rule may do.
func (s *Scope) Begin(data Data, size int) {
	s.data, s.size, s.work, s.hasMiss = data, size, maxWork, false
}

// errWork ends a rule that does more than a bounded amount of work on one event.
var errWork = value.Refuse("too much work", "the rule does too much work on this event")

// Spend takes n units of the work that the rule may do on the event; a unit is about a byte copied.
// An error, a *value.Refusal, says that the rule must end.
func (s *Scope) Spend(n int) error {
	if s.work -= n; s.work < 0 {
		return errWork
	}
	return nil
}

// Missing says why the last evaluation gave nil.
func (s *Scope) Missing() string {
	if s.hasMiss {
		return s.miss.String()
	}
	return "the expression gives nothing"
}

// Release drops everything that the scope holds of its event. The scope can begin again.
func (s *Scope) Release() {
	clear(s.machine.Stack[:cap(s.machine.Stack)])
	clear(s.machine.Variables)
	*s = Scope{machine: s.machine}
}

// missed keeps the first miss of an evaluation, which is the reason if the result is nil.
func (s *Scope) missed(m miss) {
	if !s.hasMiss {
		s.miss, s.hasMiss = m, true
	}
}
