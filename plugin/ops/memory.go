package ops

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/mapping/spelling"
)

// A Memory is what /memory says of one.
type Memory struct {
	Memory  string `json:"memory"`
	Keys    int    `json:"keys"`
	Bytes   int64  `json:"bytes"`   // of keys and values
	Evicted int64  `json:"evicted"` // keys that a bound has taken
	Expired int64  `json:"expired"` // keys whose time was up
	For     string `json:"for"`     // a key's time since it was last written
	// The bounds. The configuration does not name a memory without them any more: it only waits for
	// the time of its keys.
	MaxKeys  int   `json:"max_keys,omitempty"`
	MaxBytes int64 `json:"max_bytes,omitempty"`
}

// A MemoryPage is what /memory/NAME says: keys in the order of their bytes.
type MemoryPage struct {
	Memory string      `json:"memory"`
	Keys   []MemoryKey `json:"keys"`
	Next   string      `json:"next,omitempty"` // the path of the next page; "": this is the last
}

// A MemoryKey is one of them.
type MemoryKey struct {
	Key     string          `json:"key"`
	Bytes   int             `json:"bytes"` // of the key and its value
	Written time.Time       `json:"written"`
	Ends    time.Time       `json:"ends"`            // when its time is up
	Value   json.RawMessage `json:"value,omitempty"` // only where the key was asked for
}

// How many keys a page has.
const (
	pageKeys    = 100
	maxPageKeys = 1000
)

// memories answers what is asked of memories.
type memories struct {
	bridge Bridge
	show   func() bool // whether keys and values may be shown; nil: no
}

// store returns what the rules remember; an empty one while this bridge has not read from the broker.
func (m memories) store() *memory.Store {
	if s := m.bridge.Memory(); s != nil {
		return s
	}
	return memory.New()
}

// list answers with all memories, by name.
func (m memories) list(w http.ResponseWriter, _ *http.Request) {
	all := []Memory{}
	s := m.store()
	for _, c := range s.Counts() {
		one := Memory{Memory: c.Memory, Keys: c.Keys, Bytes: c.Bytes, Evicted: c.Evicted, Expired: c.Expired}
		settings, named := s.Settings(c.Memory)
		if one.For = settings.For.String(); named {
			one.MaxKeys, one.MaxBytes = settings.MaxKeys, settings.MaxBytes
		}
		all = append(all, one)
	}
	writeJSON(w, all)
}

// one answers with what one memory holds, where that may be shown.
func (m memories) one(w http.ResponseWriter, r *http.Request) {
	if m.show == nil || !m.show() {
		http.Error(w, "keys and values hold parts of payloads; set ops.show_payloads: true to see them here", http.StatusForbidden)
		return
	}
	s, name, query := m.store(), r.PathValue("name"), r.URL.Query()
	limit, err := limitOf(query)
	switch names := namesOf(s); {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case len(names) == 0:
		http.Error(w, "there is no memory", http.StatusNotFound)
	case !slices.Contains(names, name):
		http.Error(w, fmt.Sprintf("no memory %q: %s", name, spelling.DidYouMean(name, names)), http.StatusNotFound)
	case !query.Has("key"):
		writeJSON(w, pageOf(s, name, fromOf(query), limit))
	default:
		k, ok := s.Get(name, query.Get("key"))
		if !ok {
			http.Error(w, fmt.Sprintf("memory %s has no key %q", name, query.Get("key")), http.StatusNotFound)
			return
		}
		found := keyOf(k)
		found.Value = json.RawMessage(k.Text)
		writeJSON(w, found)
	}
}

func namesOf(s *memory.Store) (names []string) {
	for _, c := range s.Counts() {
		names = append(names, c.Memory)
	}
	return names
}

// limitOf returns how many keys are asked for.
func limitOf(query url.Values) (int, error) {
	n, err := strconv.Atoi(cmp.Or(query.Get("limit"), strconv.Itoa(pageKeys)))
	if err != nil || n < 1 || n > maxPageKeys {
		return 0, fmt.Errorf("limit is a whole number from 1 to %d, not %q", maxPageKeys, query.Get("limit"))
	}
	return n, nil
}

// fromOf returns the first key that may be on the page.
func fromOf(query url.Values) string {
	if query.Has("after") {
		return following(query.Get("after"))
	}
	return ""
}

// following returns the smallest key that is greater.
func following(key string) string { return key + "\x00" }

func pageOf(s *memory.Store, name, from string, limit int) MemoryPage {
	p := MemoryPage{Memory: name, Keys: []MemoryKey{}}
	for _, k := range s.Page(name, from, limit) {
		p.Keys = append(p.Keys, keyOf(k))
	}
	if len(p.Keys) == 0 {
		return p
	}
	last := p.Keys[len(p.Keys)-1].Key
	if len(s.Page(name, following(last), 1)) > 0 {
		p.Next = "/memory/" + url.PathEscape(name) + "?" + url.Values{"after": {last}, "limit": {strconv.Itoa(limit)}}.Encode()
	}
	return p
}

func keyOf(k memory.Key) MemoryKey {
	return MemoryKey{Key: k.Key, Bytes: len(k.Key) + len(k.Text), Written: k.Written.UTC(), Ends: k.Ends.UTC()}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v)
}
