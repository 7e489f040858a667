package commit

import (
	"encoding/binary"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping"
)

// A What is what became of an event by one rule.
type What string

// The values of What.
const (
	Mapped    What = "mapped"
	Silent    What = "silent" // mapped without an output: the rule only changes what is remembered
	Filtered  What = "filtered"
	Rejected  What = "rejected" // there is a dead letter
	Duplicate What = "duplicate"
)

var whats = [...]What{Mapped, Silent, Filtered, Rejected, Duplicate}

// A NumberedEvent is an event of a Trail. The numbers are in the order in which the events were
// committed, and begin at 1.
type NumberedEvent struct {
	Number uint64 `json:"number"`
	TracedEvent
}

// A TracedEvent is what a Trail knows of an event. It holds nothing of the payload.
type TracedEvent struct {
	Time     time.Time       `json:"time"`             // when it was received
	Topic    string          `json:"topic,omitempty"`  // "": it is the end of a key of Memory
	Memory   string          `json:"memory,omitempty"` // a key of it was forgotten, since its time was up
	QoS      byte            `json:"qos"`
	Retained bool            `json:"retained,omitempty"`
	Outcomes []TracedOutcome `json:"outcomes"` // of all rules that match the topic
	More     int             `json:"more,omitempty"`
}

// A TracedOutcome is what one rule made of an event, or of one element of an each.
type TracedOutcome struct {
	Rule     string `json:"rule"`
	Element  string `json:"element,omitempty"`
	What     What   `json:"outcome"`
	Why      string `json:"why,omitempty"`
	Queue    string `json:"queue,omitempty"`    // of Mapped
	Position uint64 `json:"position,omitempty"` // of Mapped
}

// maxTraced is how many outcomes the trail keeps of one event, for each may have ten thousand.
const maxTraced = 100

// appendTraced appends the record of the event.
func (n *notedEvent) appendTraced(b []byte, entries []journal.Entry, why *reasons) []byte {
	at, topic, memory := n.at, "", ""
	flags := byte(0)
	if n.expired != nil {
		memory = n.expired.Memory
	} else {
		at, topic, flags = n.event.Received, n.event.Topic, n.event.QoS
		if n.event.Retained {
			flags |= flagRetained
		}
	}
	b = binary.AppendVarint(b, at.UnixNano())
	b = append(b, flags)
	b = appendText(appendText(b, topic), memory)
	all := len(n.result.Outcomes)
	b = binary.AppendUvarint(b, uint64(all))
	n.each(entries, func(i int, o mapping.Outcome, end end, e *journal.Entry) bool {
		if i == maxTraced {
			return false
		}
		b = append(b, end.code())
		b = appendText(appendText(b, o.Rule), n.element(o))
		b = appendText(b, n.reason(o, end, why))
		if e != nil {
			b = binary.AppendUvarint(appendText(b, e.Queue), e.Position)
		}
		return true
	})
	return b
}

const flagRetained = 1 << 7

func (b end) code() byte {
	for i, w := range whats {
		if w == b.what {
			return byte(i)
		}
	}
	panic("commit: no code for " + string(b.what))
}

// reason says why an outcome is what it is, without the payload.
func (n *notedEvent) reason(o mapping.Outcome, b end, why *reasons) string {
	switch b.what {
	case Filtered:
		if text := n.why(o); text != o.Why { // known to all detail, at debug
			return text
		}
		return why.filtered(o)
	case Rejected:
		return n.rejection(o)
	case Duplicate:
		return strings.TrimPrefix(b.text, "duplicate, ")
	}
	return ""
}

// reasons are why rules filter events.
type reasons struct {
	when map[string]string // by rule
}

// maxReason bounds the bytes of a condition in a reason.
const maxReason = 200

func newReasons(m *mapping.Mapper) *reasons {
	r := &reasons{when: map[string]string{}}
	for _, info := range m.Rules() {
		when := info.When
		if len(when) > maxReason {
			when = strings.ToValidUTF8(when[:maxReason], "") + "…"
		}
		r.when[info.Name] = "when " + when + " is false"
	}
	return r
}

// filtered says why a rule has filtered the event.
func (r *reasons) filtered(o mapping.Outcome) string {
	switch o.Why {
	case "when":
		return r.when[o.Rule]
	case "queue":
		return "no queue's condition holds"
	case "retained":
		return "a retained message, and the rule says retained: skip"
	case "payload":
		return "the payload's size is not what payload: of the rule wants"
	case "items":
		return "its each finds no element"
	case "dead letter":
		return "a bridge's dead letter, which no rule maps"
	}
	return o.Why
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A tracedReader reads a record, as appendTraced has made it.
type tracedReader struct{ rest []byte }

func decodeTraced(record []byte) (e TracedEvent) {
	r := tracedReader{record}
	at, flags := r.head()
	e = TracedEvent{Time: at.UTC(), QoS: flags &^ flagRetained, Retained: flags&flagRetained != 0}
	e.Topic, e.Memory = string(r.text()), string(r.text())
	all := int(r.number())
	for len(r.rest) > 0 {
		o := r.outcome()
		e.Outcomes = append(e.Outcomes, TracedOutcome{Rule: string(o.rule), Element: string(o.element), What: o.what, Why: string(o.why),
			Queue: string(o.queue), Position: o.position})
	}
	e.More = all - len(e.Outcomes)
	return e
}

// topicOf returns the time and the topic of a record.
func topicOf(record []byte) (at time.Time, topic []byte) {
	r := tracedReader{record}
	at, _ = r.head()
	return at, r.text()
}

// hasPosition reports whether the event of a record has become the entry at the position, or else the
// first that it has become; 0: none.
func hasPosition(record []byte, position uint64) (has bool, first uint64) {
	r := tracedReader{record}
	r.head()
	r.text()
	r.text()
	r.number()
	for len(r.rest) > 0 {
		o := r.outcome()
		if o.position == 0 {
			continue
		}
		if first == 0 {
			first = o.position
		}
		if o.position == position {
			return true, first
		}
	}
	return false, first
}

func (r *tracedReader) head() (at time.Time, flags byte) {
	nanoseconds, n := binary.Varint(r.rest)
	flags = r.rest[n]
	r.rest = r.rest[n+1:]
	return time.Unix(0, nanoseconds), flags
}

// A rawOutcome is a TracedOutcome within its record.
type rawOutcome struct {
	rule, element, why, queue []byte
	what                      What
	position                  uint64
}

func (r *tracedReader) outcome() (o rawOutcome) {
	o.what = whats[r.rest[0]]
	r.rest = r.rest[1:]
	o.rule, o.element, o.why = r.text(), r.text(), r.text()
	if o.what == Mapped {
		o.queue, o.position = r.text(), r.number()
	}
	return o
}

func (r *tracedReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.rest = r.rest[n:]
	return v
}

func (r *tracedReader) text() []byte {
	n := r.number()
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}
