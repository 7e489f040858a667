package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

var errClosed = errors.New("journal: closed")

// MemoryOptions bound a Memory. Zero fields take the defaults.
type MemoryOptions struct {
	MaxAge   time.Duration    // of entries, in time passed since their Append; default 24h
	MaxBytes int64            // of entries, with about a hundred for each; default 256 MiB
	Latest   LatestOptions    // what is kept beyond
	Now      func() time.Time // the wall clock, for the expiry of marks; default time.Now
}

// Memory is a Log that ends with the process. It trims as it appends. Make one with NewMemory.
type Memory struct {
	limits retention.Limits
	now    func() time.Time
	opened time.Time // entries are stamped with the time passed since
	epoch  string

	// appending keeps commits and their notifications in one order. Taken before mu.
	appending sync.Mutex
	notify    func([]Entry)

	mu        sync.RWMutex // guards the rest; never held while calling back
	closed    bool
	entries   deque // positions first to last
	first     uint64
	last      uint64
	bytes     int64             // of entries
	trimmed   map[string]uint64 // queue -> position of the newest that has left
	newest    *retention.Newest
	kept      map[uint64]record // position -> newest entry of a key, beyond retention
	keptBytes int64
	marks     markSet
}

var _ Log = (*Memory)(nil)

// NewMemory returns an empty Memory with an epoch of its own.
func NewMemory(o MemoryOptions) *Memory {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Memory{
		limits:  retention.Limits{MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, MaxKeys: o.Latest.MaxKeys, KeyMaxAge: o.Latest.MaxAge}.WithDefaults(),
		now:     o.Now,
		opened:  time.Now(),
		epoch:   NewEpoch(),
		first:   1,
		trimmed: map[string]uint64{},
		newest:  retention.NewNewest(),
		kept:    map[uint64]record{},
		marks:   markSet{names: map[string]*mark{}},
	}
}

// NewEpoch returns a random epoch for a new log.
func NewEpoch() string { return strings.ToLower(rand.Text())[:12] }

// Append implements Log.
func (m *Memory) Append(ctx context.Context, b Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	m.appending.Lock()
	defer m.appending.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.commit(b); err != nil {
		return err
	}
	if m.notify != nil && len(b.Entries) > 0 {
		m.notify(b.Entries)
	}
	return nil
}

func (m *Memory) commit(b Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	lived, before := time.Since(m.opened), m.last
	step := retention.Step{Entries: len(b.Entries)}
	for i := range b.Entries {
		step.Bytes += m.addLocked(&b.Entries[i], lived)
	}
	m.bytes += step.Bytes
	m.trimLocked(before, lived, step)
	m.forgetLocked(lived, step)
	for _, k := range b.Marks {
		m.marks.set(k)
	}
	m.marks.expire(m.now())
	return nil
}

func (m *Memory) addLocked(e *Entry, lived time.Duration) (size int64) {
	m.last++
	e.Position = m.last
	r := record{entry: *e, stamp: lived}
	m.entries.push(r)
	if e.Key == "" {
		return r.size()
	}
	if old, ok := m.newest.Get(e.Key); ok {
		m.dropKeptLocked(old.Position)
	}
	m.newest.Put(e.Queue, retention.Item{Key: e.Key, Position: e.Position, Stamp: lived, Size: r.size()})
	return r.size()
}

// trimLocked takes entries up to the position from the front that are too old or too much, a step of them.
func (m *Memory) trimLocked(upTo uint64, lived time.Duration, step retention.Step) {
	for m.first <= upTo {
		r := *m.entries.at(0)
		if !m.limits.Exceeded(lived-r.stamp, m.bytes) || !step.Take(r.size()) {
			return
		}
		m.bytes -= r.size()
		m.trimmed[r.entry.Queue] = m.first
		if it, ok := m.newest.Get(r.entry.Key); ok && it.Position == m.first {
			m.kept[m.first] = r
			m.keptBytes += r.size()
		}
		m.entries.pop()
		m.first++
	}
}

func (m *Memory) forgetLocked(lived time.Duration, step retention.Step) {
	for _, it := range m.newest.Excess(m.limits, lived, m.first, m.keptBytes, step) {
		m.newest.Remove(it.Key)
		m.dropKeptLocked(it.Position)
	}
}

func (m *Memory) dropKeptLocked(position uint64) {
	if r, ok := m.kept[position]; ok {
		m.keptBytes -= r.size()
		delete(m.kept, position)
	}
}

// pageBytes is about how much one Read or Latest returns.
const pageBytes = 1 << 20

// Read implements Log. The bodies are the ones that were appended.
func (m *Memory) Read(after uint64, max int) ([]Entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	switch {
	case m.closed:
		return nil, errClosed
	case after >= m.last:
		return nil, nil
	case after+1 < m.first:
		return nil, ErrTrimmed
	}
	max = min(max, int(m.last-after))
	var page []Entry
	for size := int64(0); len(page) < max && size < pageBytes; {
		r := m.entries.at(after + 1 - m.first + uint64(len(page)))
		page = append(page, r.entry)
		size += r.size()
	}
	return page, nil
}

// Latest implements Log.
func (m *Memory) Latest(queue string, after uint64, max int) ([]Entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	var page []Entry
	size := int64(0)
	for _, p := range m.newest.After(queue, after, max) {
		if size >= pageBytes {
			break
		}
		r, ok := m.kept[p]
		if !ok {
			r = *m.entries.at(p - m.first)
		}
		page = append(page, r.entry)
		size += r.size()
	}
	return page, nil
}

// Bounds implements Log.
func (m *Memory) Bounds() Bounds {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Bounds{Epoch: m.epoch, First: m.first, Last: m.last}
}

// Trimmed implements Log.
func (m *Memory) Trimmed(queue string) uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.trimmed[queue]
}

// Size implements Log.
func (m *Memory) Size() (bytes, limit int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.bytes, m.limits.MaxBytes
}

// Notify implements Log.
func (m *Memory) Notify(f func([]Entry)) {
	m.appending.Lock()
	defer m.appending.Unlock()
	m.notify = f
}

// Close implements Log.
func (m *Memory) Close() error {
	m.appending.Lock()
	defer m.appending.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	m.closed = true
	m.entries, m.newest, m.kept, m.marks = deque{}, nil, nil, markSet{}
	return nil
}

// Marks implements Log.
func (m *Memory) Marks(prefix string, yield func(Mark) bool) error {
	found, err := m.marksWith(prefix)
	if err != nil {
		return err
	}
	for _, k := range found {
		if !yield(k) {
			break
		}
	}
	return nil
}

func (m *Memory) marksWith(prefix string) ([]Mark, error) {
	now := m.now()
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	var found []Mark
	for _, k := range m.marks.with(prefix) {
		if !k.Expired(now) {
			found = append(found, k.Mark)
		}
	}
	return found, nil
}

// DropMarks implements Log.
func (m *Memory) DropMarks(prefix string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	for _, k := range m.marks.with(prefix) {
		m.marks.drop(k)
	}
	return nil
}
