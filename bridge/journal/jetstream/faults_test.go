package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// A brokenStore fails where a function says so.
type brokenStore struct {
	*memoryStore
	onAppend func(after uint64, data []byte, add func() error) error

	// The log reads by itself, so these may change meanwhile.
	onRead atomic.Pointer[error]
	onEnds atomic.Pointer[error]
}

// failing makes an onRead or an onEnds fail; nil: no more.
func failing(on *atomic.Pointer[error], err error) {
	if err == nil {
		on.Store(nil)
		return
	}
	on.Store(&err)
}

func (b *brokenStore) append(ctx context.Context, after uint64, data []byte) error {
	add := func() error { return b.memoryStore.append(ctx, after, data) }
	if b.onAppend != nil {
		return b.onAppend(after, data, add)
	}
	return add()
}

func (b *brokenStore) read(ctx context.Context, from uint64, max, bytes int) ([][]byte, error) {
	if err := b.onRead.Load(); err != nil {
		return nil, *err
	}
	return b.memoryStore.read(ctx, from, max, bytes)
}

func (b *brokenStore) ends(ctx context.Context) (first, last uint64, err error) {
	if err := b.onEnds.Load(); err != nil {
		return 0, 0, *err
	}
	return b.memoryStore.ends(ctx)
}

func brokenLog(t *testing.T, o Options) (*brokenStore, *Log, journal.Writer) {
	t.Helper()
	s := &brokenStore{memoryStore: &memoryStore{stream: newStream()}}
	l := mustOpen(t, s, o)
	return s, l, mustLead(t, l)
}

func mustLead(t testing.TB, l *Log) journal.Writer {
	t.Helper()
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatalf("Lead: %v", err)
	}
	return w
}

func message(n int) journal.Batch {
	return journal.Batch{Entries: []journal.Entry{{Queue: "/queue/a", Body: fmt.Append(nil, n)}}}
}

func mustAppend(t testing.TB, w journal.Writer, b journal.Batch) {
	t.Helper()
	if err := w.Append(t.Context(), b); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// TestUnknownOutcome has the answer to an append fail to come, in each way that there is. Append
// finds out what became of it.
func TestUnknownOutcome(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(attempt int, add func() error) error
	}{
		{"the request is lost", func(n int, add func() error) error {
			if n < 3 {
				return errLost
			}
			return add()
		}},
		{"the answer is lost", func(n int, add func() error) error {
			if err := add(); n == 1 || err != nil {
				return errors.Join(errLost, err)
			}
			return nil
		}},
		{"the request is late", func(n int, add func() error) error {
			if n == 1 {
				time.AfterFunc(askTimeout+5*time.Millisecond, func() { _ = add() })
				return errLost
			}
			return add()
		}},
		{"no room, and the one before is on its way", func(n int, add func() error) error {
			switch n {
			case 1:
				time.AfterFunc(time.Minute, func() { _ = add() })
				return errLost
			default:
				return errFull
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l, w := brokenLog(t, Options{})
				attempt := 0
				s.onAppend = func(_ uint64, _ []byte, add func() error) error {
					attempt++
					return test.fault(attempt, add)
				}
				mustAppend(t, w, message(1))
				s.onAppend = nil
				mustAppend(t, w, message(2))
				time.Sleep(time.Minute)
				page, err := l.Read(t.Context(), 0, 10)
				if err != nil || len(page) != 2 || string(page[0].Body) != "1" || string(page[1].Body) != "2" {
					t.Errorf("the log has %v, %v", page, err)
				}
				l.Close()
			})
		})
	}
}

// TestGivenUp ends the waiting for an outcome: the turn is over, and the next one finds what there
// is.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, w := brokenLog(t, Options{})
		defer l.Close()
		away := errors.New("no route")
		s.onAppend = func(_ uint64, _ []byte, add func() error) error { return errors.Join(add(), away) }
		failing(&s.onEnds, away)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := w.Append(ctx, message(1))
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, away) || !isOver(w) {
			t.Errorf("Append = %v, the turn is over: %v", err, isOver(w))
		}
		s.onAppend = nil
		failing(&s.onEnds, nil)
		w = mustLead(t, l)
		mustAppend(t, w, message(2))
		if b := l.Bounds(); b.Last != 2 {
			t.Errorf("Bounds = %v, want to 2: the first was stored", b)
		}
	})
}

// TestFull has the stream have no room.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, w := brokenLog(t, Options{})
		defer l.Close()
		s.onAppend = func(uint64, []byte, func() error) error { return errFull }
		if err := w.Append(t.Context(), message(1)); !errors.Is(err, journal.ErrFull) || isOver(w) {
			t.Errorf("Append = %v, the turn is over: %v", err, isOver(w))
		}
		s.onAppend = nil
		mustAppend(t, w, message(2))
		if b := l.Bounds(); b.Last != 1 {
			t.Errorf("Bounds = %v", b)
		}
	})
}

// TestFenced has a second replica lead while the first believes that it does.
func TestFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream()
		first := mustOpen(t, &memoryStore{stream: s, leases: true}, Options{})
		defer first.Close()
		second := mustOpen(t, &memoryStore{stream: s, leases: true}, Options{})
		defer second.Close()
		w := mustLead(t, first)
		mustAppend(t, w, message(1))
		next := mustLead(t, second)
		if err := w.Append(t.Context(), message(2)); !errors.Is(err, errFenced) || !isOver(w) {
			t.Errorf("Append of who led before = %v, its turn is over: %v", err, isOver(w))
		}
		mustAppend(t, next, message(3))
		if err := first.Reach(t.Context(), 2); err != nil || first.Bounds().Last != 2 || first.Err() != nil {
			t.Errorf("the other one follows to %v, %v, %v", first.Bounds(), err, first.Err())
		}
		if first.Epoch(1) == first.Epoch(2) || first.Epoch(2) != second.Epoch(2) {
			t.Errorf("epochs %q and %q, in the other log %q", first.Epoch(1), first.Epoch(2), second.Epoch(2))
		}
	})
}

// TestAway has reads fail for a while.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, w := brokenLog(t, Options{Cache: 1})
		defer l.Close()
		b := journal.Batch{Entries: []journal.Entry{{Queue: "/queue/a", Key: "k", Body: []byte("1")}}}
		mustAppend(t, w, b)
		mustAppend(t, w, message(2))
		failing(&s.onRead, errors.New("no route"))
		if _, err := l.Read(t.Context(), 0, 1); !errors.Is(err, journal.ErrAway) {
			t.Errorf("Read = %v", err)
		}
		if _, err := l.Latest(t.Context(), "/queue/a", 0, 1); !errors.Is(err, journal.ErrAway) {
			t.Errorf("Latest = %v", err)
		}
		failing(&s.onRead, nil)
		if page, err := l.Read(t.Context(), 0, 5); err != nil || len(page) != 2 {
			t.Errorf("later: Read = %v, %v", page, err)
		}
		if page, err := l.Latest(t.Context(), "/queue/a", 0, 1); err != nil || len(page) != 1 {
			t.Errorf("later: Latest = %v, %v", page, err)
		}
		if l.Err() != nil {
			t.Errorf("the log has ended: %v", l.Err())
		}
	})
}

// TestEnds has each of the ways in which a log can be followed no more.
func TestEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*stream)
		want string
	}{
		{"restored from a backup", func(s *stream) { s.messages = s.messages[:2] },
			"was it restored from a backup, or replaced? (it ends at sequence 2, and did at 4)"},
		{"restored, and run on", func(s *stream) {
			foreign := (&block{base: 3, first: 1, head: 1}).encode(1)
			s.messages = append(s.messages[:2:2], foreign, foreign, foreign)
		}, "the block at sequence 5 does not continue the one at 4"},
		{"purged", func(s *stream) {
			s.messages = append(s.messages, nil, nil)
			s.first = 6
		}, "has left the stream before this replica had it (sequence 5; it begins at 6)"},
		{"a later version", func(s *stream) { s.messages = append(s.messages, []byte("\x02what is this")) },
			"at sequence 5: journal: this version does not read the format of a block (it is 2, not one of [1]): it is too old; update this replica"},
		{"damaged", func(s *stream) { s.messages = append(s.messages, []byte("\x01what is this")) },
			"at sequence 5: journal: a damaged block: its checksum is wrong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, l, w := brokenLog(t, Options{})
				for n := range 3 {
					mustAppend(t, w, message(n))
				}
				s := l.store.(*brokenStore).stream
				s.mu.Lock()
				test.harm(s)
				s.mu.Unlock()
				select {
				case <-l.Done():
				case <-time.After(time.Minute):
				}
				if err := l.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("the log ends with %v, want %s", err, test.want)
				}
				l.Close()
			})
		})
	}
}

// TestLargeKeptEntry keeps an entry beyond retention for which there is no room beside batches as
// large as may be.
func TestLargeKeptEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l, w := brokenLog(t, Options{MaxBytes: 20 << 20, slack: 1 << 10})
		large := func(key string) journal.Batch {
			e := journal.Entry{Queue: "/queue/a", Key: key}
			e.Body = make([]byte, w.MaxBatch()-journal.Batch{Entries: []journal.Entry{e}}.Size())
			return journal.Batch{Entries: []journal.Entry{e}}
		}
		mustAppend(t, w, large("kept"))
		for range 12 {
			mustAppend(t, w, large(""))
		}
		page, err := l.Latest(t.Context(), "/queue/a", 0, 1)
		if err != nil || len(page) != 1 || page[0].Position != 1 {
			t.Errorf("the newest: %d entries, %v", len(page), err)
		}
		if l.state.head <= 2 || l.Bounds().First == 1 {
			t.Errorf("the stream begins at %d, the log at %d", l.state.head, l.Bounds().First)
		}
		l.Close()
	})
}

// TestForeignTail has messages come where those that were committed are published again, which are
// none: the stream itself decides.
func TestForeignTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l, w := brokenLog(t, Options{})
		defer l.Close()
		mustAppend(t, w, message(1))
		next := l.applied() + 1
		for _, data := range [][]byte{nil, []byte("\x02"), (&block{base: 2, first: 1, head: 1}).encode(1)} {
			l.tail(next, data)
			l.tail(1<<60, data)
		}
		mustAppend(t, w, message(2))
		if err := l.Reach(t.Context(), 3); err != nil || l.Bounds().Last != 2 {
			t.Errorf("Reach = %v, Bounds = %v", err, l.Bounds())
		}
	})
}

// TestReachTellsThoseWhoFollow has one who follows take its time: Reach waits for it.
func TestReachTellsThoseWhoFollow(t *testing.T) {
	s := newStream()
	first := mustOpen(t, &memoryStore{stream: s}, Options{})
	defer first.Close()
	second := mustOpen(t, &memoryStore{stream: s}, Options{})
	defer second.Close()
	called, goOn := make(chan struct{}), make(chan struct{})
	var followed atomic.Uint64
	second.Follow(func(entries []journal.Entry) {
		close(called)
		<-goOn
		followed.Store(entries[0].Position)
	})
	w := mustLead(t, first)
	go func() { _ = w.Append(t.Context(), message(1)) }()
	<-called
	if b := second.Bounds(); b.Last != 1 {
		t.Fatalf("Bounds = %v", b)
	}
	time.AfterFunc(time.Millisecond, func() { close(goOn) })
	if err := second.Reach(t.Context(), 1); err != nil || followed.Load() != 1 {
		t.Errorf("Reach = %v while those who follow have been told of %d", err, followed.Load())
	}
}

// TestLeadWithoutRoom begins a turn where the stream has no room even for that: it waits for what is
// needed no more to be purged.
func TestLeadWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, w := brokenLog(t, Options{MaxBytes: 1, slack: 1})
		defer l.Close()
		for n := range 10 {
			mustAppend(t, w, message(n))
		}
		w.Resign()
		refused := 0
		s.onAppend = func(_ uint64, _ []byte, add func() error) error {
			s.mu.Lock()
			purged := s.first > 1
			s.mu.Unlock()
			if !purged {
				refused++
				return errFull
			}
			return add()
		}
		mustAppend(t, mustLead(t, l), message(10))
		if refused == 0 {
			t.Error("there was room")
		}
	})
}

// TestLeadWithoutTheRight leaves the lease to others while the servers take nothing of this replica.
func TestLeadWithoutTheRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, w := brokenLog(t, Options{id: "denied"})
		defer l.Close()
		other := mustOpen(t, &memoryStore{stream: s.stream}, Options{id: "other"})
		defer other.Close()
		w.Resign()
		var allowed atomic.Bool
		s.onAppend = func(_ uint64, _ []byte, add func() error) error {
			if !allowed.Load() {
				return &deniedError{action: actionPublish, pattern: "x.log"}
			}
			return add()
		}
		led := make(chan error, 1)
		go func() {
			_, err := l.Lead(t.Context())
			led <- err
		}()
		time.Sleep(time.Minute)
		mustLead(t, other).Resign()
		select {
		case err := <-led:
			t.Fatalf("Lead without the right: %v", err)
		default:
		}
		allowed.Store(true)
		if err := <-led; err != nil {
			t.Errorf("Lead with it: %v", err)
		}
	})
}

// TestReachByTheTail has the position come while nobody says where the stream ends, as when the
// servers elect who leads it: Reach needs no more. For a position that does not come it waits.
func TestReachByTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream()
		first := mustOpen(t, &memoryStore{stream: s}, Options{})
		defer first.Close()
		store := &brokenStore{memoryStore: &memoryStore{stream: s}}
		second := mustOpen(t, store, Options{})
		defer second.Close()
		w := mustLead(t, first)
		failing(&store.onEnds, errLost)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		reached := make(chan error, 1)
		go func() { reached <- second.Reach(ctx, 1) }()
		synctest.Wait()
		mustAppend(t, w, message(1))
		if err := <-reached; err != nil {
			t.Errorf("Reach of what the tail has brought = %v", err)
		}
		if err := second.Reach(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reach of what does not come = %v", err)
		}
		if n := len(second.waiting); n > 0 {
			t.Errorf("%d still wait", n)
		}
	})
}
