package main

import (
	"fmt"
	"io"

	"mqtt-stomp-bridge/mapping"
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
	t.ended[outcomeOf(r)]++
	for _, o := range r.Outcomes {
		t.counts[o.Rule][o.What]++
		t.sum[o.What]++
	}
}

// print prints the heading and a line for each rule. Those without an event are there too: they are
// what one looks for.
func (t *tally) print(w io.Writer, heading string) {
	fmt.Fprintf(w, "\n%s\n%8s %8s %8s  rule\n", heading, mapping.Mapped, mapping.Filtered, mapping.Rejected)
	for _, r := range t.rules {
		n := t.counts[r.Name]
		fmt.Fprintf(w, "%8d %8d %8d  %s\n", n[mapping.Mapped], n[mapping.Filtered], n[mapping.Rejected], r.Name)
	}
}
