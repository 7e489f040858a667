package retention

import (
	"slices"
	"sort"
	"time"
)

// An Item is the newest entry of a key.
type Item struct {
	Key        string
	Position   uint64
	AppendedAt time.Duration // by the log's Clock
	Size       int64

	line *line
	gone bool // no longer the newest
}

// Newest finds the newest entry per key. One Put costs the same however many keys there are. Not
// safe for concurrent use.
type Newest struct {
	keys   map[string]*Item
	queues map[string]*line
}

// A line holds the items of one queue by position. The first is never gone; others that are stay
// until they are half of it.
type line struct {
	queue string
	items []*Item
	gone  int
}

// NewNewest returns an empty Newest.
func NewNewest() *Newest {
	return &Newest{keys: map[string]*Item{}, queues: map[string]*line{}}
}

// Put makes the item the newest of its key, in the queue. Its position must be greater than all
// before.
func (n *Newest) Put(queue string, it Item) {
	n.Remove(it.Key)
	l := n.queues[queue]
	if l == nil {
		l = &line{queue: queue}
		n.queues[queue] = l
	}
	it.line, it.gone = l, false
	l.items = append(l.items, &it)
	n.keys[it.Key] = &it
}

// Get returns the newest entry of the key.
func (n *Newest) Get(key string) (Item, bool) {
	if it := n.keys[key]; it != nil {
		return *it, true
	}
	return Item{}, false
}

// Remove forgets the key.
func (n *Newest) Remove(key string) {
	it := n.keys[key]
	if it == nil {
		return
	}
	delete(n.keys, key)
	it.gone = true
	it.line.gone++
	it.line.tidy()
	if len(it.line.items) == 0 {
		delete(n.queues, it.line.queue)
	}
}

func (l *line) tidy() {
	for len(l.items) > 0 && l.items[0].gone {
		l.items[0] = nil
		l.items = l.items[1:]
		l.gone--
	}
	if l.gone > len(l.items)/2 {
		l.items = slices.DeleteFunc(l.items, func(it *Item) bool { return it.gone })
		l.gone = 0
	}
}

// Excess returns the keys to forget, those used longest ago first, a step of them: while there are
// too many, the newest entry is too old, or too many bytes are kept for those that lie before
// first.
func (n *Newest) Excess(l Limits, lived time.Duration, first uint64, bytes int64, step Step) []Item {
	var excess []Item
	for it := range n.byPosition {
		if !l.KeyExceeded(lived-it.AppendedAt, len(n.keys)-len(excess), bytes) || !step.Take(it.Size) {
			break
		}
		if it.Position < first {
			bytes -= it.Size
		}
		excess = append(excess, *it)
	}
	return excess
}

// Restamp gives every item the time that at returns for it.
func (n *Newest) Restamp(at func(Item) time.Duration) {
	for _, it := range n.keys {
		it.AppendedAt = at(*it)
	}
}

// byPosition calls yield with the items of all queues in the order of positions, until it returns
// false.
func (n *Newest) byPosition(yield func(*Item) bool) {
	next := make(map[*line]int, len(n.queues))
	for {
		var first *Item
		for _, l := range n.queues {
			i := next[l]
			for i < len(l.items) && l.items[i].gone {
				i++
			}
			next[l] = i
			if i < len(l.items) && (first == nil || l.items[i].Position < first.Position) {
				first = l.items[i]
			}
		}
		if first == nil || !yield(first) {
			return
		}
		next[first.line]++
	}
}

// After returns up to max positions in the queue that are greater than the given one, in order.
func (n *Newest) After(queue string, position uint64, max int) []uint64 {
	l := n.queues[queue]
	if l == nil {
		return nil
	}
	var found []uint64
	i := sort.Search(len(l.items), func(i int) bool { return l.items[i].Position > position })
	for ; i < len(l.items) && len(found) < max; i++ {
		if !l.items[i].gone {
			found = append(found, l.items[i].Position)
		}
	}
	return found
}
