// Package mapping turns MQTT events into the typed payloads of the STOMP queues by rules written in
// YAML.
//
// Rules are compiled once, at load, which reports every mistake in every file that can be found
// without an event. What cannot be mapped at run time is a Rejection: no rule and no payload ends
// the process, and the work on one event is bounded. The package does no I/O. Access to the queues
// is written in the language of the rules, so it is compiled here too.
//
// The topics of rules are read in topiccompiler.go, and compared in topicoverlap.go.
//
// A payload that is JSON is read onto a tape (value.Tape), and expressions are evaluated on items
// (expression.Item): what a rule only passes on is copied from the payload into the output, without
// a value in between.
//
//	rules -> expression, contract, payload, memory, topic, source, audience; expression, contract, payload -> value
//
// Files: parse.go (what a file says), compile.go and reader.go (reading nodes), rulecompiler.go,
// encodings.go, protobuf.go, fieldcompiler.go, content.go, expressions.go, recipients.go, each.go,
// let.go (one rule), names.go and input.go (what expressions see), rule.go and run.go (one rule at
// work), memories.go, changecompiler.go, remember.go and state.go (what rules remember), mapper.go,
// filter.go and trace.go (all of them), access.go, and trial.go, ruletest.go, testreader.go,
// testsequence.go, testpayload.go and testdiff.go (the tests beside the rules).
package mapping

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/topic"
)

// A Mapper is a compiled set of rules. It is safe for concurrent use.
type Mapper struct {
	base     string
	rules    []*rule
	topics   []ruleTopic // of all rules, in their order
	index    topic.Index // of the indices in topics
	tests    []*test
	memories []memory.Settings // in the order of the files
	inputs   sync.Pool         // of *input
	engine   bool              // see input.engine: for tests
}

// A ruleTopic is one of the topics of a rule.
type ruleTopic struct {
	rule    int // its index
	pattern *topic.Pattern
}

func newMapper(base string, rules []*rule) *Mapper {
	m := &Mapper{base: base, rules: rules}
	for i, r := range rules {
		for _, p := range r.topics {
			m.index.Add(p, len(m.topics))
			m.topics = append(m.topics, ruleTopic{i, p})
		}
	}
	return m
}

// An Event is one MQTT message as the bridge received it. Map only reads it, and its Result does
// not keep any of it.
type Event struct {
	Topic       string
	Payload     []byte
	QoS         byte
	Retained    bool // a stored copy, replayed at subscribe
	ContentType string
	User        map[string]string // user properties; the last of those with the same name
	Received    time.Time

	// State is what the rules know of earlier events, and what they change. nil: they know nothing,
	// and what they would remember is only in the Result.
	State State

	// Stamp gives the timestamp of an unread count whose rule leaves it to the time of receipt. It
	// is called once for each such output that is made. nil: Received as it is.
	Stamp Stamp
}

// A Stamp returns the timestamp of a count of the conversation, for the time of receipt.
type Stamp func(conversation string, received time.Time) time.Time

// An Output is one payload for one queue.
type Output struct {
	Rule  string
	Queue string
	Key   string // conversation id of an unread count, channel id of a channel; "" for a message
	Body  []byte // JSON, fields in the order of the document

	Audience audience.Audience // who may get it; nil: everybody. Outputs may share it

	// DedupeKey identifies the event within its rule: one with the same key within DedupeWindow
	// after it is a duplicate, as the State of the event knows. "": it is never one.
	DedupeKey    string
	DedupeWindow time.Duration
}

// A Rejection is one output that could not be made, with every field that failed.
type Rejection struct {
	Rule  string
	Stage string // decode, each, when, queue, dedupe, remember, forget, fields, message or panic; the bridge adds journal: too large for it
	Queue string // of stage fields: which payload was being made
	Field string // of stage fields: the first that failed; "audience" counts as one
	Item  int    // the number of the innermost element of an each; -1: none

	// Element names the element of an each whose levels have names, by its path:
	// entry[0].changes[2]. With an Item of -1 it is that of an outer level, whose elements could not
	// be found. "": none, or the each has no names.
	Element string

	File   string
	Line   int    // of the field, of the key of the stage, or of the rule
	Kind   string // of the refusal, without any value: for logs and counters
	Reason string // the whole reason; it may quote the event
	Fields []FieldError
	Stack  string // of a panic
}

// String returns the rejection as one line.
func (r Rejection) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule %q", r.Rule)
	switch {
	case r.Element != "":
		b.WriteString(" element " + r.Element)
	case r.Item >= 0:
		fmt.Fprintf(&b, " item %d", r.Item)
	}
	if len(r.Fields) == 1 {
		fmt.Fprintf(&b, " field %s", r.Field)
	}
	fmt.Fprintf(&b, " (%s:%d): %s", r.File, r.Line, r.Reason)
	return b.String()
}

// A FieldError is one field of an output that could not be given a value.
type FieldError struct {
	Field  string // message.sender_type, or audience
	Source string // the expression or the text, as the rule has it
	File   string
	Line   int
	Kind   string // as Rejection.Kind
	Reason string // as Rejection.Reason
}

func joinReasons(errs []FieldError) string {
	if len(errs) == 1 {
		return errs[0].Reason
	}
	reasons := make([]string, len(errs))
	for i, e := range errs {
		reasons[i] = e.Field + ": " + e.Reason
	}
	return strings.Join(reasons, "; ")
}

// A What is how a rule ended for an event, or for one element of its each.
type What int

// The ends.
const (
	Mapped What = iota
	Filtered
	Rejected
	Duplicate // the State knows the key of the rule's dedupe
)

func (w What) String() string { return [...]string{"mapped", "filtered", "rejected", "duplicate"}[w] }

// An Outcome is how one rule, whose topic matched, ended for the event or for one element of its
// each.
type Outcome struct {
	Rule string
	Item int // -1: none
	What What

	// Silent says of Mapped that there is no output: the rule only remembers or forgets. The others
	// that are Mapped have one each, in their order.
	Silent bool

	Why string // of Filtered: dead letter, retained, payload, when, queue or items; of Rejected: the Kind
}

// A Result is what all matching rules made of one event, in the order of the rules. No outcome: no
// rule matched the topic.
type Result struct {
	Outputs    []Output
	Rejections []Rejection
	Outcomes   []Outcome
	Changes    []Change // of what is remembered, made in the State of the event
	DeadLetter bool     // the event is a bridge's dead letter, which every matching rule filters
}

// makeRoom makes room for the first output and its outcome, which are mostly the only ones.
func (r *Result) makeRoom() {
	if r.Outputs == nil && r.Outcomes == nil {
		room := new(struct {
			outputs  [1]Output
			outcomes [1]Outcome
		})
		r.Outputs, r.Outcomes = room.outputs[:0], room.outcomes[:0]
	}
}

// Map runs the event through every rule. It is safe for concurrent use and does not panic.
func (m *Mapper) Map(e Event) Result {
	return m.run(&e, nil, nil)
}

// A RuleInfo describes a rule for logs and status.
type RuleInfo struct {
	Name   string
	Topics []string // as the rule has them, with their {names}; none: it is for keys whose time is up
	Queues []string
	File   string
	Line   int

	When      string // its condition, as text; "": none
	Retained  bool   // it maps retained messages too
	Forgotten string // the memory for whose keys it is when their time is up; "": it is for events

	Recalls []string // the memories that it reads, each once
	Changes []string // the memories that it remembers in or forgets from, each once
}

// Rules describes the rules in the order of their files.
func (m *Mapper) Rules() []RuleInfo {
	infos := make([]RuleInfo, len(m.rules))
	for i, r := range m.rules {
		infos[i] = RuleInfo{
			Name: r.name, Topics: r.topicTexts(), File: r.file, Line: r.line, Retained: r.deliver, Forgotten: r.forgotten,
			Recalls: slices.Clone(r.recalled), Changes: r.changed(),
		}
		if r.when != nil {
			infos[i].When = r.when.String()
		}
		for _, route := range r.routes {
			infos[i].Queues = append(infos[i].Queues, route.queue)
		}
	}
	return infos
}

// own reports whether the topic is one of the bridge's own, which no rule maps.
func (m *Mapper) own(name string) bool {
	return strings.HasPrefix(name, m.base) && (len(name) == len(m.base) || name[len(m.base)] == '/')
}

// run runs the event through the rules, until stop, unless it is nil, says so before one that matches.
// A trace gets what they did.
func (m *Mapper) run(e *Event, trace *[]RuleTrace, stop func(next string) bool) (r Result) {
	if m.own(e.Topic) {
		return r
	}
	in := m.input()
	in.see(e, m.engine)
	in.result.DeadLetter = in.letter
	in.matching = m.index.Match(in.matching[:0], in.levels)
	last := -1 // the rule before
	for _, i := range in.matching {
		t := m.topics[i]
		if t.rule == last {
			continue // another of its topics has matched
		}
		if stop != nil && stop(m.rules[t.rule].name) {
			break
		}
		noteUnmatched(trace, m.rules[last+1:t.rule])
		last = t.rule
		u := run{rule: m.rules[t.rule], in: in, result: &in.result, trace: trace}
		in.capture(t.pattern, u.rule.captures)
		u.run()
	}
	noteUnmatched(trace, m.rules[last+1:])
	r = in.result
	m.release(in)
	return r
}

func (m *Mapper) input() *input {
	in, ok := m.inputs.Get().(*input)
	if !ok {
		in = &input{docs: map[*payload.Encoding]*decoded{}}
	}
	return in
}

// release takes back an input whose event has been mapped.
func (m *Mapper) release(in *input) {
	if len(in.event.Payload) <= maxKept {
		in.release()
		m.inputs.Put(in)
	}
}
