package jetstream

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// filled returns a stream of so many blocks, each with an entry of so many bytes.
func filled(t *testing.T, blocks, bytes int) *stream {
	t.Helper()
	s := newStream()
	l := mustOpen(t, &memoryStore{stream: s}, Options{})
	w := mustLead(t, l)
	for n := range blocks {
		b := message(n)
		b.Entries[0].Body = slices.Concat(b.Entries[0].Body, make([]byte, bytes))
		mustAppend(t, w, b)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// A gatedStore answers no read before so many wait for an answer.
type gatedStore struct {
	*memoryStore
	gate    chan struct{}
	missing atomic.Int64
}

func (g *gatedStore) read(ctx context.Context, from uint64, max, bytes int) ([][]byte, error) {
	if g.missing.Add(-1) == 0 {
		close(g.gate)
	}
	<-g.gate
	return g.memoryStore.read(ctx, from, max, bytes)
}

// shut has the stream hold those messages, and the gate shut.
func (g *gatedStore) shut(messages [][]byte) {
	g.gate = make(chan struct{})
	g.missing.Store(readers)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.messages = messages
}

// TestReadsAhead holds that rows are asked for before the ones in front have come, where a log is
// opened and where it has fallen behind.
func TestReadsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 2 * readers * scanBlocks
		all := filled(t, 2*many, 10).messages
		store := &gatedStore{memoryStore: &memoryStore{stream: newStream()}}
		store.shut(all[:many])
		l := mustOpen(t, store, Options{})
		defer l.Close()
		synctest.Wait() // until it has looked for what is new
		store.shut(all) // of which nobody tells
		if err := l.Reach(t.Context(), 2*many); err != nil || l.Bounds().Last != 2*many {
			t.Errorf("Reach = %v, Bounds = %v", err, l.Bounds())
		}
	})
}

// A failingStore fails to read from each sequence the first time.
type failingStore struct {
	*memoryStore
	tried sync.Map // sequences
	looks atomic.Int64
}

func (f *failingStore) read(ctx context.Context, from uint64, max, bytes int) ([][]byte, error) {
	if _, tried := f.tried.LoadOrStore(from, true); !tried {
		return nil, errLost
	}
	return f.memoryStore.read(ctx, from, max, bytes)
}

func (f *failingStore) ends(ctx context.Context) (first, last uint64, err error) {
	f.looks.Add(1)
	return f.memoryStore.ends(ctx)
}

// TestReadsAgain has rows fail to come: they are asked for again, and not all from the beginning.
func TestReadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failingStore{memoryStore: &memoryStore{stream: filled(t, 3*rowBlocks, 10)}}
		l := mustOpen(t, store, Options{})
		defer l.Close()
		synctest.Wait()
		if n := store.looks.Load(); n != 2 || l.Bounds().Last != 3*rowBlocks { // the second is keepUp's
			t.Errorf("it has looked %d times where the stream ends, and has %v", n, l.Bounds())
		}
	})
}

// TestReadsLargeBlocks opens a stream of which a read returns far less than a row.
func TestReadsLargeBlocks(t *testing.T) {
	const blocks = 30
	store := &countingStore{memoryStore: &memoryStore{stream: filled(t, blocks, 3<<20)}}
	l := mustOpen(t, store, Options{})
	defer l.Close()
	if b := l.Bounds(); b.Last != blocks {
		t.Errorf("%v", b)
	}
	if n := store.reads.Load(); n > blocks+1 { // the first block has no entry
		t.Errorf("%d blocks took %d reads", blocks+1, n)
	}
	page, err := l.Read(t.Context(), blocks-1, 1)
	if err != nil || len(page) != 1 || !strings.HasPrefix(string(page[0].Body), "29\x00") {
		t.Errorf("Read: %d entries, %v", len(page), err)
	}
}

// TestOpenRefuses opens streams with what does not become better by waiting.
func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct{ name, message, want string }{
		{"a later version", "\x02what is this", "at sequence 3: journal: this version does not read the format of a block (it is 2, not one of [1]): it is too old; update this replica"},
		{"damaged", "\x01what is this", "at sequence 3: journal: a damaged block: its checksum is wrong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := filled(t, 1, 10)
				s.messages = append(s.messages, []byte(test.message))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := open(ctx, &memoryStore{stream: s}, Options{}); err == nil || err.Error() != test.want {
					t.Errorf("open = %v, want %s", err, test.want)
				}
			})
		})
	}
}
