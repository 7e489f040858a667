package memory

import (
	"encoding/binary"
	"strings"
	"time"
)

// The names of the records begin with these:
//
//	memories/NAME     8 bytes: how long its keys have, in ns
//	memory/NAME/KEY   8 bytes: the last write, in ns since 1970; then the value's JSON text
//	dedupe/DIGEST     nothing; it expires at the end of the window
//
// A key's record does not expire by itself: the journal would drop it, and nobody could tell any
// more that its time is up.
const (
	recordsMemory = "memories/"
	recordsKey    = "memory/"
	recordsWindow = "dedupe/"
)

// Prefixes returns what the names of a Store's records begin with.
func Prefixes() []string { return []string{recordsMemory, recordsKey, recordsWindow} }

const timeSize = 8 // bytes of a time in a record

// A Record is one of a journal, whose contract it has: a later one of the same name replaces it, and
// one that has expired already forgets the name. It is read-only.
type Record struct {
	Name    string
	Value   []byte
	Expires time.Time // zero: never
}

func forgotten(name string) Record { return Record{Name: name, Expires: time.Unix(0, 0)} }

func (it *item) record() Record { return Record{Name: it.name, Value: it.value} }

func windowRecord(it *item) Record { return Record{Name: it.name, Expires: time.Unix(0, it.at)} }

func (m *memory) record() Record {
	return Record{Name: recordsMemory + m.Name, Value: binary.BigEndian.AppendUint64(nil, uint64(m.recorded))}
}

// Load takes a record of an earlier Store, in any order, and keeps its bytes. One that it does not
// understand it leaves out.
func (s *Store) Load(r Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := strings.CutPrefix(r.Name, recordsWindow); ok {
		s.windows.put(&item{name: r.Name, at: r.Expires.UnixNano()})
		return
	}
	if len(r.Value) < timeSize {
		return
	}
	number := binary.BigEndian.Uint64(r.Value)
	if name, ok := strings.CutPrefix(r.Name, recordsMemory); ok {
		m := s.add(name)
		m.For, m.recorded = time.Duration(number), time.Duration(number)
	}
	if place, ok := strings.CutPrefix(r.Name, recordsKey); ok {
		if name, _, ok := strings.Cut(place, "/"); ok {
			s.add(name).put(&item{name: r.Name, value: r.Value, at: int64(number)})
		}
	}
}
