package workbench

import (
	"context"
	"fmt"
	"time"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// An Attempt is an event to try on edited files.
type Attempt struct {
	Files []File `json:"files"`
	Event Event  `json:"event"`
	Tests bool   `json:"tests"` // run those beside the rules too
	Test  bool   `json:"test"`  // make a test of it
}

// Around is what an event is tried in.
type Around struct {
	Rules  *mapping.Mapper // in force, to compare with; nil: none
	Memory *memory.Store   // what is remembered; nil: nothing. It is only read
}

// Tried is what the edited rules make of an event, beside what those in force make of it.
type Tried struct {
	Checked                // with tests if they are asked for
	Trace    *Traced       `json:"trace,omitempty"`    // absent: a mistake keeps the rules from being tried
	InForce  *Traced       `json:"in_force,omitempty"` // the trace by the rules in force
	Compared []Compared    `json:"compared,omitempty"` // the outputs of both
	Recalled []RecalledKey `json:"recalled,omitempty"` // what the edited rules have looked up

	Test     string `json:"test,omitempty"`      // an entry of tests, which passes
	TestNote string `json:"test_note,omitempty"` // why there is none
}

// tryTime bounds what the rules take for one event: each may work for long, and there may be many.
const tryTime = 5 * time.Second

// Try tries the event until ctx is done. An error tells that there is no such file, what the event
// lacks, or which rule was the last when the time was up.
func (s Source) Try(ctx context.Context, a Attempt, around Around) (Tried, error) {
	e, err := a.Event.event()
	if err != nil {
		return Tried{}, err
	}
	edited, err := s.edited(a.Files)
	if err != nil {
		return Tried{}, err
	}
	t := Tried{Checked: s.checked(edited)}
	if edited.Mapper == nil {
		return t, nil
	}
	if a.Tests {
		s.runTests(ctx, edited, &t.Checked)
	}
	state := newRecaller(around.Memory)
	ctx, cancel := context.WithTimeoutCause(ctx, tryTime, fmt.Errorf("the rules take more than %s for this event", tryTime))
	defer cancel()
	trace, err := explain(ctx, edited.Mapper, e, state)
	if err != nil {
		return Tried{}, fmt.Errorf("trying the event: %w", err)
	}
	traced := TracedOf(trace)
	t.Trace, t.Rules, t.Recalled = &traced, len(edited.Mapper.Rules()), state.recalled
	if around.Rules != nil {
		trace, err := explain(ctx, around.Rules, e, newRecaller(around.Memory))
		if err != nil {
			return Tried{}, fmt.Errorf("trying the event on the rules in force: %w", err)
		}
		now := TracedOf(trace)
		t.InForce, t.Compared = &now, compare(now.Outputs, traced.Outputs)
	}
	if a.Test {
		t.Test, t.TestNote = s.test(ctx, a.Files, e, trace, state.recalled)
	}
	return t, nil
}

func explain(ctx context.Context, m *mapping.Mapper, e mapping.Event, state mapping.State) (mapping.Trace, error) {
	e.State = state
	return m.ExplainContext(ctx, e)
}
