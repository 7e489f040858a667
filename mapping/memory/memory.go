// Package memory is what rules know of earlier events: values that they remember under keys, and the
// keys of dedupe that they have had within their windows.
//
//	               Begin                      Records           (into the event's batch)
//	            +---------> Tx: one event -------------> journal
//	            |           or one key that            ^
//	  Load      |           is up         Commit       |
//	-------> Store <--------------------------+        |
//	            |                                      |
//	            +--------------------------------------+
//	                    Evict: what a bound takes
//
// A key is up when its memory's time has passed since it was last written. Due finds such a key,
// and Tx.Expire takes it out, so that what comes of that is one transaction with it.
//
// The package does no I/O and has no clock: the time is given, and it is the wall clock's, as with
// the records of a journal. Where the clock goes back, a key that was written later than now stays
// until its time has passed after that.
package memory

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds in bytes, which the rules hold: they reject what is larger.
const (
	MaxKey   = 1024
	MaxValue = 64 << 10 // of the JSON text
)

// Defaults of Settings.
const (
	DefaultFor      = 720 * time.Hour
	DefaultMaxKeys  = 100_000
	DefaultMaxBytes = 64 << 20
)

// Settings are a memory's. Zero fields take the defaults.
type Settings struct {
	Name     string        // without a slash
	For      time.Duration // a key's time since it was last written
	MaxKeys  int
	MaxBytes int64 // of its keys and values
}

func (s Settings) withDefaults() Settings {
	s.For = cmp.Or(s.For, DefaultFor)
	s.MaxKeys = cmp.Or(s.MaxKeys, DefaultMaxKeys)
	s.MaxBytes = cmp.Or(s.MaxBytes, DefaultMaxBytes)
	return s
}

// A Store holds the memories, and the windows of dedupe. Make one with New.
//
// One goroutine at a time uses it and its Tx; Get, Page and Counts are for all others too.
type Store struct {
	// mu is held for writing while anything changes, and for reading by those who only look. The
	// goroutine that changes it all reads without.
	mu       sync.RWMutex
	memories []*memory // by name
	windows  *shelf    // of dedupe; an item's time is the window's end

	spare *Tx // that nobody uses; nil: none
}

// A memory is one of them.
type memory struct {
	*shelf // an item's time is that of its last write
	Settings
	named    bool          // by the configuration; otherwise it only waits for its keys' time
	recorded time.Duration // its For as the journal knows it; 0: it does not

	evicted, expired int64
}

// New returns an empty Store. An earlier one's records are given to Load first, then the settings
// to Configure.
func New() *Store {
	return &Store{windows: newShelf(recordsWindow)}
}

// find returns the memory, nil if there is none of that name.
func (s *Store) find(name string) *memory {
	if i, ok := s.search(name); ok {
		return s.memories[i]
	}
	return nil
}

func (s *Store) search(name string) (i int, ok bool) {
	return slices.BinarySearchFunc(s.memories, name, func(m *memory, name string) int { return strings.Compare(m.Name, name) })
}

// add returns the memory, which it makes if there is none of that name.
func (s *Store) add(name string) *memory {
	i, ok := s.search(name)
	if !ok {
		m := &memory{shelf: newShelf(recordsKey + name + "/"), Settings: Settings{Name: name}.withDefaults()}
		s.memories = slices.Insert(s.memories, i, m)
	}
	return s.memories[i]
}

// Configure puts the settings into force, also for what is there. A memory that they do not name is
// kept until the time of its keys is up, as it was last, and can be read again when it is named
// again. It returns the records to be written.
func (s *Store) Configure(settings []Settings) (records []Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.memories {
		m.named = false
	}
	for _, set := range settings {
		m := s.add(set.Name)
		m.Settings, m.named = set.withDefaults(), true
		if m.recorded != m.For {
			m.recorded = m.For
			records = append(records, m.record())
		}
	}
	s.memories = slices.DeleteFunc(s.memories, func(m *memory) bool {
		gone := !m.named && len(m.order) == 0
		if gone && m.recorded != 0 {
			records = append(records, forgotten(recordsMemory+m.Name))
		}
		return gone
	})
	return records
}

// An Expired is a key whose time is up.
type Expired struct {
	Memory, Key string
	Text        string    // the JSON text of its value
	At          time.Time // when its time was up
}

// Due returns the key whose time was up first, of those whose time is up now; ok tells that there is
// one. It stays until a Tx has made it expire.
func (s *Store) Due(now time.Time) (x Expired, ok bool) {
	m, at := s.next()
	if m == nil || now.Before(at) {
		return Expired{}, false
	}
	first := m.first()
	return Expired{Memory: m.Name, Key: m.key(first), Text: first.text(), At: at}, true
}

// Next returns when the next key's time is up; ok tells that there is a key.
func (s *Store) Next() (at time.Time, ok bool) {
	m, at := s.next()
	return at, m != nil
}

// next returns the memory that has the key whose time is up first; of several at one time that of
// the first name.
func (s *Store) next() (next *memory, at time.Time) {
	for _, m := range s.memories {
		first := m.first()
		if first == nil {
			continue
		}
		if end := first.end(m.For); next == nil || end.Before(at) {
			next, at = m, end
		}
	}
	return next, at
}

// Evict takes out what is over a bound: keys written longest ago, and windows of dedupe that end
// first, max of them at the most. It returns the records to be written.
func (s *Store) Evict(max int) (records []Record) {
	if !s.Over() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.memories {
		for ; m.over() && len(records) < max; m.evicted++ {
			records = append(records, forgotten(m.takeFirst().name))
		}
	}
	for len(s.windows.order) > maxWindows && len(records) < max {
		records = append(records, forgotten(s.windows.takeFirst().name))
	}
	return records
}

// Over reports whether anything is over a bound.
func (s *Store) Over() bool {
	for _, m := range s.memories {
		if m.over() {
			return true
		}
	}
	return len(s.windows.order) > maxWindows
}

func (m *memory) over() bool {
	return m.named && (len(m.order) > m.MaxKeys || m.bytes > m.MaxBytes)
}

// Counts are a memory's figures.
type Counts struct {
	Memory  string
	Keys    int
	Bytes   int64 // of keys and values
	Evicted int64 // keys that a bound has taken
	Expired int64 // keys whose time was up
}

// Counts returns the figures of all memories by name, also of those that are only kept until their
// keys' time is up.
func (s *Store) Counts() []Counts {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var counts []Counts
	for _, m := range s.memories {
		counts = append(counts, Counts{Memory: m.Name, Keys: len(m.order), Bytes: m.bytes, Evicted: m.evicted, Expired: m.expired})
	}
	return counts
}
