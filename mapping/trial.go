package mapping

import (
	"time"

	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/source"
)

// maxFired is how many keys whose time is up a Trial takes at once: a rule may renew the very key
// that it is for.
const maxFired = 10_000

// A Trial runs events one after another through the rules, as the bridge does, with a memory of its
// own. It is not safe for concurrent use.
type Trial struct {
	mapper *Mapper
	store  *memory.Store
}

// NewTrial returns a Trial that remembers nothing yet.
func (m *Mapper) NewTrial() *Trial {
	t := &Trial{mapper: m, store: memory.New()}
	t.store.Configure(m.memories)
	return t
}

// Store is what the trial remembers.
func (t *Trial) Store() *memory.Store { return t.store }

// Remember makes changes of what is remembered at the time.
func (t *Trial) Remember(changes []memory.Change, at time.Time) {
	tx := t.store.Begin(at)
	tx.Apply(changes)
	t.commit(tx)
}

// Explain runs the event as the next, and keeps what every rule did. Keys whose time was up by then
// must have been taken before, with Forgotten.
func (t *Trial) Explain(e Event) Trace {
	tx := t.store.Begin(e.Received)
	e.State = tx
	trace := t.mapper.Explain(e)
	trace.Event.State = nil
	t.commit(tx)
	return trace
}

// Forgotten runs the rules for the keys whose time is up by now, in its order: ten thousand keys at
// the most, and those that are left with the next call.
func (t *Trial) Forgotten(now time.Time) (traces []Trace) {
	for len(traces) < maxFired {
		x, ok := t.store.Due(now)
		if !ok {
			break
		}
		tx := t.store.Begin(x.At)
		tx.Expire(x)
		trace := t.mapper.ExplainForgotten(x, tx, nil)
		trace.Event.State = nil
		traces = append(traces, trace)
		t.commit(tx)
	}
	return traces
}

func (t *Trial) commit(tx *memory.Tx) {
	tx.Commit()
	for len(t.store.Evict(maxFired)) > 0 {
	}
}

// ReadMemory reads a file that says what is remembered, in YAML or JSON: values by memory and key, as
// under memory of a test. The changes are for Remember. After a mistake, which is among the problems,
// there are none.
func (m *Mapper) ReadMemory(name string, data []byte) ([]memory.Change, []source.Problem) {
	var report source.Report
	f := source.Parse(name, data, &report)
	known := map[string]*memorySection{}
	for _, s := range m.memories {
		known[s.Name] = &memorySection{Settings: s}
	}
	r := &testReader{in: &reader{file: f, report: &report}, memories: known}
	if f.Root != nil {
		r.keys.pairs = map[string]source.Pair{"memory": {Key: f.Root, Value: f.Root}}
	}
	changes := r.readMemory(nil)
	if report.Err() != nil {
		changes = nil
	}
	return changes, report.Problems()
}
