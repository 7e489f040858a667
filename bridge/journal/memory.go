package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/journal/internal/lead"
	"mqtt-stomp-bridge/bridge/journal/internal/retention"
)

var errClosed = errors.New("journal: closed")

// Defaults of the options of a log, in memory and on disk.
const (
	DefaultMaxAge        = retention.DefaultMaxAge
	DefaultMaxBytes      = retention.DefaultMaxBytes
	DefaultLatestMaxKeys = retention.DefaultMaxKeys
	DefaultLatestMaxAge  = retention.DefaultKeyMaxAge
)

// MemoryOptions bound a Memory. Zero fields take the defaults.
type MemoryOptions struct {
	MaxAge   time.Duration    // of entries, in time passed since their Append; default 24h
	MaxBytes int64            // of entries, with about a hundred for each; default 256 MiB
	Latest   LatestOptions    // what is kept beyond
	Now      func() time.Time // the wall clock, for the expiry of records; default time.Now
}

// Memory is a Log that ends with the process. It trims as it appends. Make one with NewMemory.
type Memory struct {
	limits retention.Limits
	now    func() time.Time
	opened time.Time // appendedAt counts from here
	epoch  string
	seat   *lead.Seat

	// appending keeps commits, and the calls of the followers, in one order. Taken before mu.
	appending sync.Mutex
	followers []func([]Entry)

	mu        sync.RWMutex // guards the rest; never held while calling back
	closed    bool
	entries   []*stored // positions first to last
	first     uint64
	last      uint64
	bytes     int64             // of entries
	trimmed   map[string]uint64 // queue -> position of the newest that has left
	newest    *retention.Newest
	kept      map[uint64]*stored // position -> newest entry of a key, beyond retention
	keptBytes int64
	records   map[string]*kind // by what the names of its records begin with
}

// A kind is the records whose names begin with the same word and a slash, or have no slash: there
// may be a million of one that are not looked at where it is about another.
type kind struct {
	records map[string]Record // by name; some have expired
	expire  bool              // some have a time to expire at
}

// kindOf returns what the name begins with, up to its first slash; "" if it has none.
func kindOf(name string) string { return name[:strings.IndexByte(name, '/')+1] }

var _ Log = (*Memory)(nil)

// A stored entry is one with the time that the log had been open when it was appended.
type stored struct {
	Entry
	appendedAt time.Duration
}

// tokenSize is about what holding a token takes besides its bytes.
const tokenSize = 16

func (e *stored) size() int64 {
	n := len(e.Queue) + len(e.Key) + len(e.TraceParent) + len(e.Body)
	for _, token := range e.Audience {
		n += len(token) + tokenSize
	}
	return retention.Size(n)
}

func (o MemoryOptions) limits() retention.Limits {
	return retention.Limits{
		MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, MaxKeys: o.Latest.MaxKeys, KeyMaxAge: o.Latest.MaxAge,
	}.WithDefaults()
}

// NewMemory returns an empty Memory with an epoch of its own.
func NewMemory(o MemoryOptions) *Memory {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Memory{
		limits:  o.limits(),
		now:     o.Now,
		opened:  time.Now(),
		epoch:   NewEpoch(),
		seat:    lead.NewSeat(),
		first:   1,
		trimmed: map[string]uint64{},
		newest:  retention.NewNewest(),
		kept:    map[uint64]*stored{},
		records: map[string]*kind{},
	}
}

// NewEpoch returns a random epoch.
func NewEpoch() string { return strings.ToLower(rand.Text())[:12] }

// Lead implements Log.
func (m *Memory) Lead(ctx context.Context) (Writer, error) {
	turn, err := m.seat.Take(ctx)
	if err != nil {
		return nil, err
	}
	return memoryWriter{turn, m}, nil
}

// Follow implements Log.
func (m *Memory) Follow(f func([]Entry)) Bounds {
	m.appending.Lock() // so that no commit lies between the bounds and the first call
	defer m.appending.Unlock()
	m.followers = append(m.followers, f)
	return m.Bounds()
}

// Reach implements Log.
func (m *Memory) Reach(context.Context, uint64) error { return m.Err() }

// A memoryWriter is a Writer of a Memory.
type memoryWriter struct {
	*lead.Turn
	log *Memory
}

// MaxBatch implements Writer.
func (w memoryWriter) MaxBatch() int { return MaxBatch }

// Append implements Writer.
func (w memoryWriter) Append(ctx context.Context, b Batch) error {
	end, err := w.Begin()
	if err != nil {
		return err
	}
	defer end()
	if err := b.Validate(MaxBatch); err != nil {
		if !errors.Is(err, ErrTooLarge) {
			w.Resign()
		}
		return err
	}
	return w.log.append(ctx, b)
}

func (m *Memory) append(ctx context.Context, b Batch) error {
	m.appending.Lock()
	defer m.appending.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.commit(b); err != nil {
		return err
	}
	if len(b.Entries) > 0 {
		for _, f := range m.followers {
			f(b.Entries)
		}
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
	m.recordLocked(b)
	return nil
}

func (m *Memory) addLocked(e *Entry, lived time.Duration) (size int64) {
	m.last++
	e.Position = m.last
	s := &stored{*e, lived}
	m.entries = append(m.entries, s)
	if e.Key == "" {
		return s.size()
	}
	if old, ok := m.newest.Get(e.Key); ok {
		m.dropKeptLocked(old.Position)
	}
	m.newest.Put(e.Queue, retention.Item{Key: e.Key, Position: e.Position, AppendedAt: lived, Size: s.size()})
	return s.size()
}

// trimLocked takes entries up to the position from the front that are too old or too much, a step
// of them.
func (m *Memory) trimLocked(upTo uint64, lived time.Duration, step retention.Step) {
	for m.first <= upTo {
		e := m.entries[0]
		if !m.limits.Exceeded(lived-e.appendedAt, m.bytes) || !step.Take(e.size()) {
			return
		}
		m.bytes -= e.size()
		m.trimmed[e.Queue] = m.first
		if it, ok := m.newest.Get(e.Key); ok && it.Position == m.first {
			m.kept[m.first] = e
			m.keptBytes += e.size()
		}
		m.entries[0] = nil
		m.entries = m.entries[1:] // append moves what is left when it needs room
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
	if e, ok := m.kept[position]; ok {
		m.keptBytes -= e.size()
		delete(m.kept, position)
	}
}

// recordLocked drops and keeps records. Of the kinds that expire it looks at some, more than are
// added, for those that have: ranging over a map begins anywhere, so in the end it finds them all.
func (m *Memory) recordLocked(b Batch) {
	for _, prefix := range b.Drop {
		m.dropRecordsLocked(prefix)
	}
	now := m.now()
	for _, r := range b.Records {
		m.keepRecordLocked(r, now)
	}
	for _, k := range m.records {
		if k.expire {
			k.sweep(now, 64+2*len(b.Records))
		}
	}
}

func (m *Memory) dropRecordsLocked(prefix string) {
	for beginning, k := range m.records {
		switch {
		case strings.HasPrefix(beginning, prefix):
			delete(m.records, beginning)
		case strings.HasPrefix(prefix, beginning):
			maps.DeleteFunc(k.records, func(name string, _ Record) bool { return strings.HasPrefix(name, prefix) })
		}
	}
}

func (m *Memory) keepRecordLocked(r Record, now time.Time) {
	k := m.records[kindOf(r.Name)]
	if k == nil {
		k = &kind{records: map[string]Record{}}
		m.records[kindOf(r.Name)] = k
	}
	if r.Expired(now) {
		delete(k.records, r.Name)
		return
	}
	k.records[r.Name] = r
	k.expire = k.expire || !r.Expires.IsZero()
}

func (k *kind) sweep(now time.Time, look int) {
	for name, r := range k.records {
		if look--; look < 0 {
			return
		}
		if r.Expired(now) {
			delete(k.records, name)
		}
	}
}

// Records implements Writer.
func (w memoryWriter) Records(prefix string, yield func(Record) bool) error {
	end, err := w.Begin()
	if err != nil {
		return err
	}
	defer end()
	found, err := w.log.recordsWith(prefix)
	if err != nil {
		return err
	}
	for _, r := range found {
		if !yield(r) {
			break
		}
	}
	return nil
}

func (m *Memory) recordsWith(prefix string) ([]Record, error) {
	now := m.now()
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	var found []Record
	for beginning, k := range m.records {
		if !strings.HasPrefix(beginning, prefix) && !strings.HasPrefix(prefix, beginning) {
			continue
		}
		for name, r := range k.records {
			if strings.HasPrefix(name, prefix) && !r.Expired(now) {
				found = append(found, r)
			}
		}
	}
	return found, nil
}

// pageBytes is about how much one Read or Latest returns.
const pageBytes = 1 << 20

// Read implements Log. The bodies are the ones that were appended.
func (m *Memory) Read(_ context.Context, after uint64, max int) ([]Entry, error) {
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
		e := m.entries[after+1-m.first+uint64(len(page))]
		page = append(page, e.Entry)
		size += e.size()
	}
	return page, nil
}

// Latest implements Log.
func (m *Memory) Latest(_ context.Context, queue string, after uint64, max int) ([]Entry, error) {
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
		e, ok := m.kept[p]
		if !ok {
			e = m.entries[p-m.first]
		}
		page = append(page, e.Entry)
		size += e.size()
	}
	return page, nil
}

// Bounds implements Log.
func (m *Memory) Bounds() Bounds {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Bounds{First: m.first, Last: m.last}
}

// Epoch implements Log.
func (m *Memory) Epoch(uint64) string { return m.epoch }

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

// Done implements Log.
func (m *Memory) Done() <-chan struct{} { return m.seat.Done() }

// Err implements Log.
func (m *Memory) Err() error { return m.seat.Err() }

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
	m.entries, m.newest, m.kept, m.records = nil, nil, nil, nil
	m.seat.End(errClosed)
	return nil
}
