package mapping

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"mqtt-stomp-bridge/mapping/audience"
	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/value"
)

// A run is one rule at work on one event.
type run struct {
	rule   *rule
	in     *input
	result *Result
	trace  *[]RuleTrace // nil: not wanted
	depth  int          // how many levels of each have an element
}

// run runs the rule, whose topic matches, for the event of the input.
func (u *run) run() {
	u.in.begin(u.rule)
	switch size := len(u.in.event.Payload); {
	case u.in.letter:
		u.filtered(-1, "dead letter", "a bridge's dead letter, which no rule maps")
		return
	case u.in.event.Retained && !u.rule.deliver:
		u.filtered(-1, "retained", "retained message, and the rule says retained: skip")
		return
	case !u.rule.encoding.Takes(size):
		u.filtered(-1, "payload", fmt.Sprintf("the payload is %d bytes, the rule is payload: %s", size, u.rule.encoding.Name))
		return
	}
	if u.trace != nil {
		u.in.scope.Listen()
	}
	if u.rule.each == nil {
		u.guard(-1, u.one)
	} else {
		u.guard(-1, u.each)
	}
	u.hints()
}

// guard runs f and turns a panic in it into a rejection.
func (u *run) guard(item int, f func(item int)) {
	defer func() {
		if p := recover(); p != nil {
			u.rejected(Rejection{
				Stage: "panic", Item: item, Line: u.rule.line, Kind: "panic",
				Reason: fmt.Sprintf("the rule panicked: %v", p), Stack: string(debug.Stack()),
			})
		}
	}()
	f(item)
}

// one makes one output, or only changes what is remembered: for the event, or for an element of the
// each.
func (u *run) one(item int) {
	if (item < 0 || u.rule.whenPerElement) && !u.wanted(item) {
		return
	}
	if err := u.in.read(); err != nil {
		u.failed("decode", item, u.rule.line, err)
		return
	}
	queue, ok := u.route(item)
	if !ok {
		return
	}
	key, err := u.dedupeKey()
	if err != nil {
		u.failed("dedupe", item, u.rule.dedupeLine, err)
		return
	}
	if u.repeats(key, item) {
		return
	}
	changes, ok := u.changes(item)
	if !ok {
		return
	}
	if u.rule.shape == nil {
		u.note(item, "yes")
		u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.rule.name, Item: item, What: Mapped, Silent: true})
	} else if !u.send(queue, key, item) {
		return
	}
	u.succeed(key, changes, item)
}

// send makes the output. If it returns false, it has ended the rule.
func (u *run) send(queue, key string, item int) bool {
	who, errs := u.fill(queue, item)
	if len(errs) > 0 {
		u.rejectFields(queue, item, errs)
		return false
	}
	if size, most := len(u.in.body)+messageHeaders, u.rule.maxMessage; most > 0 && size > most {
		reason := fmt.Sprintf("becomes a message of %d bytes, server.limits.message is %d", size, most)
		u.note(item, "rejected: "+reason)
		u.rejected(Rejection{Stage: "message", Queue: queue, Item: item, Line: u.rule.line, Kind: "too large", Reason: reason})
		return false
	}
	body := bytes.Clone(u.in.body) // of its own size: journals keep thousands
	if err := u.in.scope.Spend(len(body)); err != nil {
		u.failed("fields", item, u.rule.line, err)
		return false
	}
	u.result.makeRoom()
	u.result.Outputs = append(u.result.Outputs, Output{
		Rule: u.rule.name, Queue: queue, Key: u.rule.shape.Key(body), Audience: who, Body: body, DedupeKey: key, DedupeWindow: u.rule.window,
	})
	u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.rule.name, Item: item, What: Mapped})
	return true
}

// dedupeKey returns the key that repeats of the event share; "" if the rule has no dedupe, or its
// expression no value.
func (u *run) dedupeKey() (string, error) {
	if u.rule.dedupe == nil {
		return "", nil
	}
	v, err := u.rule.dedupe.Eval(&u.in.scope)
	if v == nil || err != nil {
		return "", err
	}
	key, err := value.Text(v)
	if err != nil {
		return "", err
	}
	return key, u.in.scope.Spend(len(key)) // it is hashed
}

// wanted evaluates when. If it returns false, it has ended the rule.
func (u *run) wanted(item int) bool {
	if u.rule.when == nil {
		return true
	}
	ok, err := u.rule.when.True(&u.in.scope)
	switch {
	case err != nil:
		u.failed("when", item, u.rule.whenLine, err)
	case !ok:
		u.filtered(item, "when", "when ", u.rule.when.String(), " is false")
	}
	return ok
}

// route returns the first queue whose condition holds; "" if the rule sends nothing. If it returns
// false, it has ended the rule.
func (u *run) route(item int) (string, bool) {
	if u.rule.shape == nil {
		return "", true
	}
	for _, r := range u.rule.routes {
		if r.when == nil {
			return r.queue, true
		}
		ok, err := r.when.True(&u.in.scope)
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

// fill puts the body of the output together, and finds its audience. It goes on after a field that
// fails, so that the rejection holds all of them.
func (u *run) fill(queue string, item int) (audience.Audience, []FieldError) {
	u.in.body = u.in.body[:0]
	var errs []FieldError
	fired := u.fired(item, queue)
	who, err := u.rule.recipients.audience(&u.in.scope)
	fired.audience(u.rule.recipients, who, err)
	if err != nil {
		errs = append(errs, u.fieldError("audience", u.rule.recipients.String(), u.rule.recipients.line, err))
	}
	for i := range u.rule.fields {
		f := &u.rule.fields[i]
		if f.from == nil && len(errs) > 0 {
			continue // the output is lost, and a stamp would be used up for nothing
		}
		it, err := u.field(f)
		if fired != nil {
			fired.field(f, u.in.scope.Make(it), err)
		}
		if err != nil {
			errs = append(errs, u.fieldError(f.spec.Name, f.text(), f.line, err))
		}
	}
	u.in.body = u.rule.shape.End(u.in.body)
	return who, errs
}

// rejectFields rejects an output, of which those fields have failed.
func (u *run) rejectFields(queue string, item int, errs []FieldError) {
	first := errs[0]
	u.rejected(Rejection{
		Stage: "fields", Queue: queue, Field: first.Field, Item: item, Line: first.Line, Kind: first.Kind,
		Reason: joinReasons(errs), Fields: errs,
	})
}

// fieldError is the error of a field that stands at the line.
func (u *run) fieldError(name, source string, line int, err error) FieldError {
	return FieldError{
		Field: name, Source: source, File: u.rule.file, Line: lineOf(err, line), Kind: value.KindOf(err), Reason: err.Error(),
	}
}

// lineOf returns the line of the let that the refusal comes from, or else the line given.
func lineOf(err error, line int) int {
	if r, ok := err.(*value.Refusal); ok && r.Line > 0 {
		return r.Line
	}
	return line
}

// field appends one field to the body and returns its value.
func (u *run) field(f *field) (expression.Item, error) {
	it, err := u.item(f)
	if err != nil || it.Missing() {
		return it, err
	}
	if s := u.in.scope.Span(it); s.Kind != value.KindNone {
		return it, u.appendSpan(f, it, s)
	}
	v := u.in.scope.Make(it)
	if text, ok := v.(string); ok {
		if err := u.in.scope.Spend(len(text)); err != nil {
			return it, err
		}
	}
	u.in.body, err = f.spec.Append(u.in.body, v)
	return it, err
}

// appendSpan appends one field whose value stands somewhere.
func (u *run) appendSpan(f *field, it expression.Item, s value.Span) (err error) {
	s = s.Unescaped(&u.in.text)
	if s.Text() {
		if err := u.in.scope.Spend(len(s.Bytes)); err != nil {
			return err
		}
	}
	var ok bool
	if u.in.body, ok = f.spec.AppendSpan(u.in.body, s); !ok {
		u.in.body, err = f.spec.Append(u.in.body, u.in.scope.Make(it))
	}
	return err
}

// item returns the value of a field; nothing where an optional one has none.
func (u *run) item(f *field) (expression.Item, error) {
	if f.from == nil {
		return expression.Made(u.receipt(f)), nil
	}
	it, err := f.from.item(u.in)
	if err == nil && it.Missing() && !f.spec.Optional {
		err = value.Refuse("missing", "no value: %s", u.in.scope.Missing())
	}
	return it, err
}

// receipt returns the time for a field that the rule leaves to the time of receipt.
func (u *run) receipt(f *field) time.Time {
	if !f.spec.Stamped || u.in.event.Stamp == nil {
		return u.in.event.Received
	}
	return u.in.event.Stamp(u.rule.shape.Key(u.in.body), u.in.event.Received)
}

// failed ends the rule at the stage. A refused payload is a failure of stage decode, whichever
// stage was the first to look at it.
func (u *run) failed(stage string, item, line int, err error) {
	if r, ok := err.(*value.Refusal); ok && r.Payload {
		stage, line = "decode", u.rule.line
	}
	line = lineOf(err, line)
	u.note(item, "rejected: "+err.Error())
	u.rejected(Rejection{Stage: stage, Item: item, Line: line, Kind: value.KindOf(err), Reason: err.Error()})
}

func (u *run) rejected(r Rejection) {
	r.Rule, r.File, r.Element = u.rule.name, u.rule.file, u.element()
	u.result.Rejections = append(u.result.Rejections, r)
	u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.rule.name, Item: r.Item, What: Rejected, Why: r.Kind})
}

// filtered ends the rule; the parts are those of the note.
func (u *run) filtered(item int, why string, note ...string) {
	if u.trace != nil {
		u.note(item, "no: "+strings.Join(note, ""))
	}
	u.result.Outcomes = append(u.result.Outcomes, Outcome{Rule: u.rule.name, Item: item, What: Filtered, Why: why})
}
