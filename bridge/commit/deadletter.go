package commit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/memory"
)

// A deadLetter is what one rule could not make of an event, or of a key whose time was up: one
// output, or with an each perhaps several.
type deadLetter struct {
	event      *mqtt.Event // nil: it is of expired
	expired    memory.Expired
	rejections []mapping.Rejection // of one rule, at least one
}

// split makes one letter for each rule: an each of a thousand bad elements must not send its
// payload a thousand times.
func (d deadLetter) split(rejections []mapping.Rejection) []deadLetter {
	var letters []deadLetter
	for _, r := range rejections {
		i := slices.IndexFunc(letters, func(l deadLetter) bool { return l.rejections[0].Rule == r.Rule })
		if i < 0 {
			d.rejections = []mapping.Rejection{r}
			letters = append(letters, d)
			continue
		}
		letters[i].rejections = append(letters[i].rejections, r)
	}
	return letters
}

// payload is that of the event, or the value of the key.
func (d deadLetter) payload() []byte {
	if d.event == nil {
		return []byte(d.expired.Text)
	}
	return d.event.Payload
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

// message returns what goes to the dead-letter topic: the event's own payload or the key's value, and
// as user properties why it is there.
func (d deadLetter) message(baseTopic string) mqtt.Message {
	r := d.rejections[0]
	reason, items, elements := d.reasons()
	m := mqtt.Message{
		Topic:       baseTopic + "/dead-letter/" + r.Rule,
		Payload:     d.payload(),
		QoS:         1,
		ContentType: "application/json",
	}
	if d.event != nil {
		m.ContentType = d.event.ContentType
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
	if d.event == nil {
		add("memory", d.expired.Memory)
		add("key", d.expired.Key)
		add("time", letterTime(d.expired.At))
		return m
	}
	add("topic", d.event.Topic)
	add("qos", strconv.Itoa(int(d.event.QoS)))
	add("retained", strconv.FormatBool(d.event.Retained))
	add(traceProperty, traceParent(d.event.User))
	add("time", letterTime(d.event.Received))
	return m
}

func letterTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
