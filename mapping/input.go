package mapping

import (
	"mqtt-stomp-bridge/mapping/expression"
	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/topic"
	"mqtt-stomp-bridge/mapping/value"
)

// The roots of the expressions of rules.
const (
	rootPayload expression.Root = iota
	rootIndex
	rootReceived
	rootTopic
	rootQoS
	rootRetained
	rootContentType
	rootUser
	rootKey    // of a key whose time is up
	rootMemory // of all memories

	rootLevel   = 16                    // the outermost of each; the others follow
	rootLet     = rootLevel + maxLevels // the first; the others follow
	rootCapture = rootLet + maxLets     // the topic's first; the others follow
)

// rootTable is that of all tables, which are no data of an event.
const rootTable expression.Root = -1

// elementRoots are what may differ between the elements of an each, of which one sees what the one
// before has changed in memory. Expressions may read it through lets too.
var elementRoots = expression.Range(rootLevel, maxLevels) | expression.Range(rootIndex, 1) | expression.Range(rootMemory, 1)

// The cost of operations outside of expressions, in the units of expression.Scope.Spend.
const (
	workItem   = 64 // one element of an each
	workRecall = 64 // one key that is looked up in a memory
	workChange = 64 // one that is remembered or forgotten
	workMember = 32 // one member of an audience
	workScan   = 16 // bytes of JSON text that may be searched for one unit
)

// An input is what the expressions of a rule see of an event. It is reused for the next rule and
// for other events. One goroutine at a time uses it.
type input struct {
	scope expression.Scope

	// Of the event.
	event    Event
	key      string   // whose time is up; the event is of the value that was remembered under it
	levels   []string // of its topic
	letter   bool     // it is a dead letter
	matching []int    // indices of the topics of rules that match
	docs     map[*payload.Encoding]*decoded
	texts    value.Texts // of what has been decoded
	tape     value.Tape  // of the payload, where it is JSON
	taped    reading     // whether it is
	result   Result      // so far
	engine   bool        // has every expression evaluated by the engine, and every payload decoded

	// Of the rule.
	rule     *rule
	captures []string
	captured []byte // the same, one behind the other
	payload  value.Document
	have     bool // payload is decoded
	lets     []letValue

	// Of the element of an each.
	elements [maxLevels]expression.Item // of each level
	at       [maxLevels]int             // where they stand in their lists
	deepest  int                        // how many levels have had an element
	index    int                        // of the innermost, among all of the event

	// Space.
	body  []byte // of the last output
	built []byte // of the last template
	text  []byte // of the last text that had escapes
}

type decoded struct {
	value.Document
	err error
}

// A reading says whether the payload is on the tape.
type reading int

const (
	unread reading = iota
	onTape
	notOnTape // it is refused, or for decode
)

// see begins a new event. With engine, the engine evaluates all expressions.
func (in *input) see(e *Event, engine bool) {
	in.event, in.letter, in.engine, in.taped = *e, isDeadLetter(e), engine, unread
	in.levels = topic.AppendLevels(in.levels[:0], e.Topic)
}

// capture keeps what the pattern, which matches the topic of the event, captures under the names.
func (in *input) capture(p *topic.Pattern, names []string) {
	in.captures = p.Captures(in.captures, names, in.event.Topic, in.levels)
	in.captured = in.captured[:0]
	for _, text := range in.captures {
		in.captured = append(in.captured, text...)
	}
}

// begin begins a rule, whose topic has matched.
func (in *input) begin(r *rule) {
	in.rule, in.payload, in.have = r, value.Document{}, false
	in.lets = append(in.lets[:0], make([]letValue, len(r.lets))...)
	in.index = 0
	in.forgetTexts()
	in.scope.Begin(in, &in.texts)
	if in.scope.Direct(in, &in.tape, rootPayload); in.engine {
		in.scope.UseEngine()
	}
}

// maxTexts is how much text of decoded JSON is kept from one rule to the next: more than payloads are.
const maxTexts = 4 * value.MaxPayload

// forgetTexts forgets what earlier rules have decoded beside the payload, if it is much: with a
// hundred rules that recall large values, it would add up.
func (in *input) forgetTexts() {
	if in.texts.Size() <= maxTexts {
		return
	}
	in.texts.Reset()
	in.tape.Forget()
	for _, d := range in.docs {
		in.texts.Add(d.Document)
	}
}

// enter begins an element of the k-th level of the rule's each, the i-th of its list. What is
// deeper has no element until it is entered in turn.
func (in *input) enter(k, i int, element expression.Item) {
	in.elements[k], in.at[k], in.deepest = element, i, max(in.deepest, k+1)
	for n, l := range in.rule.lets {
		if l.depth > k {
			in.lets[n] = letValue{}
		}
	}
}

// onTape reports whether the rule sees the payload on the tape, which reads it once an event.
func (in *input) onTape() bool {
	if in.engine || !in.rule.encoding.JSON {
		return false
	}
	if in.taped == unread {
		in.taped = notOnTape
		if in.tape.Read(in.event.Payload) {
			in.taped = onTape
		}
	}
	return in.taped == onTape
}

// read has the payload on the tape, or decodes it.
func (in *input) read() error {
	if in.onTape() {
		return nil
	}
	return in.decode()
}

// decode decodes the payload as the rule's encoding says, once an event for all rules of that
// encoding.
func (in *input) decode() error {
	encoding := in.rule.encoding
	if in.have || encoding.Decode == nil {
		return nil
	}
	if in.onTape() {
		in.payload, in.have = in.scope.MakeNode(value.Root), true
		return nil
	}
	d := in.docs[encoding]
	if d == nil {
		d = new(decoded)
		d.Document, d.err = encoding.Decode(in.event.Payload)
		in.docs[encoding] = d
		in.texts.Add(d.Document)
	}
	in.payload, in.have = d.Document, d.err == nil
	return d.err
}

// Value implements expression.Data.
func (in *input) Value(r expression.Root) (any, error) {
	switch r {
	case rootPayload:
		err := in.decode()
		return in.payload.Value, err
	case rootIndex:
		return in.index, nil
	case rootReceived:
		return in.event.Received, nil
	case rootTopic:
		return in.event.Topic, nil
	case rootQoS:
		return int(in.event.QoS), nil
	case rootRetained:
		return in.event.Retained, nil
	case rootContentType:
		if in.event.ContentType == "" {
			return nil, nil
		}
		return in.event.ContentType, nil
	case rootUser:
		return in.event.User, nil
	case rootKey:
		return in.key, nil
	}
	if r >= rootCapture {
		return in.captures[r-rootCapture], nil
	}
	it, err := in.Item(r)
	if err != nil {
		return nil, err
	}
	return in.scope.Make(it), nil
}

// Item implements expression.Items.
func (in *input) Item(r expression.Root) (expression.Item, error) {
	switch {
	case r >= rootCapture:
		return expression.TextAt(int(r - rootCapture)), nil
	case r >= rootLet:
		return in.let(int(r - rootLet))
	case r >= rootLevel:
		return in.elements[r-rootLevel], nil
	case r == rootPayload && in.onTape():
		return in.scope.At(value.Root), nil
	}
	v, err := in.Value(r)
	return expression.Made(v), err
}

// builtText is the text that the last template has built; the others are the captures.
const builtText = -1

// TextAt implements expression.Items.
func (in *input) TextAt(n int) []byte {
	if n == builtText {
		return in.built
	}
	start := 0
	for _, text := range in.captures[:n] {
		start += len(text)
	}
	return in.captured[start : start+len(in.captures[n])]
}

// Recall implements expression.Memory.
func (in *input) Recall(memory, key string) (any, error) {
	if err := in.scope.Spend(workRecall); err != nil || in.event.State == nil {
		return nil, err
	}
	text, ok := in.event.State.Recall(memory, key)
	if !ok {
		return nil, nil
	}
	if err := in.scope.Spend(len(text)); err != nil {
		return nil, err
	}
	d, err := value.DecodeJSON([]byte(text))
	in.texts.Add(d)
	return d.Value, err
}

// remembered forgets those lets that come of what was remembered before.
func (in *input) remembered() {
	for i, l := range in.rule.lets {
		if l.reads.Has(rootMemory) {
			in.lets[i] = letValue{}
		}
	}
}

// rawAt returns the JSON text at a path into the payload as it came; false where it is not known,
// and for a nil path. It finds one text sooner than the texts of the input, which read all of the
// payload first.
func (in *input) rawAt(p *expression.Path) (string, bool, error) {
	if p == nil || p.Root != rootPayload || in.payload.Raw == "" {
		return "", false, nil
	}
	if err := in.spendSearch(p); err != nil {
		return "", false, err
	}
	raw, ok := value.RawAt(in.payload.Raw, p.Steps)
	return raw, ok, nil
}

// spendSearch spends what it takes to find the text at a path into the payload. Where the payload is
// on the tape, that has been found already; but what a rule may do does not depend on it.
func (in *input) spendSearch(p *expression.Path) error {
	size := len(in.payload.Raw)
	switch {
	case p == nil || p.Root != rootPayload:
		return nil
	case in.onTape():
		size = len(in.tape.Span(value.Root).Bytes)
	}
	return in.scope.Spend(size / workScan)
}

// textOf returns the JSON text of what stands on the tape or in the topic: at a path into the payload
// as it came.
func (in *input) textOf(p *expression.Path, s value.Span) (string, error) {
	if p != nil && p.Root == rootPayload {
		return s.Raw(), in.spendSearch(p)
	}
	return string(s.AppendJSON(nil)), nil
}

// maxKept is the largest payload after which an input is reused: the engine may still hold a part
// of it.
const maxKept = 64 << 10

// release lets go of all that the input holds of its event.
func (in *input) release() {
	if len(in.docs) > 0 {
		clear(in.docs)
	}
	in.texts.Reset()
	in.tape.Reset()
	in.scope.Release()
	clear(in.lets[:cap(in.lets)])
	clear(in.elements[:in.deepest])
	in.event, in.result, in.payload = Event{}, Result{}, value.Document{}
	in.rule, in.key, in.index, in.deepest = nil, "", 0, 0
	in.body, in.built, in.text = kept(in.body), kept(in.built), kept(in.text)
}

// kept returns the space unless it is too much to be kept.
func kept(space []byte) []byte {
	if cap(space) > maxKept {
		return nil
	}
	return space
}
