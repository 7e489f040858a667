package mapping

import (
	"strconv"
	"time"

	"mqtt-stomp-bridge/mapping/memory"
)

// A State is what rules know of earlier events. It is used by one goroutine at a time. A *memory.Tx
// is one.
type State interface {
	// Recall returns the JSON text that is remembered under the key of the memory; ok tells that
	// there is something.
	Recall(memory, key string) (text string, ok bool)
	// Repeats reports whether the rule has had the key of its dedupe within the window before.
	Repeats(rule, key string, window time.Duration) bool
	// Apply makes the changes of a rule that has succeeded. The next Recall sees them.
	Apply([]memory.Change)
	// Note begins a window for the key of the dedupe of a rule that has succeeded.
	Note(rule, key string, window time.Duration)
}

// A Change is what a rule has remembered or forgotten.
type Change struct {
	Rule   string
	Item   int // -1: none
	Memory string
	Key    string
	Before string // the JSON text of the value before; "": there was none, or it is not known: Map does not look
	After  string // of the value that is remembered; "" if the key is forgotten
	Forget bool
}

// String returns the change as one line, with long values cut short.
func (c Change) String() string {
	where := c.Memory + "[" + shortened(strconv.Quote(c.Key)) + "]"
	switch {
	case c.Forget && c.Before == "":
		return "forgets " + where
	case c.Forget:
		return "forgets " + where + ": " + shortened(c.Before)
	case c.Before == "":
		return "remembers " + where + ": " + shortened(c.After)
	}
	return "remembers " + where + ": " + shortened(c.Before) + " -> " + shortened(c.After)
}

// Memories returns the settings of the memories, in the order of the files.
func (m *Mapper) Memories() []memory.Settings { return m.memories }

// Forgotten runs the rules that are for keys of the memory whose time is up, as Map does for an
// event with that State and Stamp. The key must be gone from the state.
func (m *Mapper) Forgotten(x memory.Expired, state State, stamp Stamp) Result {
	return m.runForgotten(x, &Event{State: state, Stamp: stamp}, nil)
}

// ExplainForgotten is Forgotten, and keeps what every rule did.
func (m *Mapper) ExplainForgotten(x memory.Expired, state State, stamp Stamp) Trace {
	t := Trace{Event: Event{Received: x.At, State: state, Stamp: stamp}, Expired: &x}
	e := t.Event
	t.Result = m.runForgotten(x, &e, &t.Rules)
	return t
}

func (m *Mapper) runForgotten(x memory.Expired, e *Event, trace *[]RuleTrace) (r Result) {
	e.Payload, e.Received = []byte(x.Text), x.At
	in := m.input()
	in.see(e, m.engine)
	in.key = x.Key
	for _, rule := range m.rules {
		if rule.forgotten != x.Memory {
			continue
		}
		u := run{rule: rule, in: in, result: &in.result, trace: trace}
		u.run()
	}
	r = in.result
	m.release(in)
	return r
}

// repeats reports whether the event is a duplicate, which then has ended the rule.
func (u *run) repeats(key string, item int) bool {
	state := u.in.event.State
	if key == "" || state == nil || !state.Repeats(u.rule.name, key, u.rule.window) {
		return false
	}
	u.note(item, "no: a duplicate, the key of its dedupe came less than "+inHours(u.rule.window)+" before")
	u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.rule.name, Item: item, What: Duplicate})
	return true
}

// succeed makes what the rule changes known to the rules that come next, and to itself for the next
// element.
func (u *run) succeed(key string, changes []memory.Change, item int) {
	state := u.in.event.State
	if key != "" && state != nil {
		state.Note(u.rule.name, key, u.rule.window)
	}
	if len(changes) == 0 {
		return
	}
	for _, c := range changes {
		change := Change{Rule: u.rule.name, Item: item, Memory: c.Memory, Key: c.Key, After: c.Text, Forget: c.Forget}
		if u.trace != nil && state != nil {
			change.Before, _ = state.Recall(c.Memory, c.Key)
		}
		u.result.Changes = append(u.result.Changes, change)
	}
	if state != nil {
		state.Apply(changes)
		u.in.remembered()
	}
}
