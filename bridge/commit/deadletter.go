package commit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// A deadLetter is what one rule could not make of an event: one output, or with an each perhaps
// several.
type deadLetter struct {
	event      *mqtt.Event
	rejections []mapping.Rejection // of one rule, at least one
}

// deadLettersOf makes one letter for each rule: an each of a thousand bad elements must not send
// its payload a thousand times.
func deadLettersOf(e *mqtt.Event, rejections []mapping.Rejection) []deadLetter {
	var letters []deadLetter
	for _, r := range rejections {
		i := slices.IndexFunc(letters, func(l deadLetter) bool { return l.rejections[0].Rule == r.Rule })
		if i < 0 {
			letters = append(letters, deadLetter{e, []mapping.Rejection{r}})
			continue
		}
		letters[i].rejections = append(letters[i].rejections, r)
	}
	return letters
}

// maxReasons is how many elements a letter tells of.
const maxReasons = 20

// reasons returns why, and which elements of an each: their numbers, and their paths where the
// levels of the each have names. Both are "" where there is none.
func (d deadLetter) reasons() (reason, items, elements string) {
	var why, numbers, paths []string
	for i, r := range d.rejections {
		if i == maxReasons {
			why = append(why, fmt.Sprintf("and %d more", len(d.rejections)-i))
			numbers, paths = more(numbers), more(paths)
			break
		}
		element := r.Element
		if r.Item >= 0 {
			numbers = append(numbers, strconv.Itoa(r.Item))
			element = cmp.Or(element, fmt.Sprint("item ", r.Item))
		}
		if r.Element != "" {
			paths = append(paths, r.Element)
		}
		if element != "" && len(d.rejections) > 1 {
			element += ": "
		} else {
			element = ""
		}
		why = append(why, element+r.Reason)
	}
	return strings.Join(why, "; "), strings.Join(numbers, ","), strings.Join(paths, ",")
}

// more marks a list that is not whole.
func more(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return append(list, "…")
}

// message returns what goes to the dead-letter topic: the event's own payload, and as user
// properties why it is there.
func (d deadLetter) message(baseTopic string) mqtt.Message {
	r := d.rejections[0]
	reason, items, elements := d.reasons()
	m := mqtt.Message{
		Topic:       baseTopic + "/dead-letter/" + r.Rule,
		Payload:     d.event.Payload,
		QoS:         1,
		ContentType: d.event.ContentType,
	}
	add := func(name, value string) {
		if value != "" {
			m.User = append(m.User, mqtt.UserProperty{Name: name, Value: value})
		}
	}
	// First, so that it is the last to go where a broker takes small packets only.
	add(mapping.DeadLetterProperty, mapping.DeadLetterMark)
	add("reason", reason)
	add("rule", r.Rule)
	add("stage", r.Stage)
	add("field", r.Field)
	add("item", items)
	add("element", elements)
	add("line", fmt.Sprintf("%s:%d", r.File, r.Line))
	add("topic", d.event.Topic)
	add("qos", strconv.Itoa(int(d.event.QoS)))
	add("retained", strconv.FormatBool(d.event.Retained))
	add(traceProperty, traceParent(d.event.User))
	add("time", d.event.Received.UTC().Format("2006-01-02T15:04:05.000Z"))
	return m
}
