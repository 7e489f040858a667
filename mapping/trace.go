package mapping

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/value"
)

// A Trace tells how each rule came to its end for one event.
type Trace struct {
	Event   Event
	Expired *memory.Expired // what it is of instead: a key whose time is up
	Rules   []RuleTrace
	Result  Result
}

// A RuleTrace is one step of a rule: why it did not fire, how many elements its each has, or the
// fields of an output.
type RuleTrace struct {
	Rule    string
	Item    int    // -1: none
	Element string // as of a Rejection
	Queue   string // "": the rule made no output here
	Note    string // without a Queue: "no: …" with the reason, or "hint: …"; it does not quote the event
	Missing string // of a Note that says that there are no elements: why; it may quote the event
	Fields  []FieldTrace
}

// A FieldTrace is a field with where its value comes from.
type FieldTrace struct {
	Name   string // audience, where the rule has one, comes first
	Source string // the expression as =…, (text), or (time of receipt)
	Value  string // as in the body, JSON; of audience its members
	Err    string // why there is no value
}

// Explain runs the event as Map does and keeps what every rule did. Leave its Stamp nil where
// nothing is sent, so that no timestamp is used up.
func (m *Mapper) Explain(e Event) Trace {
	t := Trace{Event: e}
	t.Result = m.run(&e, &t.Rules, nil)
	return t
}

// ExplainContext is Explain, and begins with no further rule when ctx is done. Then its error tells
// which rule was the last, and wraps why ctx is done.
func (m *Mapper) ExplainContext(ctx context.Context, e Event) (Trace, error) {
	t, last, stopped := Trace{Event: e}, "", false
	t.Result = m.run(&e, &t.Rules, func(next string) bool {
		if stopped = ctx.Err() != nil; !stopped {
			last = next
		}
		return stopped
	})
	switch {
	case !stopped:
		return t, nil
	case last == "":
		return Trace{}, fmt.Errorf("stopped before the first rule: %w", context.Cause(ctx))
	}
	return Trace{}, fmt.Errorf("stopped after rule %q: %w", last, context.Cause(ctx))
}

// noteUnmatched adds to the trace, where there is one, that the topic matches none of the rules,
// of those that are for events.
func noteUnmatched(trace *[]RuleTrace, rules []*rule) {
	if trace == nil {
		return
	}
	for _, r := range rules {
		if r.forgotten != "" {
			continue
		}
		note := "no: the topic does not match " + strings.Join(r.topicTexts(), ", ")
		*trace = append(*trace, RuleTrace{Rule: r.name, Item: -1, Note: note})
	}
}

func (u *run) note(item int, note string) {
	if u.trace != nil {
		*u.trace = append(*u.trace, RuleTrace{Rule: u.rule.name, Item: item, Element: u.element(), Note: note})
	}
}

// hints adds what the rule's comparisons have to say.
func (u *run) hints() {
	if u.trace == nil {
		return
	}
	for _, hint := range u.in.scope.Hints() {
		*u.trace = append(*u.trace, RuleTrace{Rule: u.rule.name, Item: -1, Note: "hint: " + hint})
	}
}

// fired adds an output to the trace and returns it; nil when there is no trace.
func (u *run) fired(item int, queue string) *RuleTrace {
	if u.trace == nil {
		return nil
	}
	*u.trace = append(*u.trace, RuleTrace{Rule: u.rule.name, Item: item, Element: u.element(), Queue: queue})
	return &(*u.trace)[len(*u.trace)-1]
}

// field adds a field.
func (t *RuleTrace) field(f *field, v any, err error) {
	ft := FieldTrace{Name: f.spec.Name}
	switch f.from.(type) {
	case nil:
		ft.Source = "(time of receipt)"
	case literal:
		ft.Source = "(text)"
	default:
		ft.Source = f.from.String()
	}
	switch {
	case err != nil:
		ft.Err = err.Error()
	case v == nil:
		ft.Value = "(absent)"
	default:
		b, _ := f.spec.Target.Convert(nil, v)
		ft.Value = string(b)
	}
	t.Fields = append(t.Fields, ft)
}

// audience adds who may get the output, where the rule says so. t may be nil.
func (t *RuleTrace) audience(r *recipients, who audience.Audience, err error) {
	if t == nil || r == nil {
		return
	}
	ft := FieldTrace{Name: "audience", Source: r.String(), Value: who.String()}
	if err != nil {
		ft.Value, ft.Err = "", err.Error()
	}
	t.Fields = append(t.Fields, ft)
}

// Format writes the trace for people: the event, each rule with its fields or its reason, the
// bodies and the dead letters.
func (t Trace) Format(w io.Writer) error {
	var b bytes.Buffer
	if x := t.Expired; x != nil {
		fmt.Fprintf(&b, "memory.%s[%s]  its time was up at %s\n", x.Memory, shortened(strconv.Quote(x.Key)), x.At.UTC().Format(value.TimeLayout))
	} else {
		fmt.Fprintf(&b, "%s  %d bytes retained=%t\n", t.Event.Topic, len(t.Event.Payload), t.Event.Retained)
	}
	names := 0
	for _, r := range t.Rules {
		names = max(names, utf8.RuneCountInString(strconv.Quote(r.Rule)))
	}
	for _, r := range t.Rules {
		note := r.Note
		if r.Queue != "" {
			note = r.verdict()
		}
		if r.Missing != "" {
			note += ": " + r.Missing
		}
		if r.Element != "" {
			note = r.Element + ": " + note
		} else if r.Item >= 0 {
			note = fmt.Sprintf("item %d: %s", r.Item, note)
		}
		fmt.Fprintf(&b, "  rule %-*s  %s\n", names, strconv.Quote(r.Rule), note)
		for _, f := range r.Fields {
			f.format(&b)
		}
	}
	for _, o := range t.Result.Outputs {
		fmt.Fprintf(&b, "  -> %s", o.Queue)
		if o.Audience != nil {
			fmt.Fprintf(&b, "  only for %s", shortened(o.Audience.String()))
		}
		if o.DedupeKey != "" {
			fmt.Fprintf(&b, "  once in %s for key %s", o.DedupeWindow, shortened(strconv.Quote(o.DedupeKey)))
		}
		fmt.Fprintf(&b, "\n     %s\n", o.Body)
	}
	for _, c := range t.Result.Changes {
		fmt.Fprintf(&b, "  -> %s\n", c)
	}
	for _, r := range t.Result.Rejections {
		r.format(&b)
	}
	if len(t.Result.Outputs)+len(t.Result.Changes)+len(t.Result.Rejections) == 0 {
		b.WriteString("  -> nothing\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (t RuleTrace) verdict() string {
	for _, f := range t.Fields {
		if f.Err != "" {
			return "rejected"
		}
	}
	return "yes"
}

func (f FieldTrace) format(b *bytes.Buffer) {
	if f.Err != "" {
		fmt.Fprintf(b, "      %-24s FAIL %s\n", f.Name, f.Err)
		return
	}
	fmt.Fprintf(b, "      %-24s %-45s %s\n", f.Name, f.Source, shortened(f.Value))
}

func shortened(text string) string {
	const most = 120
	if utf8.RuneCountInString(text) > most {
		return string([]rune(text)[:most]) + "…"
	}
	return text
}

// format writes a dead letter, one line a field.
func (r Rejection) format(b *bytes.Buffer) {
	if len(r.Fields) == 0 {
		fmt.Fprintf(b, "  -> dead letter: %s\n", r)
	}
	for _, f := range r.Fields {
		one := r
		one.Field, one.Line, one.Reason, one.Fields = f.Field, f.Line, f.Reason, []FieldError{f}
		fmt.Fprintf(b, "  -> dead letter: %s\n", one)
	}
}
