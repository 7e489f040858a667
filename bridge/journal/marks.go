package journal

import (
	"container/heap"
	"strings"
	"time"
)

// A markSet holds the marks of a Memory.
type markSet struct {
	names map[string]*mark
	next  expiries
}

// A mark knows its place among the expiries.
type mark struct {
	Mark
	index int
}

// Expired reports whether the mark's time has come.
func (m Mark) Expired(now time.Time) bool { return !m.Expires.IsZero() && !now.Before(m.Expires) }

func (s *markSet) set(m Mark) {
	if old := s.names[m.Name]; old != nil {
		s.drop(old)
	}
	k := &mark{Mark: m}
	s.names[m.Name] = k
	if !m.Expires.IsZero() {
		heap.Push(&s.next, k)
	}
}

func (s *markSet) drop(k *mark) {
	delete(s.names, k.Name)
	if !k.Expires.IsZero() {
		heap.Remove(&s.next, k.index)
	}
}

// expire forgets the marks whose time has come.
func (s *markSet) expire(now time.Time) {
	for len(s.next) > 0 && s.next[0].Expired(now) {
		s.drop(s.next[0])
	}
}

// with returns the marks whose name begins with prefix.
func (s *markSet) with(prefix string) []*mark {
	var found []*mark
	for name, k := range s.names {
		if strings.HasPrefix(name, prefix) {
			found = append(found, k)
		}
	}
	return found
}

// expiries is a heap of the marks that expire, the next first.
type expiries []*mark

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].Expires.Before(h[j].Expires) }

func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *expiries) Push(x any) {
	k := x.(*mark)
	k.index = len(*h)
	*h = append(*h, k)
}

// Pop implements heap.Interface.
func (h *expiries) Pop() any {
	k := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return k
}
