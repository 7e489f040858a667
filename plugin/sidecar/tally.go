package main

import (
	"fmt"
	"io"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/workbench"
)

// A tally counts how events ended, by rule.
type tally struct {
	events int
	ended  outcomes // events, by what became of them by all rules
	rules  []mapping.RuleInfo
	counts map[string]*outcomes // rule name -> its counts
	sum    outcomes             // over the rules
}

// outcomes are counts by mapping.What.
type outcomes [4]int

func newTally(m *mapping.Mapper) *tally {
	t := &tally{rules: m.Rules(), counts: map[string]*outcomes{}}
	for _, r := range t.rules {
		t.counts[r.Name] = &outcomes{}
	}
	return t
}

func (t *tally) add(r mapping.Result) {
	t.events++
	t.ended[workbench.OutcomeOf(r)]++
	t.addForgotten(r)
}

// addForgotten adds what rules made of a key whose time was up, which is no event.
func (t *tally) addForgotten(r mapping.Result) {
	for _, o := range r.Outcomes {
		t.counts[o.Rule][o.What]++
		t.sum[o.What]++
	}
}

// failed reports whether a rule has rejected anything, or no rule has taken an event.
func (t *tally) failed() bool {
	return t.sum[mapping.Rejected] > 0 || t.ended[mapping.Mapped]+t.ended[mapping.Duplicate] < t.events
}

// print prints the heading and a line for each rule. Those without an event are there too: they are
// what one looks for.
func (t *tally) print(w io.Writer, heading string) {
	columns := []mapping.What{mapping.Mapped, mapping.Filtered, mapping.Rejected}
	if t.sum[mapping.Duplicate] > 0 {
		columns = append(columns, mapping.Duplicate)
	}
	row := func(cell func(mapping.What) any, name string) {
		for _, what := range columns {
			fmt.Fprintf(w, "%*v ", max(8, len(what.String())), cell(what))
		}
		fmt.Fprintf(w, " %s\n", name)
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	row(func(what mapping.What) any { return what }, "rule")
	for _, r := range t.rules {
		row(func(what mapping.What) any { return t.counts[r.Name][what] }, r.Name)
	}
}
