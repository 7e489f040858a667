package mapping

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/value"
)

// A TestResult is the result of one of the tests beside the rules.
type TestResult struct {
	Name    string
	File    string
	Line    int
	Problem *source.Problem // nil: passed
	Diff    string          // what differs, line by line; "" when passed
}

// Test runs the tests through the code that Map runs.
func (m *Mapper) Test() []TestResult { return slices.Collect(m.TestSeq()) }

// TestSeq runs the tests as Test does, each of them when its result is asked for.
func (m *Mapper) TestSeq() iter.Seq[TestResult] {
	return func(yield func(TestResult) bool) {
		for _, t := range m.tests {
			if !yield(t.run(m)) {
				return
			}
		}
	}
}

// TestsIn is TestSeq for the tests in the file of that name.
func (m *Mapper) TestsIn(file string) iter.Seq[TestResult] {
	return func(yield func(TestResult) bool) {
		for _, t := range m.tests {
			if t.file.Name == file && !yield(t.run(m)) {
				return
			}
		}
	}
}

// Tests returns how many tests there are.
func (m *Mapper) Tests() int { return len(m.tests) }

// A test is one event after another, with what the rules should make of each.
type test struct {
	name   string
	file   *source.File
	node   *yaml.Node // its place
	begins time.Time
	memory []memory.Change // at its beginning
	steps  []step

	remembers map[string]map[string]any // what memories should hold at its end, as decoded JSON by memory and key
}

// A step is an event with what should come of it, and of keys whose time is up by then.
type step struct {
	node  *yaml.Node
	event Event
	waits bool // there is no event: time passes

	expect *yaml.Node // what it expects, as written; nil: nothing
	want   expectation
}

// An expectation is everything that should come of a step; nothing at all means filtered.
type expectation struct {
	outputs    map[string][]expected // by queue
	rejected   []string              // a part of the reason of each rejection
	remembered bool                  // something, and there are neither outputs nor rejections
}

// An expected is one output of an event.
type expected struct {
	body any               // decoded
	who  audience.Audience // nil in what is wanted: any
}

// A stepResult is what came of a step: of keys whose time was up, then of the event.
type stepResult struct {
	Result
	rules []RuleTrace
}

func (t *test) run(m *Mapper) TestResult {
	r := TestResult{Name: t.name, File: t.file.Name, Line: t.node.Line}
	trial := m.NewTrial()
	results := t.results(trial)
	at := t.node // of the first that differs
	for i, s := range t.steps {
		d := s.want.diff(results[i])
		if d == "" {
			continue
		}
		if len(t.steps) > 1 {
			if r.Diff == "" {
				at = s.node
			}
			r.Diff += fmt.Sprintf("  event %d, line %d\n", i+1, s.node.Line)
		}
		r.Diff += d
	}
	r.Diff += t.memoryDiff(trial.Store())
	if r.Diff != "" {
		var report source.Report
		report.Errorf(t.file, at, "", "test %q fails", t.name)
		r.Problem = &report.Problems()[0]
	}
	return r
}

// results runs the steps.
func (t *test) results(trial *Trial) []stepResult {
	trial.Remember(t.memory, t.begins)
	results := make([]stepResult, len(t.steps))
	for i, s := range t.steps {
		traces := trial.Forgotten(s.event.Received)
		if !s.waits {
			traces = append(traces, trial.Explain(s.event))
		}
		for _, trace := range traces {
			results[i].add(trace)
		}
	}
	return results
}

func (r *stepResult) add(t Trace) {
	r.Outputs = append(r.Outputs, t.Result.Outputs...)
	r.Rejections = append(r.Rejections, t.Result.Rejections...)
	r.Changes = append(r.Changes, t.Result.Changes...)
	r.rules = append(r.rules, t.Rules...)
}

// diff returns what is not as expected; "" if everything is.
func (x expectation) diff(r stepResult) string {
	var d differ
	got := map[string][]expected{}
	for _, o := range r.Outputs {
		doc, _ := value.DecodeJSON(o.Body) // our own
		got[o.Queue] = append(got[o.Queue], expected{doc.Value, o.Audience})
	}
	for _, queue := range contract.QueueNames() {
		d.outputs(queue, x.outputs[queue], got[queue])
	}
	d.rejections(x.rejected, r.Rejections)
	wanted, came := len(x.outputs)+len(x.rejected) > 0, len(r.Outputs)+len(r.Rejections) > 0
	if !wanted {
		d.changes(x.remembered, r.Changes)
	}
	if !wanted && !x.remembered && !came && len(r.Changes) > 0 {
		d.WriteString("    = write expect: remembered\n")
	}
	if d.Len() == 0 {
		return ""
	}
	nothing := !came && (wanted || len(r.Changes) == 0)
	for _, rule := range r.rules {
		if nothing || strings.HasPrefix(rule.Note, "hint: ") {
			fmt.Fprintf(&d, "  rule %q  %s\n", rule.Rule, rule.Note)
		}
		for _, c := range r.Changes {
			if nothing && c.Rule == rule.Rule && c.Item == rule.Item {
				fmt.Fprintf(&d, "    %s\n", c)
			}
		}
	}
	return d.String()
}
