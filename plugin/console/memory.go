package console

import (
	"net/http"
	"slices"

	"mqtt-stomp-bridge/mapping/memory"
)

// Bounds of what is shown of a memory.
const (
	shownKeys  = 50
	shownValue = 2000 // bytes
)

// A memoryPage is what the page of memories shows beside the State.
type memoryPage struct {
	Away  string // why there is nothing to see
	Name  string // of the one whose keys are shown; "": none
	Key   string // that was searched for
	Keys  []shownKey
	Next  string // the key before the next page; "": this is the last
	After string
}

// A shownKey is a key with its value, as far as there is room.
type shownKey struct {
	memory.Key
	Value string
	Cut   int // bytes of the value that are not shown
}

// memory shows what the rules remember.
func (c *console) memory(w http.ResponseWriter, r *http.Request) {
	query, state := r.URL.Query(), c.sampler.state()
	p := memoryPage{Key: query.Get("key"), After: query.Get("after")}
	s := c.bridge.Memory()
	if s == nil {
		p.Away = "This bridge does not read from the broker now, so it remembers nothing."
		if state.Replica != nil && state.Replica.Leader != "" {
			p.Away = "This replica does not read from the broker now. What is remembered is known to " + state.Replica.Leader + ", which does."
		}
		c.show(w, r, "memory", "Memory", state, p)
		return
	}
	name := query.Get("name")
	if slices.ContainsFunc(s.Counts(), func(m memory.Counts) bool { return m.Memory == name }) {
		p.Name = name
		if c.payloads() {
			p.read(s)
		}
	}
	c.show(w, r, "memory", "Memory", state, p)
}

// read reads the key that is searched for, or a page of keys.
func (p *memoryPage) read(s *memory.Store) {
	if p.Key != "" {
		if k, ok := s.Get(p.Name, p.Key); ok {
			p.Keys = []shownKey{show(k)}
		}
		return
	}
	from := ""
	if p.After != "" {
		from = p.After + "\x00" // the next that there may be
	}
	keys := s.Page(p.Name, from, shownKeys)
	for _, k := range keys {
		p.Keys = append(p.Keys, show(k))
	}
	if len(keys) > 0 {
		if last := keys[len(keys)-1].Key; len(s.Page(p.Name, last+"\x00", 1)) > 0 {
			p.Next = last
		}
	}
}

func show(k memory.Key) shownKey {
	text := string(k.Text)
	n := len(text)
	if n > shownValue {
		n = wholeCharacters(text, shownValue)
	}
	return shownKey{Key: k, Value: text[:n], Cut: len(text) - n}
}
