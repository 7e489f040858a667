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

// Data holds the values that expressions begin with.
type Data interface {
	// Value returns the value of a root; nil where it has none. An error is a *value.Refusal, and
	// ends the evaluation. Of objects it may give map[string]string for map[string]any.
	Value(r Root) (any, error)
}

// A Scope is where the expressions of one rule are evaluated for one event. The zero value must be
// told what to evaluate on by Begin. One goroutine at a time uses it.
type Scope struct {
	machine vm.VM

	data Data
	size int // bytes of the event
	work int // what is left of maxWork

	// Of the last evaluation.
	miss    miss
	hasMiss bool
}

// Begin makes the scope ready for a rule that sees the data, which were made of so many bytes.
func (s *Scope) Begin(data Data, size int) {
	s.data, s.size, s.work, s.hasMiss = data, size, maxWork, false
}

// errWork ends a rule that does more than a bounded amount of work on one event.
var errWork = value.Refuse("too much work", "the rule does too much work on this event")

// Spend takes n units of the work that the rule may do on the event, about a byte to be copied
// each. An error, a *value.Refusal, says that there is not so much left.
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

// Release lets go of all that the scope holds of its event, but keeps its memory for the next.
func (s *Scope) Release() {
	clear(s.machine.Stack[:cap(s.machine.Stack)])
	clear(s.machine.Variables)
	*s = Scope{machine: s.machine}
}

// missed keeps the first miss of an evaluation: it is the reason when a value is lacking in the
// end.
func (s *Scope) missed(m miss) {
	if !s.hasMiss {
		s.miss, s.hasMiss = m, true
	}
}
