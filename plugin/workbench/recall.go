package workbench

import (
	"encoding/json"
	"slices"
	"time"

	"mqtt-stomp-bridge/mapping/memory"
)

// A RecalledKey is one that a rule has looked up, with what was there before the event.
type RecalledKey struct {
	Memory string          `json:"memory"`
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value,omitempty"` // absent: there was nothing
}

// A recaller is a mapping.State that reads what a bridge remembers and keeps all changes to itself. It
// knows of no repeat: an event that is tried again would be one.
type recaller struct {
	store    *memory.Store // nil: nothing is remembered
	now      time.Time
	changed  map[[2]string]memory.Change // by memory and key
	recalled []RecalledKey               // from the store, in order
}

func newRecaller(s *memory.Store) *recaller {
	return &recaller{store: s, now: time.Now(), changed: map[[2]string]memory.Change{}}
}

// Recall implements mapping.State.
func (r *recaller) Recall(name, key string) (text string, ok bool) {
	if c, ok := r.changed[[2]string{name, key}]; ok {
		return c.Text, !c.Forget
	}
	text, ok = r.stored(name, key)
	k := RecalledKey{Memory: name, Key: key}
	if ok {
		k.Value = json.RawMessage(text)
	}
	if !slices.ContainsFunc(r.recalled, func(k RecalledKey) bool { return k.Memory == name && k.Key == key }) {
		r.recalled = append(r.recalled, k)
	}
	return text, ok
}

func (r *recaller) stored(name, key string) (text string, ok bool) {
	if r.store == nil {
		return "", false
	}
	k, ok := r.store.Get(name, key)
	if !ok || !r.now.Before(k.Ends) {
		return "", false
	}
	return k.Text, true
}

// Repeats implements mapping.State.
func (r *recaller) Repeats(string, string, time.Duration) bool { return false }

// Note implements mapping.State.
func (r *recaller) Note(string, string, time.Duration) {}

// Apply implements mapping.State.
func (r *recaller) Apply(changes []memory.Change) {
	for _, c := range changes {
		r.changed[[2]string{c.Memory, c.Key}] = c
	}
}
