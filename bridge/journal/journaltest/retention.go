package journaltest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

func testMaxBytes(t *testing.T, open Opener) {
	const limit, size = 256 << 10, 4 << 10
	l, w := lead(t, open, "a", Options{MaxBytes: limit})
	defer mustClose(t, l)
	for n := range 300 {
		e := mustAppend(t, w, sized(queueMessage, "", size))[0]
		if page, err := l.Read(t.Context(), e.Position-1, 10); err != nil || len(page) != 1 {
			t.Fatalf("entry %d: Read = %d entries, %v", n, len(page), err)
		}
	}
	b := l.Bounds()
	if b.Last != 300 {
		t.Fatalf("Last = %d, want 300", b.Last)
	}
	all := readAll(t, l, b.First-1, 100)
	if all[0].Position != b.First || len(all) != int(b.Last-b.First+1) {
		t.Errorf("Bounds = %d to %d, but %d entries from %d", b.First, b.Last, len(all), all[0].Position)
	}
	if got := len(all) * size; got > limit || got < limit/2 {
		t.Errorf("the log keeps %d bytes with a limit of %d", got, limit)
	}
	if got, most := l.Size(); got < int64(len(all)*size) || got > most || most != limit {
		t.Errorf("Size = %d, %d for %d entries of %d bytes with a limit of %d", got, most, len(all), size, limit)
	}
	for _, after := range []uint64{0, b.First - 2} {
		if _, err := l.Read(t.Context(), after, 10); !errors.Is(err, journal.ErrTrimmed) {
			t.Errorf("Read(%d) = %v, want ErrTrimmed; the log begins at %d", after, err, b.First)
		}
	}

	e := mustAppend(t, w, sized(queueMessage, "", 2*limit))[0]
	if page, err := l.Read(t.Context(), e.Position-1, 10); err != nil || len(page) != 1 {
		t.Errorf("an entry larger than the log: Read = %d entries, %v; want the entry", len(page), err)
	}
	e = mustAppend(t, w, sized(queueMessage, "", size))[0]
	if b := l.Bounds(); b.First != e.Position || b.Last != e.Position {
		t.Errorf("after an entry larger than the log, and one more: %d to %d, want only %d", b.First, b.Last, e.Position)
	}
}

// testTrimmed trims a busy queue, a quiet one and both at once.
func testTrimmed(t *testing.T, open Opener) {
	const limit, size = 64 << 10, 4 << 10
	l, w := lead(t, open, "a", Options{MaxBytes: limit})
	defer mustClose(t, l)
	queues := []string{queueMessage, queueConnected, queueUnread} // nothing comes to the last
	var all []journal.Entry
	for n := range 100 {
		all = append(all, mustAppend(t, w, sized(queueMessage, "", size))...)
		if n%40 == 0 {
			all = append(all, mustAppend(t, w, sized(queueConnected, fmt.Sprint("channel/", n), size))...)
		}
		want, got := map[string]uint64{}, map[string]uint64{}
		for _, e := range all[:l.Bounds().First-1] {
			want[e.Queue] = e.Position
		}
		for _, q := range queues {
			if p := l.Trimmed(q); p > 0 {
				got[q] = p
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("entry %d: trimmed (-want +got):\n%s", n, diff)
		}
	}
}

func testReadWhileTrimming(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{MaxBytes: 64 << 10})
	defer mustClose(t, l)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			after := uint64(0)
			for {
				select {
				case <-done:
					return
				default:
				}
				page, err := l.Read(t.Context(), after, 7)
				if errors.Is(err, journal.ErrTrimmed) {
					after = l.Bounds().First - 1
					continue
				}
				if err != nil {
					t.Errorf("Read: %v", err)
					return
				}
				for _, e := range page {
					if after++; e.Position != after {
						t.Errorf("Read gave position %d, want %d", e.Position, after)
						return
					}
				}
			}
		})
	}
	for range 200 {
		mustAppend(t, w, sized(queueMessage, "", 500), sized(queueMessage, "", 1500))
	}
	close(done)
	wg.Wait()
}
