package commit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// An eventLog notes what becomes of the events of one batch, for a line each at debug, and for the
// trail. A nil one notes nothing.
type eventLog struct {
	events []notedEvent
	debug  bool // lines are wanted
}

// A notedEvent is what the line of an event is made of, or of a key whose time was up.
type notedEvent struct {
	event     *mqtt.Event
	expired   *memory.Expired // instead of event
	at        time.Time       // of expired
	result    mapping.Result
	steps     []mapping.RuleTrace
	duplicate bool  // a redelivery, or a retained message without news
	there     []int // the outputs that the journal has
	from      int   // the first of its entries in the batch
	letters   []deadLetter
}

// newEventLog returns nil unless the logger takes lines at debug, or there is a trail.
func (c *Committer) newEventLog() *eventLog {
	debug := c.logger.Enabled(context.Background(), slog.LevelDebug)
	if !debug && c.trail == nil {
		return nil
	}
	return &eventLog{events: c.noted, debug: debug}
}

// tell logs what has become of the events, whose entries have been appended, and notes it in the
// trail.
func (c *Committer) tell(l *eventLog, entries []journal.Entry, r *rules) {
	if l == nil {
		return
	}
	if l.debug {
		l.write(c.logger, entries)
	}
	if c.trail != nil {
		c.record = c.trail.note(l.events, entries, r.why, c.record)
	}
	clear(l.events) // or the room would keep payloads alive
	c.noted = l.events[:0]
}

// run maps the event. The steps say why rules have filtered it; there are none unless
// lines are wanted.
func (l *eventLog) run(m *mapping.Mapper, e mapping.Event) (mapping.Result, []mapping.RuleTrace) {
	if l == nil || !l.debug {
		return m.Map(e), nil
	}
	t := m.Explain(e)
	return t.Result, t.Rules
}

// forgotten is run for a key whose time is up.
func (l *eventLog) forgotten(m *mapping.Mapper, x memory.Expired, state mapping.State, stamp mapping.Stamp) (mapping.Result, []mapping.RuleTrace) {
	if l == nil || !l.debug {
		return m.Forgotten(x, state, stamp), nil
	}
	t := m.ExplainForgotten(x, state, stamp)
	return t.Result, t.Rules
}

func (l *eventLog) note(n notedEvent) {
	if l != nil {
		l.events = append(l.events, n)
	}
}

// write logs the events, whose entries have been appended.
func (l *eventLog) write(logger *slog.Logger, entries []journal.Entry) {
	for _, n := range l.events {
		if n.expired != nil {
			logger.Debug("a key's time was up", "memory", n.expired.Memory, "rules", n.outcomes(entries))
			continue
		}
		logger.Debug("event", "topic", n.event.Topic, "bytes", len(n.event.Payload), "qos", n.event.QoS, "retained", n.event.Retained,
			"rules", n.outcomes(entries))
	}
}

// maxOutcomes is how many outcomes a line tells of: an each may have ten thousand.
const maxOutcomes = 20

// outcomes says how each rule has ended whose topic matches. It holds nothing of the payload.
func (n *notedEvent) outcomes(entries []journal.Entry) string {
	all := n.result.Outcomes
	if len(all) == 0 {
		return "none matches the topic"
	}
	var texts []string
	n.each(entries, func(i int, o mapping.Outcome, end end, e *journal.Entry) bool {
		if i == maxOutcomes {
			texts = append(texts, fmt.Sprintf("and %d more", len(all)-i))
			return false
		}
		text := o.Rule + n.element(o) + ": " + end.text
		switch end.what {
		case Filtered:
			text += ", " + n.why(o)
		case Rejected:
			text += ", " + n.rejection(o)
		case Mapped:
			text = fmt.Sprintf("%s%s: %s at %d", o.Rule, n.element(o), e.Queue, e.Position)
		}
		texts = append(texts, text)
		return true
	})
	for _, r := range n.steps {
		if strings.HasPrefix(r.Note, "hint: ") {
			texts = append(texts, r.Rule+": "+r.Note)
		}
	}
	return strings.Join(texts, "; ")
}

// An end is what an outcome has become in the end.
type end struct {
	what What
	text string
}

// each calls yield for the outcomes in order, until that returns false: with the entry of those
// that have one.
func (n *notedEvent) each(entries []journal.Entry, yield func(i int, o mapping.Outcome, b end, e *journal.Entry) bool) {
	output, entry := 0, n.from
	for i, o := range n.result.Outcomes {
		sent := o.What == mapping.Mapped && !o.Silent // it has the next output
		b := n.ended(o, sent && slices.Contains(n.there, output))
		var e *journal.Entry
		if b.what == Mapped { // the entries of those that are no duplicates are in the order of the outcomes
			e = &entries[entry]
			entry++
		}
		if sent {
			output++
		}
		if !yield(i, o, b, e) {
			return
		}
	}
}

// ended says what has become of an outcome; there tells that the journal has its output.
func (n *notedEvent) ended(o mapping.Outcome, there bool) end {
	switch {
	case o.What == mapping.Filtered:
		return end{Filtered, "filtered"}
	case n.duplicate && n.event.Reading == mqtt.ReadingCopy, there:
		return end{Duplicate, "duplicate, the journal has it"}
	case n.duplicate:
		return end{Duplicate, "duplicate, the broker has sent it again"}
	case o.What == mapping.Duplicate:
		return end{Duplicate, "duplicate, by dedupe"}
	case o.What == mapping.Rejected:
		return end{Rejected, "rejected"}
	case o.Silent:
		return end{Silent, "mapped, sends nothing"}
	}
	return end{Mapped, "mapped"}
}

// element names the element of an each that has so ended; "" where there is none.
func (n *notedEvent) element(o mapping.Outcome) string {
	if o.Item < 0 {
		return ""
	}
	for _, r := range n.steps {
		if r.Rule == o.Rule && r.Item == o.Item && r.Element != "" {
			return " " + r.Element
		}
	}
	return fmt.Sprint(" item ", o.Item)
}

// why says why a rule has filtered the event.
func (n *notedEvent) why(o mapping.Outcome) string {
	for _, r := range n.steps {
		if note, ok := strings.CutPrefix(r.Note, "no: "); ok && r.Rule == o.Rule && r.Item == o.Item {
			return note
		}
	}
	return o.Why
}

// rejection says where a rule has rejected the event. The reason itself may quote the payload.
func (n *notedEvent) rejection(o mapping.Outcome) string {
	for _, r := range n.result.Rejections {
		if r.Rule == o.Rule && r.Item == o.Item {
			return strings.TrimSpace(fmt.Sprintf("%s %s", r.Stage, r.Field)) + fmt.Sprintf(": %s (%s:%d)", r.Kind, r.File, r.Line)
		}
	}
	return o.Why
}
