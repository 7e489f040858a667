// Package mapping turns MQTT events into the typed payloads of the STOMP queues, by rules written in YAML. It does no I/O.
package mapping

import (
	"io"
	"time"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/source"
)

// DefaultBaseTopic is the base topic where Options name none.
const DefaultBaseTopic = "mqtt-stomp-bridge"

// A Source is what one YAML file says about rules. Nodes may be nil.
type Source struct {
	File   *source.File
	Tables *yaml.Node
	Rules  *yaml.Node
	Tests  *yaml.Node
}

// Options hold what rules need to know of the bridge. The zero value has the defaults.
type Options struct {
	BaseTopic string // topics at and under it never match a rule; default DefaultBaseTopic
}

// A Mapper is a compiled set of rules. It is safe for concurrent use.
type Mapper struct {
	stamp func(conversation string, received time.Time) time.Time
}

// Compile compiles the rules of all sources and reports every mistake in them. It never returns nil; the mapper must not
// be used when report.Err is not nil.
func Compile(sources []Source, opts Options, report *source.Report) *Mapper {
	return &Mapper{}
}

// An Event is one MQTT message as the bridge received it. Its Payload is only read.
type Event struct {
	Topic       string
	Payload     []byte
	QoS         byte
	Retained    bool // a stored copy, replayed at subscribe
	ContentType string
	User        map[string]string // user properties; of one that stands twice the last
	Received    time.Time
}

// An Output is one payload for one queue.
type Output struct {
	Rule  string
	Queue string
	Key   string // conversation id of an unread count, channel id of a channel; "" for a message
	Body  []byte // JSON, fields in the order of the document
}

// A FieldError is one field of an output that could not be given a value.
type FieldError struct {
	Field  string // message.sender_type
	Source string // the expression, or the text, as the rule has it
	File   string
	Line   int
	Kind   string // as Rejection.Kind
	Reason string
}

// A Rejection is one output that could not be made.
type Rejection struct {
	Rule   string
	Stage  string // decode, each, when, queue, fields, panic
	Field  string // the first failing field; "" outside fields
	Item   int    // the element of an each; -1: none
	File   string
	Line   int
	Kind   string // short type of the refusal, without any value: for logs and counters
	Reason string // the whole reason; may quote the event
	Fields []FieldError
	Stack  string // of a panic
}

// A What is how a rule ended for an event, or for one element of an each.
type What int

// The three ends.
const (
	Mapped What = iota
	Filtered
	Rejected
)

func (w What) String() string { return [...]string{"mapped", "filtered", "rejected"}[w] }

// An Outcome is how one matching rule ended for the event, or for one element of its each.
type Outcome struct {
	Rule string
	Item int // -1: none
	What What
	Why  string // of Filtered: retained, payload, when, queue, items; of Rejected: the kind
}

// A Result is what all matching rules made of one event. No outcome at all: no rule matched.
type Result struct {
	Outputs    []Output
	Rejections []Rejection
	Outcomes   []Outcome
}

// Map runs the event through every rule. It is safe for concurrent use and does not panic.
func (m *Mapper) Map(e Event) Result { return Result{} }

// A Filter is one MQTT topic filter to subscribe to.
type Filter struct {
	Topic        string
	SkipRetained bool // every rule under it skips retained messages
}

// Filters returns the fewest topic filters that together match every topic of the rules and of which no two match the same
// topic.
func (m *Mapper) Filters() []Filter { return nil }

// A RuleInfo describes a rule for logs and status.
type RuleInfo struct {
	Name   string
	Topic  string
	Queues []string
	File   string
	Line   int
}

// Rules describes the rules in the order of their files.
func (m *Mapper) Rules() []RuleInfo { return nil }

// Stamp sets the function that gives the timestamp of an unread count whose rule leaves it to the time of receipt. Call it
// before the first Map; without one the time of receipt is taken as it is.
func (m *Mapper) Stamp(f func(conversation string, received time.Time) time.Time) { m.stamp = f }

// A Trace tells how each rule came to its end for one event.
type Trace struct {
	Event  Event
	Result Result
}

// Format writes the trace for people.
func (t Trace) Format(w io.Writer) error { return nil }

// Explain runs the event as Map does and keeps what every rule did. It does not call the function given to Stamp.
func (m *Mapper) Explain(e Event) Trace { return Trace{Event: e} }

// A TestResult is the end of one of the tests that stand beside the rules.
type TestResult struct {
	Name    string
	Problem *source.Problem // nil: passed
	Diff    string          // what differs, line by line; "" when passed
}

// Test runs the tests.
func (m *Mapper) Test() []TestResult { return nil }
