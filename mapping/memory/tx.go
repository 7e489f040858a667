package memory

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// maxWindows is how many keys of dedupe are kept. Of more those whose windows end first are
// forgotten early, which can only let a repeat through.
const maxWindows = 200_000

// A Tx is what one event changes in a Store: Recall and Repeats see it at once, the Store takes it
// with Commit. Without that nothing has happened. While a Tx is in use, the Store and other Tx of it
// only read.
type Tx struct {
	store  *Store
	at     time.Time
	used   bool
	writes []write
	index  map[place]int // into writes, once there are many
}

// A place is where a write goes.
type place struct {
	shelf *shelf
	key   string
}

// A write is the newest state of one key.
type write struct {
	place
	item    *item   // nil: forgotten
	expired *memory // whose key's time was up; nil: it was not
}

// Used reports whether anything was asked or changed by Recall, Repeats, Apply or Note: otherwise
// what comes of the event does not depend on earlier ones.
func (t *Tx) Used() bool { return t.used }

// Begin returns a Tx for what comes of one event at that time, or of one key whose time is up.
func (s *Store) Begin(at time.Time) *Tx {
	t := s.spare
	if t == nil {
		t = &Tx{store: s}
	}
	s.spare = nil
	t.at = at
	return t
}

// release keeps the Tx, which has been committed, for the next event.
func (t *Tx) release() {
	clear(t.writes)
	*t = Tx{store: t.store, writes: t.writes[:0]}
	t.store.spare = t
}

// A Change is what a rule remembers or forgets.
type Change struct {
	Memory, Key string
	Text        string // the JSON text of the value
	Forget      bool   // instead, the key is forgotten
}

// Recall returns the JSON text of what is remembered under the key of a memory; ok tells that there
// is something.
func (t *Tx) Recall(memory, key string) (text string, ok bool) {
	t.used = true
	m := t.store.find(memory)
	if m == nil {
		return "", false
	}
	it := t.get(place{m.shelf, key})
	if it == nil || !t.at.Before(it.end(m.For)) {
		return "", false
	}
	return it.text(), true
}

// Apply makes the changes, of memories that have been configured.
func (t *Tx) Apply(changes []Change) {
	t.used = true
	for _, c := range changes {
		m := t.store.find(c.Memory)
		if c.Forget {
			t.set(place{m.shelf, c.Key}, nil)
			continue
		}
		it := newItem(m.name(c.Key), c.Text, t.at.UnixNano())
		t.set(place{m.shelf, m.key(it)}, it)
	}
}

// Repeats reports whether the rule has had the key of its dedupe within the window before the time
// of the Tx.
func (t *Tx) Repeats(rule, key string, window time.Duration) bool {
	t.used = true
	it := t.get(place{t.store.windows, windowKey(rule, key)})
	if it == nil {
		return false
	}
	end := time.Unix(0, it.at)
	// A window that ends later than one that begins now does is from before the clock was set back.
	return t.at.Before(end) && end.Sub(t.at) <= window
}

// Note notes that the rule has had the key of its dedupe, and begins a window.
func (t *Tx) Note(rule, key string, window time.Duration) {
	t.used = true
	p := place{t.store.windows, windowKey(rule, key)}
	t.set(p, &item{name: p.shelf.name(p.key), at: t.at.Add(window).UnixNano()})
}

func windowKey(rule, key string) string {
	sum := sha256.Sum256([]byte(rule + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// Expire takes out the key, whose time is up, as Due has returned it.
func (t *Tx) Expire(x Expired) {
	m := t.store.find(x.Memory)
	p := place{m.shelf, x.Key}
	t.set(p, nil)
	t.find(p).expired = m
}

// get returns the item at the place, nil if there is none.
func (t *Tx) get(p place) *item {
	if w := t.find(p); w != nil {
		return w.item
	}
	return p.shelf.items[p.key]
}

// fewWrites are found faster without an index.
const fewWrites = 8

func (t *Tx) find(p place) *write {
	if len(t.writes) > fewWrites {
		if i, ok := t.index[p]; ok {
			return &t.writes[i]
		}
		return nil
	}
	for i := range t.writes {
		if t.writes[i].place == p {
			return &t.writes[i]
		}
	}
	return nil
}

func (t *Tx) set(p place, it *item) {
	if w := t.find(p); w != nil {
		w.item = it
		return
	}
	t.writes = append(t.writes, write{place: p, item: it})
	switch n := len(t.writes); {
	case n == fewWrites+1:
		t.index = map[place]int{}
		for i, w := range t.writes {
			t.index[w.place] = i
		}
	case n > fewWrites:
		t.index[p] = n - 1
	}
}

// Records returns the records to be written with what else comes of the event.
func (t *Tx) Records() []Record {
	records := make([]Record, 0, len(t.writes))
	for _, w := range t.writes {
		switch {
		case w.item == nil && w.shelf.items[w.key] != nil:
			records = append(records, forgotten(w.shelf.items[w.key].name))
		case w.item == nil: // nothing was there
		case w.shelf == t.store.windows:
			records = append(records, windowRecord(w.item))
		default:
			records = append(records, w.item.record())
		}
	}
	return records
}

// Commit makes the changes those of the Store, as a whole. The Tx must not be used after. What is
// over a bound then goes with Evict.
func (t *Tx) Commit() {
	defer t.release()
	if len(t.writes) == 0 {
		return
	}
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range t.writes {
		if w.expired != nil {
			w.expired.expired++
		}
		if w.item == nil {
			w.shelf.remove(w.key)
		} else {
			w.shelf.put(w.item)
		}
	}
	// Windows that have ended are dropped here, faster than they come; their records expire.
	now := t.at.UnixNano()
	for range 2 * len(t.writes) {
		first := s.windows.first()
		if first == nil || first.at > now {
			return
		}
		s.windows.takeFirst()
	}
}
