package jetstream

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

var (
	seeds     = flag.Int("seeds", 300, "how many random histories TestRandomFaults tries")
	firstSeed = flag.Uint64("seed", 1, "the first of them")
)

// TestRandomFaults has three replicas lead at random, also at once, over a stream that loses
// requests, answers and what is followed, delays some until nobody waits for them, and answers
// reads late. In the end all of them, one that opens only then, and a model that has seen every
// block must have the same log.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(*seeds) {
		if err := randomHistory(t, *firstSeed+seed, newStream(), nil); err != nil {
			t.Fatalf("seed %d: %v", *firstSeed+seed, err)
		}
	}
}

// TestRandomFaultsFindMutations has blocks changed on their way, as if the code were wrong: a test
// that finds nothing then would find nothing at all.
func TestRandomFaultsFindMutations(t *testing.T) {
	for name, mutate := range map[string]func(*block){
		"nothing carried":     func(b *block) { b.carried = nil },
		"records not carried": func(b *block) { b.carriedRecords = nil },
		"head one too far": func(b *block) {
			if len(b.carried)+len(b.carriedRecords) > 0 {
				b.head++
			}
		},
		"nothing forgotten": func(b *block) { b.forget = nil },
		"no fencing":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			const most = 20
			for seed := range uint64(most) {
				s := newStream()
				s.unfenced = mutate == nil
				if err := randomHistory(t, seed, s, mutate); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("%d random histories do not show it", most)
		})
	}
}

// A history is one run of TestRandomFaults.
type history struct {
	random   *rand.Rand
	options  Options
	stream   *stream
	replicas [3]*replica
	written  int // batches begun

	mu       sync.Mutex
	outcomes map[string]bool // body of a batch's first entry -> whether its Append succeeded
	failed   error           // the first mistake
}

// A replica is a log that is opened and closed, and what it has followed.
type replica struct {
	store  *memoryStore
	log    *Log
	writer journal.Writer // nil: it does not lead
	next   uint64         // position
}

// randomHistory returns what is wrong in the end.
func randomHistory(t *testing.T, seed uint64, s *stream, mutate func(*block)) (err error) {
	synctest.Test(t, func(t *testing.T) {
		h := &history{random: rand.New(rand.NewPCG(seed, 0)), stream: s, outcomes: map[string]bool{}}
		h.options = Options{
			MaxAge: 2 * time.Minute, MaxBytes: 12 << 10,
			Latest: journal.LatestOptions{MaxKeys: maxKeys, MaxAge: 5 * time.Minute},
			slack:  1 << 10, mutate: mutate,
		}
		err = h.run()
		for _, r := range h.replicas {
			if r != nil && r.log != nil {
				_ = r.log.Close()
			}
		}
	})
	return err
}

// maxKeys is few, and mostKeys what a block brings at most.
const maxKeys, mostKeys = 25, 5

func (h *history) run() error {
	for i := range h.replicas {
		store := &memoryStore{stream: h.stream, leases: true, random: rand.New(rand.NewPCG(h.random.Uint64(), 0))}
		h.replicas[i] = &replica{store: store}
		if err := h.open(h.replicas[i]); err != nil {
			return err
		}
	}
	for range 80 {
		h.step()
		if err := h.mistake(); err != nil {
			return err
		}
	}
	return h.check()
}

func (h *history) open(r *replica) error {
	l, err := open(context.Background(), r.store, h.options)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	r.log, r.writer = l, nil
	h.mu.Lock() // as the log may call at once
	defer h.mu.Unlock()
	bounds := l.Follow(func(entries []journal.Entry) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, e := range entries {
			if e.Position != r.next && h.failed == nil {
				h.failed = fmt.Errorf("followed: position %d instead of %d", e.Position, r.next)
			}
			r.next = e.Position + 1
		}
	})
	r.next = bounds.Last + 1
	return nil
}

func (h *history) mistake() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.replicas {
		if err := r.log.Err(); err != nil && h.failed == nil {
			h.failed = err
		}
	}
	return h.failed
}

// step does one thing, or several at a time.
func (h *history) step() {
	r := h.replicas[h.random.IntN(3)]
	switch n := h.random.IntN(20); {
	case n < 2:
		time.Sleep(time.Duration(h.random.IntN(90)) * time.Second)
	case n < 3:
		_ = r.log.Close()
		if err := h.open(r); err != nil {
			h.mu.Lock()
			h.failed = err
			h.mu.Unlock()
		}
	case n < 5 && r.writer != nil:
		r.writer.Resign()
		r.writer = nil
	case n < 9:
		h.together()
	default:
		h.write(r, h.batch(), h.patience())
	}
}

// together has all three append at once.
func (h *history) together() {
	var wg sync.WaitGroup
	for _, r := range h.replicas {
		b, patience := h.batch(), h.patience()
		wg.Go(func() { h.write(r, b, patience) })
	}
	wg.Wait()
}

func (h *history) patience() time.Duration {
	return time.Duration(1+h.random.IntN(60)) * time.Second
}

func (h *history) write(r *replica, b journal.Batch, patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r.writer == nil {
		w, err := r.log.Lead(ctx)
		if err != nil {
			return
		}
		r.writer = w
	}
	err := r.writer.Append(ctx, b)
	if err != nil && isOver(r.writer) {
		r.writer = nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(b.Entries) > 0 {
		h.outcomes[string(b.Entries[0].Body)] = err == nil
	}
}

func isOver(w journal.Writer) bool {
	select {
	case <-w.Done():
		return true
	default:
		return false
	}
}

func (h *history) batch() (b journal.Batch) {
	h.written++
	for i := range h.random.IntN(mostKeys + 1) {
		e := journal.Entry{Queue: fmt.Sprint("/queue/", h.random.IntN(3)), Time: time.Now().UTC()}
		e.Body = []byte(fmt.Sprintf("%d.%d ", h.written, i) + strings.Repeat("x", h.random.IntN(400)))
		if h.random.IntN(2) == 0 {
			e.Key = fmt.Sprint("key ", h.random.IntN(60))
		}
		b.Entries = append(b.Entries, e)
	}
	for range h.random.IntN(4) {
		r := journal.Record{Name: fmt.Sprintf("%d/%d", h.random.IntN(5), h.random.IntN(10)), Value: fmt.Append(nil, h.written)}
		if h.random.IntN(3) == 0 {
			r.Expires = time.Now().Add(time.Duration(h.random.IntN(100)) * time.Second).Round(0).UTC()
		}
		b.Records = append(b.Records, r)
	}
	if h.random.IntN(15) == 0 {
		b.Drop = []string{fmt.Sprint(h.random.IntN(5), "/")}
	}
	return b
}

// check compares them all when the faults are over.
func (h *history) check() error {
	time.Sleep(3 * time.Minute) // for what is still on its way, and until all records that expire have
	for _, r := range h.replicas {
		r.store.mu.Lock()
		r.store.random = nil
		r.store.mu.Unlock()
	}
	want, err := h.model()
	if err != nil {
		return err
	}
	cold, err := open(context.Background(), &memoryStore{stream: h.stream, leases: true}, h.options)
	if err != nil {
		return fmt.Errorf("opening in the end: %w", err)
	}
	defer cold.Close()
	first := stand{}
	for i, l := range []*Log{cold, h.replicas[0].log, h.replicas[1].log, h.replicas[2].log} {
		if err := l.sync(context.Background()); err != nil {
			return fmt.Errorf("replica %d: %w", i, err)
		}
		got, err := standOf(l)
		if err != nil {
			return fmt.Errorf("replica %d: %w", i, err)
		}
		if diff := cmp.Diff(want, got.view); diff != "" {
			return fmt.Errorf("replica %d has not what the model has (-want +got):\n%s", i, diff)
		}
		if i == 0 {
			first = got
		}
		if diff := cmp.Diff(first.inner, got.inner); diff != "" {
			return fmt.Errorf("replica %d stands otherwise than one that has just begun (-new +it):\n%s", i, diff)
		}
		if err := bounded(l); err != nil {
			return fmt.Errorf("replica %d: %w", i, err)
		}
	}
	return h.mistake()
}

// A view is what a log has for those who use it.
type view struct {
	Bounds  journal.Bounds
	Entries []string
	Newest  map[string]string // by key
	Records map[string]string // by name
}

// An inner is what a log knows besides.
type inner struct {
	Head   uint64
	Epochs []string                 // of the positions that are kept, and those beside them
	Ages   map[string]time.Duration // by key, when its newest entry was appended
	Log    int64
	Kept   int64
}

type stand struct {
	view  view
	inner inner
}

func standOf(l *Log) (stand, error) {
	v := view{Bounds: l.Bounds(), Newest: map[string]string{}, Records: map[string]string{}}
	for after := v.Bounds.First - 1; after < v.Bounds.Last; {
		page, err := l.Read(context.Background(), after, 7)
		if err != nil || len(page) == 0 {
			return stand{}, fmt.Errorf("read after %d: %d entries, %w", after, len(page), err)
		}
		for _, e := range page {
			if after++; e.Position != after {
				return stand{}, fmt.Errorf("read position %d, want %d", e.Position, after)
			}
			v.Entries = append(v.Entries, show(e))
		}
	}
	for queue := range 3 {
		for after := uint64(0); ; {
			page, err := l.Latest(context.Background(), fmt.Sprint("/queue/", queue), after, 5)
			if err != nil {
				return stand{}, fmt.Errorf("newest after %d: %w", after, err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				v.Newest[e.Key] = show(e)
				after = e.Position
			}
		}
	}
	for _, r := range l.records("") {
		v.Records[r.Name] = string(r.Value)
	}
	s := l.state
	in := inner{Head: s.head, Ages: map[string]time.Duration{}, Log: s.sizes.log, Kept: s.sizes.kept}
	for p := s.first - 1; p <= s.last+1; p++ {
		in.Epochs = append(in.Epochs, s.epoch(p))
	}
	for key := range v.Newest {
		it, _ := s.newest.get(key)
		in.Ages[key] = it.AppendedAt
	}
	return stand{v, in}, nil
}

func show(e journal.Entry) string {
	body, _, _ := strings.Cut(string(e.Body), " ")
	return fmt.Sprint(e.Position, e.Queue, " ", e.Key, " ", body)
}

// model returns what a log must have, by every block that there ever was. It also finds out whether
// the batches are there, once, whose Append succeeded.
func (h *history) model() (view, error) {
	v := view{Newest: map[string]string{}, Records: map[string]string{}}
	expires := map[string]time.Time{}
	var all []string
	stored := map[string]int{}
	for i, m := range h.stream.messages {
		b, err := decode(m, formats)
		if err != nil {
			return v, fmt.Errorf("sequence %d: %w", i+1, err)
		}
		for _, prefix := range b.drop {
			maps.DeleteFunc(v.Records, func(name, _ string) bool { return strings.HasPrefix(name, prefix) })
		}
		for _, r := range b.records {
			v.Records[r.Name], expires[r.Name] = string(r.Value), r.Expires
		}
		if len(b.entries) > 0 {
			stored[string(b.entries[0].Body)]++
		}
		for _, e := range b.entries {
			all = append(all, show(e))
			if e.Key != "" {
				v.Newest[e.Key] = show(e)
			}
		}
		for _, key := range b.forget {
			delete(v.Newest, key)
		}
		v.Bounds = journal.Bounds{First: b.first, Last: b.base + uint64(len(b.entries)) - 1}
	}
	if v.Bounds.First <= v.Bounds.Last {
		v.Entries = slices.Clone(all[v.Bounds.First-1:])
	}
	maps.DeleteFunc(v.Records, func(name, _ string) bool {
		return (journal.Record{Expires: expires[name]}).Expired(time.Now())
	})
	for body, succeeded := range h.outcomes {
		if n := stored[body]; n > 1 || succeeded && n == 0 {
			return v, fmt.Errorf("a batch is %d times in the stream; its Append succeeded: %v", n, succeeded)
		}
	}
	return v, nil
}

// bounded looks at what must not grow.
func bounded(l *Log) error {
	s := l.state
	keys := 0
	for queue := range 3 {
		keys += len(s.newest.newest.After(fmt.Sprint("/queue/", queue), 0, 1000))
	}
	if most := maxKeys + mostKeys; keys > most { // those of the newest block come on top
		return fmt.Errorf("%d keys, want at most %d", keys, most)
	}
	if most := 2*s.sizes.needed() + 8<<10; s.sizes.stream > most {
		return fmt.Errorf("the stream holds %d bytes, of which %d are needed", s.sizes.stream, s.sizes.needed())
	}
	return nil
}
