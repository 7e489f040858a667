package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/config"
)

// A trial tries events one after another, and prints what becomes of them.
type trial struct {
	rules  *mapping.Trial
	config *config.Config
	first  []memory.Change // what is remembered when the first comes; nil: it has come
	tally  *tally
	traces *traceWriter
}

func newTrial(c *config.Config, remembered []memory.Change) *trial {
	return &trial{rules: c.Mapper.NewTrial(), config: c, first: remembered, tally: newTally(c.Mapper)}
}

// readMemory reads a file of what is remembered; "" is none.
func (p *program) readMemory(c *config.Config, name string) ([]memory.Change, error) {
	if name == "" {
		return nil, nil
	}
	data, err := p.readAll(name)
	if err != nil {
		return nil, err
	}
	if name == "-" {
		name = "standard input"
	}
	changes, problems := c.Mapper.ReadMemory(name, data)
	p.printProblems(problems)
	if len(problems) > 0 {
		return nil, exit(exitFailure)
	}
	return changes, nil
}

// event tries an event.
func (t *trial) event(e mapping.Event) { t.show(t.explain(e)) }

// explain runs an event, and before it prints what becomes of the keys whose time was up.
func (t *trial) explain(e mapping.Event) mapping.Trace {
	t.pass(e.Received)
	return t.rules.Explain(e)
}

// show prints what becomes of an event.
func (t *trial) show(trace mapping.Trace) {
	t.traces.event(trace, t.config.Broker.BaseTopic)
	t.tally.add(trace.Result)
}

// pass lets time pass: it tries the keys whose time is up by now that some rule is for.
func (t *trial) pass(now time.Time) {
	t.rules.Remember(t.first, now)
	t.first = nil
	for _, trace := range t.rules.Forgotten(now) {
		if len(trace.Result.Outcomes) > 0 {
			t.traces.trace(trace)
			t.tally.addForgotten(trace.Result)
		}
	}
}

// end prints what is remembered if that is asked for.
func (t *trial) end(remembers bool) {
	if !remembers {
		return
	}
	held := map[string]map[string]json.RawMessage{}
	store := t.rules.Store()
	for _, c := range store.Counts() {
		held[c.Memory] = heldBy(store, c.Memory)
	}
	if t.traces.format == formatJSON {
		fmt.Fprintln(t.traces.w, oneLine(map[string]any{"remembers": held}))
		return
	}
	fmt.Fprintln(t.traces.w, "\nremembers:")
	for _, name := range slices.Sorted(maps.Keys(held)) {
		fmt.Fprintf(t.traces.w, "  %s: %s\n", name, oneLine(held[name]))
	}
}

// heldBy returns all values of a memory by key.
func heldBy(s *memory.Store, name string) map[string]json.RawMessage {
	const pageKeys = 10_000
	all := map[string]json.RawMessage{}
	for from := ""; ; {
		page := s.Page(name, from, pageKeys)
		if len(page) == 0 {
			return all
		}
		for _, k := range page {
			all[k.Key] = json.RawMessage(k.Text)
		}
		from = page[len(page)-1].Key + "\x00"
	}
}

// oneLine returns the JSON text of v.
func oneLine(v any) string {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.Encode(v)
	return strings.TrimSpace(text.String())
}
