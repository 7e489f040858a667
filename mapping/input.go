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
	event    *Event
	key      string   // whose time is up; the event is of the value that was remembered under it
	levels   []string // of its topic
	letter   bool     // it is a dead letter
	matching []int    // indices of the topics of rules that match
	docs     map[*payload.Encoding]*decoded
	texts    value.Texts // of what has been decoded

	// Of the rule.
	rule     *rule
	captures []string
	payload  value.Document
	have     bool // payload is decoded
	lets     []letValue

	// Of the element of an each.
	elements [maxLevels]any // of each level
	at       [maxLevels]int // where they stand in their lists
	index    int            // of the innermost, among all of the event

	body []byte // of the last output; scratch
}

type decoded struct {
	value.Document
	err error
}

// see begins a new event.
func (in *input) see(e *Event) {
	in.event, in.letter = e, isDeadLetter(e)
	in.levels = topic.AppendLevels(in.levels[:0], e.Topic)
}

// capture keeps what the pattern, which matches the topic of the event, captures under the names.
func (in *input) capture(p *topic.Pattern, names []string) {
	in.captures = p.Captures(in.captures, names, in.event.Topic, in.levels)
}

// begin begins a rule, whose topic has matched.
func (in *input) begin(r *rule) {
	in.rule, in.payload, in.have = r, value.Document{}, false
	in.lets = append(in.lets[:0], make([]letValue, len(r.lets))...)
	in.index = 0
	in.forgetTexts()
	in.scope.Begin(in, &in.texts)
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
	for _, d := range in.docs {
		in.texts.Add(d.Document)
	}
}

// enter begins an element of the k-th level of the rule's each, the i-th of its list. What is
// deeper has no element until it is entered in turn.
func (in *input) enter(k, i int, element any) {
	in.elements[k], in.at[k] = element, i
	for n, l := range in.rule.lets {
		if l.depth > k {
			in.lets[n] = letValue{}
		}
	}
}

// decode decodes the payload as the rule's encoding says, once an event for all rules of that
// encoding.
func (in *input) decode() error {
	encoding := in.rule.encoding
	if in.have || encoding.Decode == nil {
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
	switch {
	case r >= rootCapture:
		return in.captures[r-rootCapture], nil
	case r >= rootLet:
		return in.let(int(r - rootLet))
	}
	return in.elements[r-rootLevel], nil
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
	if err := in.scope.Spend(len(in.payload.Raw) / workScan); err != nil {
		return "", false, err
	}
	raw, ok := value.RawAt(in.payload.Raw, p.Steps)
	return raw, ok, nil
}

// maxKept is the largest payload after which an input is reused: the engine may still hold a part
// of it.
const maxKept = 64 << 10

// release lets go of all that the input holds of its event.
func (in *input) release() {
	clear(in.docs)
	in.texts.Reset()
	clear(in.lets[:cap(in.lets)])
	in.scope.Release()
	if cap(in.body) > maxKept {
		in.body = nil
	}
	*in = input{scope: in.scope, docs: in.docs, texts: in.texts, levels: in.levels, matching: in.matching, captures: in.captures,
		body: in.body, lets: in.lets[:0]}
}
