package workbench

import (
	"encoding/json"
	"slices"
	"time"

	"mqtt-stomp-bridge/mapping"
)

// Traced is a trace for programs.
type Traced struct {
	Topic      string           `json:"topic"`
	Forgotten  *TracedKey       `json:"forgotten,omitempty"` // what it is of instead of an event
	Bytes      int              `json:"bytes"`
	Retained   bool             `json:"retained"`
	Outcome    string           `json:"outcome"` // mapped, filtered, rejected or duplicate
	Rules      []TracedRule     `json:"rules"`
	Outputs    []TracedOutput   `json:"outputs"`
	Changes    []TracedChange   `json:"changes,omitempty"`
	Rejections []TracedRejected `json:"rejections"`
}

// A TracedKey is a memory.Expired.
type TracedKey struct {
	Memory string          `json:"memory"`
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value"`
	At     time.Time       `json:"at"`
}

// A TracedRule is a mapping.RuleTrace.
type TracedRule struct {
	Rule    string        `json:"rule"`
	Item    *int          `json:"item,omitempty"`    // of an each
	Element string        `json:"element,omitempty"` // its path, where the levels of the each have names
	Queue   string        `json:"queue,omitempty"`   // absent: the rule made no output here, and note says why
	Note    string        `json:"note,omitempty"`
	Missing string        `json:"missing,omitempty"` // why a list of an each has no elements
	Fields  []TracedField `json:"fields,omitempty"`
}

// A TracedField is a mapping.FieldTrace.
type TracedField struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Value  any    `json:"value,omitempty"` // as in the body; of an audience a text
	Error  string `json:"error,omitempty"`
}

// A TracedOutput is a mapping.Output.
type TracedOutput struct {
	Rule         string          `json:"rule"`
	Queue        string          `json:"queue"`
	Body         json.RawMessage `json:"body"`
	Audience     string          `json:"audience,omitempty"` // absent: everybody
	DedupeKey    string          `json:"dedupe_key,omitempty"`
	DedupeWindow string          `json:"dedupe_window,omitempty"`
}

// A TracedChange is a mapping.Change.
type TracedChange struct {
	Rule   string          `json:"rule"`
	Memory string          `json:"memory"`
	Key    string          `json:"key"`
	Before json.RawMessage `json:"before,omitempty"` // absent: there was nothing
	After  json.RawMessage `json:"after,omitempty"`  // absent: the key is forgotten
}

// A TracedRejected is a dead letter.
type TracedRejected struct {
	Rule    string `json:"rule"`
	Stage   string `json:"stage"`
	Element string `json:"element,omitempty"` // as of a TracedRule
	Reason  string `json:"reason"`            // with the element, the field and the place
}

// TracedOf returns the document of a trace.
func TracedOf(t mapping.Trace) Traced {
	v := Traced{
		Topic: t.Event.Topic, Bytes: len(t.Event.Payload), Retained: t.Event.Retained,
		Outcome: OutcomeOf(t.Result).String(),
		Rules:   []TracedRule{}, Outputs: []TracedOutput{}, Rejections: []TracedRejected{},
	}
	if x := t.Expired; x != nil {
		v.Forgotten = &TracedKey{x.Memory, x.Key, json.RawMessage(x.Text), x.At.UTC()}
	}
	for _, r := range t.Rules {
		v.Rules = append(v.Rules, tracedRuleOf(r))
	}
	for _, o := range t.Result.Outputs {
		out := TracedOutput{Rule: o.Rule, Queue: o.Queue, Body: o.Body, DedupeKey: o.DedupeKey}
		if o.Audience != nil {
			out.Audience = o.Audience.String()
		}
		if o.DedupeKey != "" {
			out.DedupeWindow = o.DedupeWindow.String()
		}
		v.Outputs = append(v.Outputs, out)
	}
	for _, c := range t.Result.Changes {
		v.Changes = append(v.Changes, TracedChange{c.Rule, c.Memory, c.Key, json.RawMessage(c.Before), json.RawMessage(c.After)})
	}
	for _, r := range t.Result.Rejections {
		v.Rejections = append(v.Rejections, TracedRejected{r.Rule, r.Stage, r.Element, r.String()})
	}
	return v
}

func tracedRuleOf(r mapping.RuleTrace) TracedRule {
	v := TracedRule{Rule: r.Rule, Element: r.Element, Queue: r.Queue, Note: r.Note, Missing: r.Missing}
	if r.Item >= 0 {
		v.Item = &r.Item
	}
	for _, f := range r.Fields {
		field := TracedField{Name: f.Name, Source: f.Source, Error: f.Err}
		switch {
		case json.Valid([]byte(f.Value)):
			field.Value = json.RawMessage(f.Value)
		case f.Value != "" && f.Value != "(absent)":
			field.Value = f.Value
		}
		v.Fields = append(v.Fields, field)
	}
	return v
}

// OutcomeOf sums up what became of an event by all rules: one that no rule takes counts as
// filtered.
func OutcomeOf(r mapping.Result) mapping.What {
	switch {
	case len(r.Rejections) > 0:
		return mapping.Rejected
	case len(r.Outputs)+len(r.Changes) > 0:
		return mapping.Mapped
	case slices.ContainsFunc(r.Outcomes, func(o mapping.Outcome) bool { return o.What == mapping.Duplicate }):
		return mapping.Duplicate
	}
	return mapping.Filtered
}
