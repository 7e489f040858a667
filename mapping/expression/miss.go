package expression

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mqtt-stomp-bridge/mapping/value"
)

// A miss is where a path, a look-up or a function found nothing.
type miss struct {
	path  *Path
	step  int // of path: which step had nothing; -1: the root
	at    any // what the step was tried on; where taped it is the node on the tape instead
	node  value.Node
	taped bool
	table string
	key   string
	text  string // of a function: all that there is to say
}

// String says what was missing, and what was there instead.
func (m miss) String() string {
	switch {
	case m.text != "":
		return m.text
	case m.table != "":
		return fmt.Sprintf("%s has no %s", m.table, value.Quote(m.key))
	case m.step < 0 && m.path.name == "payload":
		return "the payload is null"
	case m.step < 0:
		return fmt.Sprintf("%s is null", m.path.name)
	}
	before, st := m.path.upTo(m.step), m.path.Steps[m.step]
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
