package memory

import (
	"slices"
	"time"
)

// A Key is one that a memory holds, for those who look from elsewhere.
type Key struct {
	Key     string
	Text    string // the JSON text of its value
	Written time.Time
	Ends    time.Time // when its time is up
}

// Get returns what is remembered under the key of the memory; ok tells that there is something. It
// may be called from any goroutine.
func (s *Store) Get(memory, key string) (k Key, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m := s.find(memory)
	if m == nil {
		return Key{}, false
	}
	it := m.items[key]
	if it == nil {
		return Key{}, false
	}
	return Key{Key: key, Text: it.text(), Written: time.Unix(0, it.at), Ends: it.end(m.For)}, true
}

// Settings returns the settings of the memory; named tells that the configuration names it. Otherwise
// nothing bounds it, and it is only kept until the time of its keys is up. It may be called from any
// goroutine.
func (s *Store) Settings(memory string) (settings Settings, named bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m := s.find(memory); m != nil {
		return m.Settings, m.named
	}
	return Settings{}, false
}

// Bounds of Page.
const (
	pageBytes = 1 << 20 // about how much one returns
	pageStep  = 1000    // keys that it looks at before it lets the Store change
)

// Page returns the keys of the memory from the given one on, in the order of their bytes: max of them
// at the most and about a megabyte, none at the end. The next page begins with the last key and a
// zero byte. Page may be called from any goroutine; what changes while it looks may be missing.
func (s *Store) Page(memory, from string, max int) []Key {
	var page []Key
	size := 0
	for _, key := range s.keysFrom(memory, from, max) {
		if size >= pageBytes {
			break
		}
		if k, ok := s.Get(memory, key); ok {
			page = append(page, k)
			size += len(k.Key) + len(k.Text)
		}
	}
	return page
}

// keysFrom looks at every key and keeps the max smallest from the given one on.
func (s *Store) keysFrom(memory, from string, max int) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m := s.find(memory)
	if m == nil || max <= 0 {
		return nil
	}
	var keys []string // sorted
	looked := 0
	for key := range m.items {
		if looked++; looked%pageStep == 0 {
			s.mu.RUnlock()
			s.mu.RLock()
		}
		if key < from || len(keys) == max && key > keys[max-1] {
			continue
		}
		if len(keys) == max {
			keys = keys[:max-1]
		}
		i, _ := slices.BinarySearch(keys, key)
		keys = slices.Insert(keys, i, key)
	}
	return keys
}
