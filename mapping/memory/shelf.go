package memory

import (
	"container/heap"
	"encoding/binary"
	"time"
)

// A shelf holds items by key and in the order of their time. It is what a memory and the windows of
// dedupe have in common.
type shelf struct {
	prefix string           // of the names of its records; the rest is the key
	items  map[string]*item // by key
	order  order
	bytes  int64 // of keys and texts
}

func newShelf(prefix string) *shelf { return &shelf{prefix: prefix, items: map[string]*item{}} }

// An item is a key with its value. There may be millions: it shares its bytes with its record, which
// a journal in memory keeps, and does not change but for its place.
type item struct {
	name  string // of its record
	value []byte // of its record: the time, then the text. A window's has none
	at    int64  // the time that it is ordered by, in ns since 1970
	place int    // in the order
}

// newItem returns an item with a text, whose value it is the owner of.
func newItem(name, text string, at int64) *item {
	value := make([]byte, 0, timeSize+len(text))
	value = binary.BigEndian.AppendUint64(value, uint64(at))
	return &item{name: name, value: append(value, text...), at: at}
}

func (it *item) text() string { return string(it.value[timeSize:]) }

// end is when the time of an item is up that has so long.
func (it *item) end(after time.Duration) time.Time { return time.Unix(0, it.at).Add(after) }

func (s *shelf) key(it *item) string { return it.name[len(s.prefix):] }

func (s *shelf) size(it *item) int64 {
	return int64(len(s.key(it)) + max(0, len(it.value)-timeSize))
}

// name is the name of the record of the key: the one that is there, to share its bytes.
func (s *shelf) name(key string) string {
	if it := s.items[key]; it != nil {
		return it.name
	}
	return s.prefix + key
}

// put puts the item in the place of the one with its key, if there is one.
func (s *shelf) put(it *item) {
	key := s.key(it)
	old := s.items[key]
	s.items[key] = it
	s.bytes += s.size(it)
	if old == nil {
		heap.Push(&s.order, it)
		return
	}
	s.bytes -= s.size(old)
	it.place = old.place
	s.order[it.place] = it
	heap.Fix(&s.order, it.place)
}

// remove removes the key if it is there.
func (s *shelf) remove(key string) {
	if it := s.items[key]; it != nil {
		heap.Remove(&s.order, it.place)
		delete(s.items, key)
		s.bytes -= s.size(it)
	}
}

// first returns the item with the earliest time, nil when there is none.
func (s *shelf) first() *item {
	if len(s.order) == 0 {
		return nil
	}
	return s.order[0]
}

// takeFirst removes that item and returns it.
func (s *shelf) takeFirst() *item {
	first := s.first()
	s.remove(s.key(first))
	return first
}

// An order is a heap of items by their time. Of several at one time the first name goes first: an
// order that a restart does not change.
type order []*item

// Len implements heap.Interface, as the others do.
func (o order) Len() int { return len(o) }

func (o order) Less(i, j int) bool {
	a, b := o[i], o[j]
	return a.at < b.at || a.at == b.at && a.name < b.name
}

func (o order) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].place, o[j].place = i, j
}

func (o *order) Push(x any) {
	it := x.(*item)
	it.place = len(*o)
	*o = append(*o, it)
}

func (o *order) Pop() any {
	last := len(*o) - 1
	it := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return it
}
