package commit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// An eventLog notes what becomes of the events of one batch, for a line each at debug. A nil one
// notes nothing.
type eventLog struct{ events []notedEvent }

// A notedEvent is what the line of an event is made of, or of a key whose time was up.
type notedEvent struct {
	event     *mqtt.Event
	expired   *memory.Expired // instead of event
	result    mapping.Result
	steps     []mapping.RuleTrace
	duplicate bool  // a redelivery, or a retained message without news
	there     []int // the outputs that the journal has
	from      int   // the first of its entries in the batch
}

// newEventLog returns nil unless the logger takes lines at debug.
func newEventLog(logger *slog.Logger) *eventLog {
	if !logger.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	return new(eventLog)
}

// run maps the event. The steps say why rules have filtered it; without a log there are none.
func (l *eventLog) run(m *mapping.Mapper, e mapping.Event) (mapping.Result, []mapping.RuleTrace) {
	if l == nil {
		return m.Map(e), nil
	}
	t := m.Explain(e)
	return t.Result, t.Rules
}

// forgotten is run for a key whose time is up.
func (l *eventLog) forgotten(m *mapping.Mapper, x memory.Expired, state mapping.State, stamp mapping.Stamp) (mapping.Result, []mapping.RuleTrace) {
	if l == nil {
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
	if l == nil {
		return
	}
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
	output, entry := 0, n.from
	for i, o := range all {
		if i == maxOutcomes {
			texts = append(texts, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		text := o.Rule + n.element(o)
		sent := o.What == mapping.Mapped && !o.Silent // it has the next output
		switch {
		case o.What == mapping.Filtered:
			text += ": filtered, " + n.why(o)
		case n.duplicate && n.event.Reading == mqtt.ReadingCopy, sent && slices.Contains(n.there, output):
			text += ": duplicate, the journal has it"
		case n.duplicate:
			text += ": duplicate, the broker has sent it again"
		case o.What == mapping.Duplicate:
			text += ": duplicate, by dedupe"
		case o.What == mapping.Rejected:
			text += ": rejected, " + n.rejection(o)
		case o.Silent:
			text += ": mapped, sends nothing"
		default: // the entries of those that are no duplicates are in the order of the outcomes
			text += fmt.Sprintf(": %s at %d", entries[entry].Queue, entries[entry].Position)
			entry++
		}
		if sent {
			output++
		}
		texts = append(texts, text)
	}
	for _, r := range n.steps {
		if strings.HasPrefix(r.Note, "hint: ") {
			texts = append(texts, r.Rule+": "+r.Note)
		}
	}
	return strings.Join(texts, "; ")
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
