package jetstream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// A countingStore counts what is read of it, which takes a while.
type countingStore struct {
	*memoryStore
	reads atomic.Int64
}

func (c *countingStore) read(ctx context.Context, from uint64, max, bytes int) ([][]byte, error) {
	c.reads.Add(1)
	time.Sleep(time.Millisecond)
	return c.memoryStore.read(ctx, from, max, bytes)
}

// TestResumesShareReads has many clients come back at once, from about the same place in a
// stream of small blocks.
func TestResumesShareReads(t *testing.T) {
	const entries, clients, most = 10_000, 1000, 100
	s := newStream()
	l := mustOpen(t, &memoryStore{stream: s}, Options{})
	w := mustLead(t, l)
	for n := range entries {
		mustAppend(t, w, message(n))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	store := &countingStore{memoryStore: &memoryStore{stream: s}}
	l = mustOpen(t, store, Options{})
	defer l.Close()
	l.Forget() // what was read at the start
	store.reads.Store(0)
	var resuming sync.WaitGroup
	for n := range clients {
		resuming.Go(func() {
			for after := uint64(n % 50); after < entries; {
				page, err := l.Read(t.Context(), after, 128)
				if err != nil || len(page) == 0 {
					t.Errorf("Read after %d: %d entries, %v", after, len(page), err)
					return
				}
				after = page[len(page)-1].Position
			}
		})
	}
	resuming.Wait()
	if n := store.reads.Load(); n > most {
		t.Errorf("%d clients that read %d entries each read the stream %d times, want at most %d", clients, entries, n, most)
	} else {
		t.Logf("the stream was read %d times", n)
	}
}

// BenchmarkBlock is what a replica does with a batch: encode it, and decode and apply it.
func BenchmarkBlock(b *testing.B) {
	for _, entries := range []int{1, 256} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			l := limits{block: 8 << 20, slack: 1 << 20}
			l.Limits.MaxBytes, l.MaxAge, l.MaxKeys, l.KeyMaxAge = 256<<20, time.Hour, 100_000, time.Hour
			s := newState(0, "a")
			s.newest.loaded()
			t := s.next("b")
			var batch journal.Batch
			body := make([]byte, 500)
			for n := range entries {
				batch.Entries = append(batch.Entries, journal.Entry{Queue: "/queue/message", Key: fmt.Sprint("k", n), Body: body})
				batch.Records = append(batch.Records, journal.Record{Name: fmt.Sprint("r/", n), Value: body[:20]})
			}
			b.ReportAllocs()
			for b.Loop() {
				p := s.plan(l, t, clock{}, time.Time{}, batch)
				d, err := decode(p.block.encode(1), formats)
				if err == nil {
					err = s.apply(s.sequence+1, d)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
