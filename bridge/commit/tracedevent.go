package commit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/trail"
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

// A TracedEvent is what the trail knows of an event. It holds nothing of the payload.
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

// noteInTrail notes what has become of the event.
func (c *Committer) noteInTrail(n *notedEvent, entries []journal.Entry, why *reasons) {
	b := c.record[:0]
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
	c.trail.Add(b)
	c.record = b
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

// Traced yields what a Committer's trail knows of events, the oldest first. It panics where the ring
// is not a Committer's.
func Traced(r *trail.Ring) iter.Seq[TracedEvent] {
	return func(yield func(TracedEvent) bool) {
		for record := range r.All() {
			e, err := decodeTraced(record)
			if err != nil {
				panic(fmt.Sprint("commit: ", err))
			}
			if !yield(e) {
				return
			}
		}
	}
}

// A tracedReader reads a record. After what it cannot read it is broken, and gives zeros.
type tracedReader struct {
	rest   []byte
	broken bool
}

func decodeTraced(record []byte) (e TracedEvent, err error) {
	r := tracedReader{rest: record}
	at, n := binary.Varint(r.rest)
	if n <= 0 || len(r.rest) == n {
		return e, errTraced
	}
	flags := r.rest[n]
	r.rest = r.rest[n+1:]
	e = TracedEvent{Time: time.Unix(0, at).UTC(), QoS: flags &^ flagRetained, Retained: flags&flagRetained != 0}
	e.Topic, e.Memory = r.text(), r.text()
	all := int(r.number())
	for len(r.rest) > 0 && !r.broken {
		e.Outcomes = append(e.Outcomes, r.outcome())
	}
	if e.More = all - len(e.Outcomes); r.broken {
		return e, errTraced
	}
	return e, nil
}

var errTraced = errors.New("a record of the trail is not an event's")

func (r *tracedReader) outcome() (o TracedOutcome) {
	code := r.rest[0]
	r.rest = r.rest[1:]
	if int(code) >= len(whats) {
		r.broken = true
		return o
	}
	o = TracedOutcome{What: whats[code], Rule: r.text(), Element: r.text(), Why: r.text()}
	if o.What == Mapped {
		o.Queue, o.Position = r.text(), r.number()
	}
	return o
}

func (r *tracedReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.broken = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *tracedReader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.broken = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
