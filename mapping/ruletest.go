package mapping

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/contract"
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

// Tests returns how many tests there are.
func (m *Mapper) Tests() int { return len(m.tests) }

// A test is an event with what the rules should make of it.
type test struct {
	name  string
	file  *source.File
	node  *yaml.Node // its place
	event Event

	expect *yaml.Node // what it expects, as written
	want   expectation
}

// An expectation is everything that should come of an event; nothing at all means filtered.
type expectation struct {
	outputs  map[string][]expected // by queue
	rejected []string              // a part of the reason of each rejection
}

// An expected is one output of an event.
type expected struct {
	body any               // decoded
	who  audience.Audience // nil in what is wanted: any
}

func (t *test) run(m *Mapper) TestResult {
	trace := m.Explain(t.event)
	r := TestResult{Name: t.name, File: t.file.Name, Line: t.node.Line}
	if r.Diff = t.want.diff(trace); r.Diff != "" {
		var report source.Report
		report.Errorf(t.file, t.node, "", "test %q fails", t.name)
		r.Problem = &report.Problems()[0]
	}
	return r
}

// diff returns what is not as expected; "" if everything is.
func (x expectation) diff(t Trace) string {
	var d differ
	got := map[string][]expected{}
	for _, o := range t.Result.Outputs {
		doc, _ := value.DecodeJSON(o.Body) // our own
		got[o.Queue] = append(got[o.Queue], expected{doc.Value, o.Audience})
	}
	for _, queue := range contract.QueueNames() {
		d.outputs(queue, x.outputs[queue], got[queue])
	}
	d.rejections(x.rejected, t.Result.Rejections)
	if d.Len() == 0 {
		return ""
	}
	nothing := len(t.Result.Outputs)+len(t.Result.Rejections) == 0
	for _, r := range t.Rules {
		if nothing || strings.HasPrefix(r.Note, "hint: ") {
			fmt.Fprintf(&d, "  rule %q  %s\n", r.Rule, r.Note)
		}
	}
	return d.String()
}
