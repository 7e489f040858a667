package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"maps"
	"mqtt-stomp-bridge/mapping/value"
)

// A root is where a path begins.
type root int

const (
	rootPayload root = iota
	rootItem
	rootIndex
	rootReceived
	rootTopic // with capture, once a name follows
	rootMQTT
	rootTable      // with table, once a name follows
	rootSubscriber // user of an access rule
	rootClaims
	rootTopicName
	rootQoS
	rootRetained
	rootContentType
	rootUser
)

// roots are the names that an expression may begin with.
func roots() map[string]root {
	return map[string]root{
		"payload": rootPayload, "item": rootItem, "index": rootIndex, "received": rootReceived,
		"topic": rootTopic, "mqtt": rootMQTT, "table": rootTable, "user": rootSubscriber, "claims": rootClaims,
	}
}

// mqttRoots are the names below mqtt.
func mqttRoots() map[string]root {
	return map[string]root{
		"topic": rootTopicName, "qos": rootQoS, "retained": rootRetained, "content_type": rootContentType, "user": rootUser,
	}
}

// captureName is what can be written behind a dot.
var captureName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// A path is a fixed way into an event, such as payload.a.b[0]. Whatever is missing on the way makes it nil.
type path struct {
	root    root
	name    string // the root as the rule wrote it: payload, topic.device, mqtt.user
	capture int    // of rootTopic: which one; -1 before a name follows
	table   map[string]any
	steps   []value.Step
}

// String returns the text of the path.
func (p *path) String() string { return p.upTo(len(p.steps)) }

// upTo returns the text of the path with its first n steps.
func (p *path) upTo(n int) string {
	var b strings.Builder
	b.WriteString(p.name)
	for _, st := range p.steps[:n] {
		switch {
		case st.IsIndex:
			fmt.Fprintf(&b, "[%d]", st.Index)
		case captureName.MatchString(st.Key):
			b.WriteString("." + st.Key)
		default:
			b.WriteString("[" + strconv.Quote(st.Key) + "]")
		}
	}
	return b.String()
}

// extend returns the path one step further.
func (p *path) extend(st value.Step) *path {
	longer := *p
	longer.steps = append(slices.Clip(p.steps), st)
	return &longer
}

// A miss is where a path or a table had nothing.
type miss struct {
	path  *path
	step  int // of path: which step had nothing; -1: the root
	at    any // what the step was tried on
	table string
	key   string
}

// String says what was missing, and what was there instead.
func (m miss) String() string {
	switch {
	case m.table != "":
		return fmt.Sprintf("%s has no %s", m.table, value.Quote(m.key))
	case m.step < 0 && m.path.root == rootPayload:
		return "the payload is null"
	case m.step < 0:
		return fmt.Sprintf("%s is null", m.path.name)
	}
	before, st := m.path.upTo(m.step), m.path.steps[m.step]
	switch at := m.at.(type) {
	case map[string]any:
		if st.IsIndex {
			return fmt.Sprintf("%s is an object, not a list", before)
		}
		if _, there := at[st.Key]; there {
			return fmt.Sprintf("%s is null", m.path.upTo(m.step+1))
		}
		return fmt.Sprintf("%s has no %s; it has: %s", before, value.Quote(st.Key), someKeys(at))
	case map[string]string:
		return fmt.Sprintf("the message has no user property %s", value.Quote(st.Key))
	case []any:
		if !st.IsIndex {
			return fmt.Sprintf("%s is a list, not an object", before)
		}
		if st.Index < len(at) {
			return fmt.Sprintf("%s is null", m.path.upTo(m.step+1))
		}
		return fmt.Sprintf("%s has %d elements", before, len(at))
	case nil:
		return fmt.Sprintf("%s is null", before)
	}
	want := "an object"
	if st.IsIndex {
		want = "a list"
	}
	return fmt.Sprintf("%s is %s, not %s", before, value.TypeName(m.at), want)
}

// someKeys names the keys of an object, but not too many.
func someKeys(object map[string]any) string {
	const most = 8
	switch {
	case len(object) == 0:
		return "nothing"
	case len(object) > 10*most: // sorting them might take longer than the rule
		return fmt.Sprintf("%d other keys", len(object))
	}
	keys := slices.Sorted(maps.Keys(object))
	more := ""
	if len(keys) > most {
		more = fmt.Sprintf(" and %d more", len(keys)-most)
		keys = keys[:most]
	}
	for i, k := range keys {
		if len(k) > 40 || strings.ContainsAny(k, " ,:") || strconv.Quote(k) != `"`+k+`"` {
			keys[i] = value.Quote(k)
		}
	}
	return strings.Join(keys, ", ") + more
}

// read returns the value at the path, nil where there is none.
func (s *scope) read(p *path) (any, error) {
	var v any
	switch p.root {
	case rootPayload:
		if err := s.decode(); err != nil {
			return nil, err
		}
		v = s.payload.Value
	case rootItem:
		v = s.item
	case rootIndex:
		return s.index, nil
	case rootReceived:
		return s.event.Received, nil
	case rootTopic:
		return s.captures[p.capture], nil
	case rootTopicName:
		return s.event.Topic, nil
	case rootQoS:
		return int(s.event.QoS), nil
	case rootRetained:
		return s.event.Retained, nil
	case rootContentType:
		if s.event.ContentType == "" {
			return nil, nil
		}
		return s.event.ContentType, nil
	case rootUser:
		return s.readUser(p), nil
	case rootTable:
		v = p.table
	case rootSubscriber:
		v = s.user
	case rootClaims:
		v = s.claims
	}
	return s.walk(p, v), nil
}

func (s *scope) walk(p *path, v any) any {
	for i, st := range p.steps {
		next := st.Of(v)
		if next == nil {
			s.missed(miss{path: p, step: i, at: v})
			return nil
		}
		v = next
	}
	if v == nil {
		s.missed(miss{path: p, step: -1})
	}
	return v
}

func (s *scope) readUser(p *path) any {
	if len(p.steps) == 0 {
		all := make(map[string]any, len(s.event.User))
		for k, v := range s.event.User {
			all[k] = v
		}
		return all
	}
	v, ok := s.event.User[p.steps[0].Key]
	if !ok || len(p.steps) > 1 {
		s.missed(miss{path: p, step: 0, at: s.event.User})
		return nil
	}
	return v
}

// missed keeps the first miss of an evaluation: it is the reason when a value is lacking in the end.
func (s *scope) missed(m miss) {
	if !s.hasMiss {
		s.miss, s.hasMiss = m, true
	}
}
