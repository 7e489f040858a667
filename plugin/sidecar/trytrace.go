package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping"
)

// A traceWriter prints what the rules make of events.
type traceWriter struct {
	w      io.Writer
	format format
	style  style
}

// traces returns one that writes to w; colours are for standard output.
func (p *program) traces(f format, w io.Writer) *traceWriter {
	return &traceWriter{w: w, format: f, style: p.style(p.stdout)}
}

// event prints what the rules make of an event, which may be below the bridge's own topic.
func (t *traceWriter) event(trace mapping.Trace, base string) {
	t.trace(trace)
	if topic := trace.Event.Topic; t.format != formatJSON && (topic == base || strings.HasPrefix(topic, base+"/")) {
		fmt.Fprintf(t.w, "     %s and what is below it is the bridge's own (broker.base_topic): no rule sees it\n", base)
	}
}

// trace prints one trace. An error of the writer stays with it.
func (t *traceWriter) trace(trace mapping.Trace) {
	if t.format == formatJSON {
		e := json.NewEncoder(t.w)
		e.SetEscapeHTML(false)
		e.Encode(tracedOf(trace))
		return
	}
	var text bytes.Buffer
	trace.Format(&text)
	io.WriteString(t.w, t.style.trace(text.String()))
}

// traced is a trace for programs.
type traced struct {
	Topic      string           `json:"topic"`
	Forgotten  *tracedKey       `json:"forgotten,omitempty"` // what it is of instead of an event
	Bytes      int              `json:"bytes"`
	Retained   bool             `json:"retained"`
	Outcome    string           `json:"outcome"` // mapped, filtered, rejected or duplicate
	Rules      []tracedRule     `json:"rules"`
	Outputs    []tracedOutput   `json:"outputs"`
	Changes    []tracedChange   `json:"changes,omitempty"`
	Rejections []tracedRejected `json:"rejections"`
}

// A tracedKey is a memory.Expired.
type tracedKey struct {
	Memory string          `json:"memory"`
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value"`
	At     time.Time       `json:"at"`
}

// A tracedRule is a mapping.RuleTrace.
type tracedRule struct {
	Rule    string        `json:"rule"`
	Item    *int          `json:"item,omitempty"`    // of an each
	Element string        `json:"element,omitempty"` // its path, where the levels of the each have names
	Queue   string        `json:"queue,omitempty"`   // absent: the rule made no output here, and note says why
	Note    string        `json:"note,omitempty"`
	Missing string        `json:"missing,omitempty"` // why a list of an each has no elements
	Fields  []tracedField `json:"fields,omitempty"`
}

// A tracedField is a mapping.FieldTrace.
type tracedField struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Value  any    `json:"value,omitempty"` // as in the body; of an audience a text
	Error  string `json:"error,omitempty"`
}

type tracedOutput struct {
	Rule         string          `json:"rule"`
	Queue        string          `json:"queue"`
	Body         json.RawMessage `json:"body"`
	Audience     string          `json:"audience,omitempty"` // absent: everybody
	DedupeKey    string          `json:"dedupe_key,omitempty"`
	DedupeWindow string          `json:"dedupe_window,omitempty"`
}

// A tracedChange is a mapping.Change.
type tracedChange struct {
	Rule   string          `json:"rule"`
	Memory string          `json:"memory"`
	Key    string          `json:"key"`
	Before json.RawMessage `json:"before,omitempty"` // absent: there was nothing
	After  json.RawMessage `json:"after,omitempty"`  // absent: the key is forgotten
}

// A tracedRejected is a dead letter.
type tracedRejected struct {
	Rule    string `json:"rule"`
	Stage   string `json:"stage"`
	Element string `json:"element,omitempty"` // as of a tracedRule
	Reason  string `json:"reason"`            // with the element, the field and the place
}

func tracedOf(t mapping.Trace) traced {
	v := traced{
		Topic: t.Event.Topic, Bytes: len(t.Event.Payload), Retained: t.Event.Retained,
		Outcome: outcomeOf(t.Result).String(),
		Rules:   []tracedRule{}, Outputs: []tracedOutput{}, Rejections: []tracedRejected{},
	}
	if x := t.Expired; x != nil {
		v.Forgotten = &tracedKey{x.Memory, x.Key, json.RawMessage(x.Text), x.At.UTC()}
	}
	for _, r := range t.Rules {
		v.Rules = append(v.Rules, tracedRuleOf(r))
	}
	for _, o := range t.Result.Outputs {
		out := tracedOutput{Rule: o.Rule, Queue: o.Queue, Body: o.Body, DedupeKey: o.DedupeKey}
		if o.Audience != nil {
			out.Audience = o.Audience.String()
		}
		if o.DedupeKey != "" {
			out.DedupeWindow = o.DedupeWindow.String()
		}
		v.Outputs = append(v.Outputs, out)
	}
	for _, c := range t.Result.Changes {
		v.Changes = append(v.Changes, tracedChange{c.Rule, c.Memory, c.Key, json.RawMessage(c.Before), json.RawMessage(c.After)})
	}
	for _, r := range t.Result.Rejections {
		v.Rejections = append(v.Rejections, tracedRejected{r.Rule, r.Stage, r.Element, r.String()})
	}
	return v
}

func tracedRuleOf(r mapping.RuleTrace) tracedRule {
	v := tracedRule{Rule: r.Rule, Element: r.Element, Queue: r.Queue, Note: r.Note, Missing: r.Missing}
	if r.Item >= 0 {
		v.Item = &r.Item
	}
	for _, f := range r.Fields {
		field := tracedField{Name: f.Name, Source: f.Source, Error: f.Err}
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
