package mapping

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/value"
)

// readEvents reads the events of a test of several.
func (r *testReader) readEvents(t *test, n *yaml.Node) {
	for _, key := range eventKeys() {
		if p, ok := r.keys.pairs[key]; ok && key != "received" {
			r.in.errorf(p.Key, "write it in one of the events", "a test is one event or has events: %s belongs to an event", key)
		}
	}
	const hint = "begin each event with “- topic: …”"
	switch n = source.Deref(n); {
	case n.Kind != yaml.SequenceNode:
		r.in.errorf(n, hint, "events takes a list, not %s", source.Describe(n))
		return
	case len(n.Content) == 0:
		r.in.errorf(n, hint, "the test has no event")
	}
	for _, e := range n.Content {
		one := &testReader{in: r.in, files: r.files, node: source.Deref(e), now: r.now}
		one.keys = one.in.keys(one.node, "an event", EventKeys())
		if one.node.Kind != yaml.MappingNode {
			continue
		}
		one.readTime()
		t.steps = append(t.steps, one.nextStep())
		r.now = one.now
	}
}

// nextStep reads an event, or that only time passes.
func (r *testReader) nextStep() step {
	if _, after := r.keys.pairs["after"]; !after || slices.ContainsFunc(eventKeys(), func(key string) bool { return key != "expect" && r.keys.seen[key] }) {
		return r.step("the event")
	}
	s := step{node: r.node, waits: true, event: Event{Received: r.now}}
	r.readExpect(&s)
	return s
}

// readTime reads when the event comes: some time after the one before it, or at a time.
func (r *testReader) readTime() {
	after, hasAfter := r.keys.pairs["after"]
	received := r.received()
	switch {
	case hasAfter && !received.IsZero():
		r.in.errorf(after.Key, "write one of the two", "an event has after or received, not both")
	case hasAfter:
		r.now = r.now.Add(r.in.duration(after.Value, "after", time.Millisecond, maxFor))
	case received.IsZero():
	case received.Before(r.now):
		r.in.errorf(r.at("received"), "the first event, or the received of the test, says when it begins",
			"this event comes before the one above it, or before the test, at %s", r.now.UTC().Format(time.RFC3339))
	default:
		r.now = received
	}
}

// readMemory reads what is remembered at the beginning of the test.
func (r *testReader) readMemory(t *test) (changes []memory.Change) {
	r.eachValue("memory", func(name, key string, n *yaml.Node) {
		text := string(bytes.TrimSpace(r.in.data(n)))
		err := value.CheckDepth(text)
		switch {
		case err != nil:
			r.in.errorf(n, "", "this value %v", err)
		case len(key) > memory.MaxKey || len(text) > memory.MaxValue:
			r.in.errorf(n, "", "a key is at most %d bytes, the JSON text of a value at most %d", memory.MaxKey, memory.MaxValue)
		}
		changes = append(changes, memory.Change{Memory: name, Key: key, Text: text})
	})
	return changes
}

// readRemembers reads what is to be remembered at the end of the test.
func (r *testReader) readRemembers(t *test) {
	r.eachValue("remembers", func(name, key string, n *yaml.Node) {
		doc, err := value.DecodeJSON(bytes.TrimSpace(r.in.data(n)))
		if err != nil {
			r.in.errorf(n, "", "this value %v", err)
		}
		t.remembers[name][key] = doc.Value
	}, func(name string) {
		if t.remembers == nil {
			t.remembers = map[string]map[string]any{}
		}
		t.remembers[name] = map[string]any{}
	})
}

// eachValue calls read for every value that stands below a memory and a key, and before them begin,
// where there is one, for the memory.
func (r *testReader) eachValue(key string, read func(memory, key string, n *yaml.Node), begin ...func(memory string)) {
	p, ok := r.keys.pairs[key]
	if !ok {
		return
	}
	for _, m := range r.in.pairs(p.Value, key) {
		name := m.Key.Value
		if r.memories[name] == nil {
			known := slices.Sorted(maps.Keys(r.memories))
			r.in.errorf(m.Key, spelling.DidYouMean(name, known), "no memory %s", value.Quote(name))
			continue
		}
		for _, f := range begin {
			f(name)
		}
		for _, v := range r.in.pairs(m.Value, key+" "+name) {
			switch {
			case r.in.empty(v, true):
			case source.Null(v.Value):
				r.in.errorf(v.Value, "leave the key out: a memory has no key without a value", "%s %s: %s has no value", key, name, value.Quote(v.Key.Value))
			default:
				read(name, v.Key.Value, v.Value)
			}
		}
	}
}

// memoryDiff returns in what the memories that the test names differ at its end.
func (t *test) memoryDiff(store *memory.Store) string {
	var d differ
	for _, name := range slices.Sorted(maps.Keys(t.remembers)) {
		var keys differ
		keys.values("", map[string]any(t.remembers[name]), heldBy(store, name))
		if keys.Len() > 0 {
			d.WriteString("  memory " + name + " at the end\n" + keys.String())
		}
	}
	return d.String()
}

// heldBy returns all that a memory holds, as decoded JSON by key.
func heldBy(store *memory.Store, name string) map[string]any {
	all := map[string]any{}
	for from := ""; ; {
		page := store.Page(name, from, 1000)
		if len(page) == 0 {
			return all
		}
		for _, k := range page {
			doc, _ := value.DecodeJSON([]byte(k.Text)) // our own
			all[k.Key] = doc.Value
		}
		from = page[len(page)-1].Key + "\x00"
	}
}
