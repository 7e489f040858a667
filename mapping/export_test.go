package mapping

import "mqtt-stomp-bridge/mapping/expression"

// UseEngine has the mapper evaluate every expression by the engine and decode every payload, which is
// slower and comes to the same.
func UseEngine(m *Mapper) { m.engine = true }

// BreakRule makes the first field of the named rule panic for items whose index is item, as a fault
// of our own would.
func BreakRule(m *Mapper, name string, item int) {
	for _, r := range m.rules {
		if r.name == name {
			f := &r.fields[0]
			f.from = broken{f.from, item}
		}
	}
}

type broken struct {
	valueSource
	index int
}

func (b broken) item(in *input) (expression.Item, error) {
	if in.index == b.index {
		panic("a value source that panics")
	}
	return b.valueSource.item(in)
}

// ResultsOfTests returns what comes of each event of the tests beside the rules.
func ResultsOfTests(m *Mapper) (results []Result) {
	for _, t := range m.tests {
		for _, r := range t.results(m.NewTrial()) {
			results = append(results, r.Result)
		}
	}
	return results
}
