package jetstream

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/journaltest"
)

var errLost = errors.New("no answer")

// A stream is what the stores of several replicas have in common.
type stream struct {
	mu       sync.Mutex
	messages [][]byte // all there ever were; the one of sequence n stands at n-1
	first    uint64   // sequence; those before were purged
	tails    map[int]func(uint64, []byte)
	tailed   int
	unfenced bool             // appends are taken wherever they belong
	free     chan struct{}    // holds a token while nobody has the lease
	rosters  map[*roster]bool // who hears announcements
}

func newStream() *stream {
	s := &stream{first: 1, tails: map[int]func(uint64, []byte){}, rosters: map[*roster]bool{}, free: make(chan struct{}, 1)}
	s.free <- struct{}{}
	return s
}

func (s *stream) last() uint64 { return uint64(len(s.messages)) }

// A memoryStore is one replica's way to a stream. Some of what it does may be lost.
type memoryStore struct {
	*stream
	random *rand.Rand // guarded by mu; nil: nothing is lost
	wg     sync.WaitGroup
	seen   uint64 // guarded by mu: what the node that answers reads has at least
	leases bool   // whoever wants the lease has it
}

// lost reports whether something is lost, one time in ten, and takes some time.
func (m *memoryStore) lost() bool {
	m.mu.Lock()
	if m.random == nil {
		m.mu.Unlock()
		return false
	}
	lost, d := m.random.IntN(10) == 0, time.Duration(m.random.IntN(20))*time.Millisecond
	m.mu.Unlock()
	time.Sleep(d)
	return lost
}

func (m *memoryStore) append(ctx context.Context, after uint64, data []byte) error {
	if m.lost() {
		<-ctx.Done()
		return errLost
	}
	if m.random != nil && m.chance(20) { // it arrives when nobody waits for the answer any more
		m.wg.Go(func() {
			time.Sleep(3 * time.Second)
			_ = m.add(after, data)
		})
		<-ctx.Done()
		return errLost
	}
	err := m.add(after, data)
	if m.lost() {
		<-ctx.Done()
		return errLost
	}
	return err
}

func (m *memoryStore) chance(one int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.IntN(one) == 0
}

func (s *stream) add(after uint64, data []byte) error {
	s.mu.Lock()
	if after != s.last() && !s.unfenced {
		s.mu.Unlock()
		return errBehind
	}
	s.messages = append(s.messages, data)
	sequence := s.last()
	tails := make([]func(uint64, []byte), 0, len(s.tails))
	for _, f := range s.tails {
		tails = append(tails, f)
	}
	s.mu.Unlock()
	for _, f := range tails {
		f(sequence, data)
	}
	return nil
}

func (m *memoryStore) read(ctx context.Context, from uint64, max, bytes int) (found [][]byte, err error) {
	if m.lost() {
		<-ctx.Done()
		return nil, errLost
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.last()
	if m.random != nil {
		m.seen += m.random.Uint64N(last - m.seen + 1) // the node lags
		last = m.seen
	}
	for n := from; n >= m.first && n <= last && len(found) < max && bytes > 0; n++ {
		found = append(found, m.messages[n-1])
		bytes -= len(m.messages[n-1])
	}
	return found, nil
}

func (m *memoryStore) ends(ctx context.Context) (first, last uint64, err error) {
	if m.lost() {
		<-ctx.Done()
		return 0, 0, errLost
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.first, m.last(), nil
}

func (m *memoryStore) purge(ctx context.Context, before uint64) error {
	if m.lost() {
		<-ctx.Done()
		return errLost
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.first = max(m.first, before)
	return nil
}

func (m *memoryStore) subscribe(f func(uint64, []byte)) (stop func(), err error) {
	if m.random != nil {
		called := f
		f = func(sequence uint64, data []byte) {
			if !m.chance(10) {
				called(sequence, data)
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tailed++
	id := m.tailed
	m.tails[id] = f
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.tails, id)
	}, nil
}

type memoryLease struct{ free chan struct{} }

func (l memoryLease) lost() <-chan struct{} { return nil }

func (l memoryLease) release() {
	if l.free != nil {
		l.free <- struct{}{}
	}
}

func (m *memoryStore) lease(ctx context.Context, may func(time.Duration) bool) (lease, error) {
	if m.leases {
		return memoryLease{}, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-m.free:
	}
	for free := time.Now(); !may(time.Since(free)); {
		if err := pause(ctx, standbyLook); err != nil {
			m.free <- struct{}{}
			return nil, err
		}
	}
	return memoryLease{m.free}, nil
}

func (m *memoryStore) meet(_ context.Context, r *roster) (leave func(), err error) {
	for _, other := range m.heard() {
		r.hear(other.me())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rosters[r] = true
	return func() {
		m.mu.Lock()
		delete(m.rosters, r)
		m.mu.Unlock()
		me := r.me()
		me.Gone = true
		m.announce(me)
	}, nil
}

func (s *stream) announce(a announcement) {
	for _, r := range s.heard() {
		r.hear(a)
	}
}

// heard returns who hears announcements.
func (s *stream) heard() []*roster {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.rosters))
}

func (m *memoryStore) maxMessage() int { return 8<<20 - 4096 }

func (m *memoryStore) close() { m.wg.Wait() }

// memoryOpener opens logs in memory; those of one test are kept when they are closed.
func memoryOpener() journaltest.Opener {
	type name struct {
		test *testing.T
		log  string
	}
	var mu sync.Mutex
	streams := map[name]*stream{}
	return func(t *testing.T, log string, o journaltest.Options) journal.Log {
		t.Helper()
		mu.Lock()
		s := streams[name{t, log}]
		if s == nil {
			s = newStream()
			streams[name{t, log}] = s
		}
		mu.Unlock()
		return mustOpen(t, &memoryStore{stream: s}, options(o))
	}
}

func options(o journaltest.Options) Options {
	return Options{MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, Latest: o.Latest, Now: o.Now, slack: 1 << 10}
}

func mustOpen(t testing.TB, s store, o Options) *Log {
	t.Helper()
	l, err := open(t.Context(), s, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l
}

func TestMemory(t *testing.T) { journaltest.Run(t, memoryOpener()) }

func TestMemoryDurable(t *testing.T) { journaltest.RunDurable(t, memoryOpener()) }

func TestMemoryReplicas(t *testing.T) { journaltest.RunReplicas(t, memoryOpener()) }

func TestMemoryLead(t *testing.T) { journaltest.RunLead(t, memoryOpener()) }

func TestMemoryClock(t *testing.T) { journaltest.RunClock(t, memoryOpener()) }

func TestMemoryDurableClock(t *testing.T) { journaltest.RunDurableClock(t, memoryOpener()) }
