package mapping

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"time"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/topic"
	"mqtt-stomp-bridge/mapping/value"
)

// A rule is a compiled rule.
type rule struct {
	name       string
	file       string
	line       int
	pattern    *topic.Pattern
	kind       *value.Encoding
	deliver    bool // also retained messages
	each       *expression
	when       *expression
	routes     []route
	shape      *contract.Shape
	fields     []field
	dedupe     *expression   // nil: none
	window     time.Duration // of dedupe
	recipients *recipients   // who may get the outputs; nil: everybody

	// Lines of the keys, for rejections.
	eachLine, whenLine, dedupeLine int
}

// A route is a queue of a rule with its condition; nil: always.
type route struct {
	queue string
	when  *expression
	line  int
}

// A field is a field of a rule's payload.
type field struct {
	spec *contract.Field
	from valueSource
	line int
}

// A valueSource gives the value of a field; nil where there is none.
type valueSource interface {
	value(s *scope) (any, error)
	fmt.Stringer // as the rule has it
}

// A literal is a text that stands in the rule.
type literal string

func (l literal) value(*scope) (any, error) { return string(l), nil }

func (l literal) String() string { return string(l) }

func (x *expression) value(s *scope) (any, error) { return x.eval(s) }

func (x *expression) String() string { return "=" + x.text }

// A verbatim is the path of a content: what is not text is taken with the bytes that the event has for it.
type verbatim struct{ *expression }

func (x verbatim) value(s *scope) (any, error) {
	v, err := x.eval(s)
	if _, isText := v.(string); isText || v == nil || err != nil {
		return v, err
	}
	raw := s.raw
	if x.path.root == rootPayload {
		raw = s.payload.Raw
	}
	if raw == "" {
		return v, nil
	}
	if err := s.spend(len(raw) / workScan); err != nil {
		return nil, err
	}
	if raw, ok := value.RawAt(raw, x.path.steps); ok {
		return raw, nil
	}
	return v, nil
}

// A run is one rule at work on one event.
type run struct {
	*rule
	*scope
	result *Result
	trace  *[]RuleTrace // nil: not wanted
}

// run runs the rule, whose topic matches, for the event of the scope.
func (u *run) run() {
	u.begin(u.kind)
	switch size := len(u.event.Payload); {
	case u.event.Retained && !u.deliver:
		u.filtered(-1, "retained", "retained message, and the rule says retained: skip")
		return
	case !u.kind.Takes(size):
		u.filtered(-1, "payload", fmt.Sprintf("the payload is %d bytes, the rule is payload: %s", size, u.kind.Name))
		return
	}
	if u.each == nil {
		u.guard(-1, u.one)
		return
	}
	u.guard(-1, u.items)
}

// guard runs f and turns a panic in it into a rejection.
func (u *run) guard(item int, f func(item int)) {
	defer func() {
		if p := recover(); p != nil {
			u.rejected(Rejection{
				Stage: "panic", Item: item, Line: u.line, Kind: "panic",
				Reason: fmt.Sprintf("the rule panicked: %v", p), Stack: string(debug.Stack()),
			})
		}
	}()
	f(item)
}

// items runs the rule for the elements of its each.
func (u *run) items(int) {
	if !u.when.perElement() && !u.wanted(-1) {
		return
	}
	if err := u.decode(); err != nil {
		u.failed("decode", -1, u.line, err)
		return
	}
	v, err := u.each.eval(u.scope)
	list, isList := v.([]any)
	switch {
	case err != nil:
		u.failed("each", -1, u.eachLine, err)
		return
	case v == nil:
		u.failed("each", -1, u.eachLine, value.Refuse("missing", "each: %s", u.lacking()))
		return
	case !isList:
		u.failed("each", -1, u.eachLine, value.Refuse("not a list", "each: %s is %s, not a list", u.each.text, value.TypeName(v)))
		return
	case len(list) > maxItems:
		u.failed("each", -1, u.eachLine, value.Refuse("too many items", "each: %d elements; %d are the most", len(list), maxItems))
		return
	case len(list) == 0:
		u.filtered(-1, "items", "each "+u.each.text+" has no elements")
		return
	}
	u.note(-1, fmt.Sprintf("each %s: a list of %d", u.each.text, len(list)))
	raw := u.elements()
	for i, item := range list {
		u.item, u.index, u.raw = item, i, ""
		if i < len(raw) {
			u.raw = raw[i]
		}
		if err := u.spend(workItem); err != nil {
			u.giveUp(i, len(list), err)
			return
		}
		u.guard(i, u.one)
	}
}

// elements returns the texts of the elements of the each, when they stand in the payload as they are.
func (u *run) elements() []string {
	if u.each.path == nil || u.each.path.root != rootPayload || u.payload.Raw == "" {
		return nil
	}
	raw, ok := value.RawAt(u.payload.Raw, u.each.path.steps)
	if !ok {
		return nil
	}
	return value.RawElements(raw)
}

// giveUp ends an each whose work is used up: one rejection for all elements that are left.
func (u *run) giveUp(from, to int, err error) {
	u.failed("each", from, u.eachLine, value.Refuse(value.KindOf(err), "elements %d to %d were not mapped: %v", from, to-1, err))
	for i := from + 1; i < to; i++ {
		u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.name, Item: i, What: Rejected, Why: value.KindOf(err)})
	}
}

// perElement reports whether the condition is another one for each element. It may be nil.
func (x *expression) perElement() bool { return x != nil && x.perItem }

// one makes one output: of the event, or of an element of the each.
func (u *run) one(item int) {
	if (item < 0 || u.when.perElement()) && !u.wanted(item) {
		return
	}
	if err := u.decode(); err != nil {
		u.failed("decode", item, u.line, err)
		return
	}
	queue, ok := u.route(item)
	if !ok {
		return
	}
	key, err := u.dedupeKey()
	if err != nil {
		u.failed("dedupe", item, u.dedupeLine, err)
		return
	}
	p := u.shape.Make()
	who, rejection, ok := u.fill(p, queue, item)
	if !ok {
		u.rejected(rejection)
		return
	}
	u.body = p.AppendJSON(u.body[:0])
	body := bytes.Clone(u.body) // of its own size: journals keep thousands
	if err := u.spend(len(body)); err != nil {
		u.failed("fields", item, u.line, err)
		return
	}
	u.result.Outputs = append(u.result.Outputs, Output{
		Rule: u.name, Queue: queue, Key: p.Key(), Audience: who, Body: body, DedupeKey: key, DedupeWindow: u.window,
	})
	u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.name, Item: item, What: Mapped})
}

// dedupeKey returns what the event is told from others by; "" where the rule does not ask or the event has no such value.
func (u *run) dedupeKey() (string, error) {
	if u.dedupe == nil {
		return "", nil
	}
	v, err := u.dedupe.eval(u.scope)
	if v == nil || err != nil {
		return "", err
	}
	return value.Text(v)
}

// wanted evaluates when. It has ended the rule when it returns false.
func (u *run) wanted(item int) bool {
	if u.when == nil {
		return true
	}
	ok, err := u.condition(u.when)
	switch {
	case err != nil:
		u.failed("when", item, u.whenLine, err)
	case !ok:
		u.filtered(item, "when", "when "+u.when.text+" is false")
	}
	return ok
}

func (u *run) condition(x *expression) (bool, error) {
	v, err := x.eval(u.scope)
	if err != nil {
		return false, err
	}
	return truth(v)
}

// route returns the first queue whose condition holds. It has ended the rule when it returns false.
func (u *run) route(item int) (string, bool) {
	for _, r := range u.routes {
		if r.when == nil {
			return r.queue, true
		}
		ok, err := u.condition(r.when)
		if err != nil {
			u.failed("queue", item, r.line, err)
			return "", false
		}
		if ok {
			return r.queue, true
		}
	}
	u.filtered(item, "queue", "no queue's condition holds")
	return "", false
}

// fill gives the payload its fields, and the output its audience. It goes on after one that fails, so that the rejection
// holds all of them.
func (u *run) fill(p contract.Payload, queue string, item int) (audience.Audience, Rejection, bool) {
	var errs []FieldError
	fired := u.fired(item, queue)
	who, err := u.recipients.audience(u.scope)
	fired.audience(u.recipients, who, err)
	if err != nil {
		errs = append(errs, FieldError{
			Field: "audience", Source: u.recipients.String(), File: u.file, Line: u.recipients.line, Kind: value.KindOf(err), Reason: err.Error(),
		})
	}
	for i := range u.fields {
		f := &u.fields[i]
		if f.from == nil && len(errs) > 0 {
			continue // the output is lost; its stamp is not to be used up
		}
		v, err := u.field(p, f)
		fired.field(f, v, err)
		if err != nil {
			errs = append(errs, FieldError{
				Field: f.spec.Name, Source: f.text(), File: u.file, Line: f.line, Kind: value.KindOf(err), Reason: err.Error(),
			})
		}
	}
	if len(errs) == 0 {
		return who, Rejection{}, true
	}
	first := errs[0]
	return nil, Rejection{
		Stage: "fields", Queue: queue, Field: first.Field, Item: item, Line: first.Line, Kind: first.Kind,
		Reason: joinReasons(errs), Fields: errs,
	}, false
}

// field gives one field its value and returns it.
func (u *run) field(p contract.Payload, f *field) (any, error) {
	if f.from == nil {
		v := u.receipt(p, f)
		return v, f.spec.Set(p, v)
	}
	v, err := f.from.value(u.scope)
	switch {
	case err != nil:
		return nil, err
	case v == nil && f.spec.Optional:
		return nil, nil
	case v == nil:
		return nil, value.Refuse("missing", "no value: %s", u.lacking())
	}
	if text, ok := v.(string); ok {
		if err := u.spend(len(text)); err != nil {
			return nil, err
		}
	}
	return v, f.spec.Set(p, v)
}

// receipt returns the time for a field that the rule leaves to the time of receipt.
func (u *run) receipt(p contract.Payload, f *field) time.Time {
	if !f.spec.Stamped || u.event.Stamp == nil {
		return u.event.Received
	}
	return u.event.Stamp(p.Key(), u.event.Received)
}

// lacking says why the last evaluation gave nil.
func (s *scope) lacking() string {
	if s.hasMiss {
		return s.miss.String()
	}
	return "the expression gives nothing"
}

func (f *field) text() string {
	if f.from == nil {
		return ""
	}
	return f.from.String()
}

// failed ends the rule at one of its stages, or at decode when the stage was the first to look at a payload that is refused.
func (u *run) failed(stage string, item, line int, err error) {
	if r, ok := err.(*value.Refusal); ok && r.Payload {
		stage, line = "decode", u.line
	}
	u.note(item, "rejected: "+err.Error())
	u.rejected(Rejection{Stage: stage, Item: item, Line: line, Kind: value.KindOf(err), Reason: err.Error()})
}

func (u *run) rejected(r Rejection) {
	r.Rule, r.File = u.name, u.file
	u.result.Rejections = append(u.result.Rejections, r)
	u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.name, Item: r.Item, What: Rejected, Why: r.Kind})
}

func (u *run) filtered(item int, why, note string) {
	u.note(item, "no: "+note)
	u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.name, Item: item, What: Filtered, Why: why})
}
