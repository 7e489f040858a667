package expression

import (
	"encoding/json"

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
	workCall  = 10 // a call of a function or an operator
	workVisit = 32 // one element that an expression looks at
	workMatch = 8  // one byte that a regular expression reads
	readText  = 16 // bytes of text that are compared or hashed for one unit
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
	inner   []*vm.VM // for evaluations within others, by how deep
	depth   int      // of the evaluation that is going on

	data   Data
	texts  *value.Texts // of JSON that has been decoded for the event
	items  Items        // nil: the engine evaluates everything
	tape   *value.Tape  // of items
	taped  Root         // whose value may be the Root of the tape
	onTape bool         // it is known to be
	engine bool         // it does all the same
	args   []any        // of the calls that are going on outside of the engine
	work   int          // what is left of maxWork

	why Reason // of the last evaluation

	listening bool
	hints     []string // of what listening has found since Begin
}

// A Reason is why an evaluation gave nil. The zero value knows none.
type Reason struct {
	miss  miss
	known bool
}

// Begin begins a rule: its expressions see the data, and it may do all the work that a rule may do.
// The texts, which may be nil, keep the bytes of JSON as they came; the scope adds what its
// expressions decode.
func (s *Scope) Begin(data Data, texts *value.Texts) {
	s.data, s.texts, s.work, s.why.known = data, texts, maxWork, false
	s.listening, s.hints = false, nil
	s.items, s.tape, s.engine, s.onTape = nil, nil, false, false
}

// JSON returns the JSON text of v: as it came, where it came as JSON. It spends the work of finding
// that text, but not what it returns.
func (s *Scope) JSON(v any) (string, error) {
	if err := s.readTexts(v); err != nil {
		return "", err
	}
	if text, ok := s.texts.Of(v); ok {
		return text, nil
	}
	b, err := s.texts.AppendJSON(nil, v)
	return string(b), err
}

// AppendJSON appends what JSON returns.
func (s *Scope) AppendJSON(b []byte, v any) ([]byte, error) {
	if err := s.readTexts(v); err != nil {
		return b, err
	}
	return s.texts.AppendJSON(b, v)
}

// AppendItem appends the JSON text of the item.
func (s *Scope) AppendItem(b []byte, it Item) ([]byte, error) {
	if it.place == placeMade {
		return s.AppendJSON(b, it.made)
	}
	if len(b) > value.MaxText {
		return b, value.Refuse("too large", "the JSON text is longer than %d bytes", value.MaxText)
	}
	return s.Span(it).AppendJSON(b), nil
}

// readTexts spends what it takes to find the text of v.
func (s *Scope) readTexts(v any) error {
	if !nested(v) {
		return nil
	}
	return s.Spend(s.texts.Unread())
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

// spendCall spends what every call costs: more where its arguments are long, since it reads, compares
// or hashes them. What it does beyond that with them, and with what is in lists, it spends itself.
func (s *Scope) spendCall(args []any) error {
	n := workCall
	for _, v := range args {
		n += reading(v)
	}
	return s.Spend(n)
}

// spendVisit spends what it takes to look at the elements of a list, and to read their texts and
// numbers.
func (s *Scope) spendVisit(list []any) error {
	n := workVisit * len(list)
	for _, v := range list {
		n += reading(v)
	}
	return s.Spend(n)
}

func reading(v any) int {
	switch v := v.(type) {
	case string:
		return len(v) / readText
	case value.Bytes:
		return len(v) / readText
	case json.Number:
		return len(v)
	}
	return 0
}

// Missing says why the last evaluation gave nil.
func (s *Scope) Missing() string {
	if s.why.known {
		return s.reason()
	}
	return "the expression gives nothing"
}

// reason says what is known of why.
func (s *Scope) reason() string {
	m := s.why.miss
	if m.taped {
		m.at = s.MakeNode(m.node).Value
	}
	return m.String()
}

// Inner evaluates x as Item does, but for the Data's Value or Item while another evaluation is going
// on, which it does not disturb. It also returns why there is no value.
func (s *Scope) Inner(x *Expression) (it Item, why Reason, err error) {
	outer := s.why
	s.depth++
	defer func() { // also of a panic
		s.depth--
		why, s.why = s.why, outer
	}()
	it, err = x.Item(s)
	return it, Reason{}, err
}

// Because tells, while the Data is asked, why it will return nothing. Without it the reason is
// that the root is null.
func (s *Scope) Because(why Reason) {
	if why.known {
		s.missed(why.miss)
	}
}

// vm returns the machine for the evaluation that is going on.
func (s *Scope) vm() *vm.VM {
	if s.depth == 0 {
		return &s.machine
	}
	for len(s.inner) < s.depth {
		s.inner = append(s.inner, new(vm.VM))
	}
	return s.inner[s.depth-1]
}

// Release drops everything that the scope holds of its event. The scope can begin again.
func (s *Scope) Release() {
	clearMachine(&s.machine)
	for _, m := range s.inner {
		clearMachine(m)
	}
	s.data, s.items, s.texts, s.tape, s.why, s.hints = nil, nil, nil, nil, Reason{}, nil
}

func clearMachine(m *vm.VM) {
	clear(m.Stack[:cap(m.Stack)])
	clear(m.Variables)
}

// missed keeps the first miss of an evaluation, which is the reason if the result is nil.
func (s *Scope) missed(m miss) {
	if !s.why.known {
		s.why = Reason{m, true}
	}
}
