package workbench

import (
	"context"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// A Report is what check has found.
type Report struct {
	OK       bool      `json:"ok"`
	Config   string    `json:"config,omitempty"` // its hash; absent when there is a mistake
	Problems []Problem `json:"problems"`         // mistakes, warnings, and tests that failed
	Rules    int       `json:"rules"`
	Tests    int       `json:"tests"`
	Failed   int       `json:"failed"`            // tests
	Updated  int       `json:"updated,omitempty"` // tests, by --update
}

// A Problem is a problem; of a test that failed with what differs, line by line.
type Problem struct {
	source.Problem
	Diff string `json:"diff,omitempty"`
}

// RunTests runs the tests beside the rules until ctx is done, and adds them to the report. step, unless
// it is nil, is called after each.
func (r *Report) RunTests(ctx context.Context, m *mapping.Mapper, step func()) {
	r.Rules = len(m.Rules())
	for t := range m.TestSeq() {
		r.Tests++
		if t.Problem != nil {
			r.OK = false
			r.Failed++
			r.Problems = append(r.Problems, Problem{*t.Problem, t.Diff})
		}
		if step != nil {
			step()
		}
		if ctx.Err() != nil {
			return
		}
	}
}
