package mapping

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/instant"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/mapping/topic"
	"mqtt-stomp-bridge/mapping/value"
)

// TestKeys returns the keys of a test.
func TestKeys() []string {
	return append([]string{"name", "memory", "events", "remembers"}, eventKeys()...)
}

// EventKeys returns the keys of an event in a test of several.
func EventKeys() []string { return append([]string{"after"}, eventKeys()...) }

// eventKeys are those that a test of one event has, and every event of a test of several.
func eventKeys() []string {
	return []string{"topic", "payload", "text", "base64", "file", "user", "content_type", "qos", "retained", "received", "expect"}
}

// testReceived is the time of receipt of an event in a test that names none.
var testReceived = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (c *compiler) readTests(f *source.File, n *yaml.Node) []*test {
	if n == nil || source.Null(n) {
		return nil
	}
	if n = source.Deref(n); n.Kind != yaml.SequenceNode {
		c.report.Errorf(f, n, "begin each test with “- name: …”", "tests takes a list, not %s", source.Describe(n))
		return nil
	}
	var tests []*test
	for _, e := range n.Content {
		r := &testReader{in: &reader{file: f, report: c.report}, files: c.files, memories: c.memories, node: source.Deref(e)}
		tests = append(tests, r.read())
	}
	return tests
}

// A testReader reads one test, or one event of it.
type testReader struct {
	in       *reader
	files    files
	memories map[string]*memorySection
	node     *yaml.Node
	keys     keys
	now      time.Time // of the event before
}

func (r *testReader) read() *test {
	t := &test{file: r.in.file, node: r.node, begins: testReceived}
	r.keys = r.in.keys(r.node, "a test", TestKeys())
	if r.node.Kind != yaml.MappingNode {
		return t
	}
	if received := r.received(); !received.IsZero() {
		t.begins = received
	}
	r.now = t.begins
	t.name = r.text("name")
	if p, ok := r.keys.pairs["events"]; ok {
		r.readEvents(t, p.Value)
	} else {
		t.steps = []step{r.step("the test")}
	}
	if len(t.steps) > 0 && t.name == "" {
		t.name = t.steps[0].event.Topic
	}
	t.memory = r.readMemory(t)
	r.readRemembers(t)
	return t
}

// step reads an event; what names it.
func (r *testReader) step(what string) step {
	s := step{node: r.node, event: Event{Received: r.now}}
	e := &s.event
	e.Topic, e.ContentType = r.text("topic"), r.text("content_type")
	e.Retained = r.choice("retained", "false", "true") == "true"
	e.QoS = r.choice("qos", "0", "1", "2")[0] - '0'
	if lacking := r.keys.lacking("topic", "expect"); lacking != "" {
		hint := ""
		if lacking == "topic" && !slices.ContainsFunc(eventKeys(), func(key string) bool { return key != "expect" && r.keys.seen[key] }) {
			hint = "write topic, or after: 10m where only time passes"
		}
		r.in.errorf(r.node, hint, "%s lacks %s", what, lacking)
	}
	if strings.ContainsAny(e.Topic, "+#{") {
		r.in.errorf(r.at("topic"), "write the topic of an event, without wildcards", "%s is not a topic of an event",
			value.Quote(e.Topic))
	}
	if m := topic.CheckText(e.Topic); m != nil {
		r.in.errorAt(r.at("topic"), m.Offset, m.Width, m.Hint, "the topic %s", m.Message)
	}
	r.readPayload(e)
	r.readUser(e)
	r.readExpect(&s)
	return s
}

// at returns the node of a key, or that of the test.
func (r *testReader) at(key string) *yaml.Node {
	if p, ok := r.keys.pairs[key]; ok {
		return p.Value
	}
	return r.node
}

// text returns the text of a key; "" when it is not there.
func (r *testReader) text(key string) string {
	p, ok := r.keys.pairs[key]
	if !ok {
		return ""
	}
	if p.Value.Kind != yaml.ScalarNode {
		r.in.errorf(p.Value, "", "%s takes a text, not %s", key, source.Describe(p.Value))
	}
	return p.Value.Value
}

// choice returns the text of a key that takes one of the values; the first is the default.
func (r *testReader) choice(key string, values ...string) string {
	switch text := r.text(key); {
	case slices.Contains(values, text):
		return text
	case text != "":
		r.in.errorf(r.at(key), "", "%s is one of %s, not %q", key, strings.Join(values, ", "), text)
	}
	return values[0]
}

func (r *testReader) readUser(e *Event) {
	p, ok := r.keys.pairs["user"]
	if !ok {
		return
	}
	e.User = map[string]string{}
	for _, u := range r.in.pairs(p.Value, "user") {
		if r.in.cutOff(u) {
			continue
		}
		if u.Value.Kind != yaml.ScalarNode {
			r.in.errorf(u.Value, "", "a user property is a text, not %s", source.Describe(u.Value))
		}
		e.User[u.Key.Value] = u.Value.Value
	}
}

// received returns the time of receipt that is given; the zero time if none is.
func (r *testReader) received() time.Time {
	text := r.text("received")
	if text == "" {
		return time.Time{}
	}
	received, err := instant.Parse(text)
	if err != nil {
		r.in.errorf(r.at("received"), "write it as 2026-01-01T00:00:00Z", "received: %s is not a time", value.Quote(text))
	}
	return received
}

func (r *testReader) readExpect(s *step) {
	p, ok := r.keys.pairs["expect"]
	s.expect = p.Value
	const hint = "write a queue with its payload, filtered, remembered, or {rejected: a part of the reason}"
	switch {
	case !ok:
	case p.Value.Kind == yaml.ScalarNode && p.Value.Value == "filtered":
	case p.Value.Kind == yaml.ScalarNode && p.Value.Value == "remembered":
		s.want.remembered = true
	case p.Value.Kind != yaml.MappingNode || len(p.Value.Content) == 0:
		r.in.errorf(p.Value, hint, "expect does not take %s", source.Describe(p.Value))
	default:
		s.want.outputs = map[string][]expected{}
		for _, e := range r.in.pairs(p.Value, "expect") {
			r.readExpected(s, e)
		}
	}
}

func (r *testReader) readExpected(s *step, e source.Pair) {
	nodes := []*yaml.Node{e.Value}
	if e.Value.Kind == yaml.SequenceNode {
		nodes = e.Value.Content
	}
	if e.Key.Value == "rejected" {
		for _, n := range nodes {
			if n = source.Deref(n); n.Kind != yaml.ScalarNode || n.Value == "" {
				r.in.errorf(n, "", "rejected takes a part of the reason, not %s", source.Describe(n))
			}
			s.want.rejected = append(s.want.rejected, n.Value)
		}
		return
	}
	if !slices.Contains(contract.QueueNames(), e.Key.Value) {
		known := append(contract.QueueNames(), "rejected")
		r.in.errorf(e.Key, spelling.DidYouMean(e.Key.Value, known), "no queue %q", e.Key.Value)
		return
	}
	for _, n := range nodes {
		if n = source.Deref(n); n.Kind != yaml.MappingNode {
			r.in.errorf(n, "", "a payload of %s is an object, not %s", e.Key.Value, source.Describe(n))
			continue
		}
		s.want.outputs[e.Key.Value] = append(s.want.outputs[e.Key.Value], r.expected(n))
	}
}

// expected returns the payload that is expected, as decoded JSON, and its audience, which stands
// among the fields.
func (r *testReader) expected(n *yaml.Node) expected {
	var e expected
	fields := *n
	fields.Content = nil
	for _, p := range r.in.pairs(n, "an object") {
		if p.Key.Value != "audience" {
			fields.Content = append(fields.Content, p.Key, p.Value)
			continue
		}
		e.who = readAudience(r.in, nil, p, "").fixed
	}
	doc, err := value.DecodeJSON(bytes.TrimSpace(r.in.data(&fields)))
	if err != nil {
		r.in.errorf(n, "", "this payload %v", err)
	}
	e.body = doc.Value
	return e
}
