package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// settled is drain, until the hub has no more for the feed. It needs a synctest bubble.
func settled(t *testing.T, f *hub.Feed) []string {
	t.Helper()
	all := drain(t, f)
	for {
		synctest.Wait()
		more := drain(t, f)
		if more == nil {
			return all
		}
		all = append(all, more...)
	}
}

// A reading counts what is read of its log.
type reading struct {
	*journal.Memory
	entries atomic.Int64
	err     error
}

func (r *reading) Latest(ctx context.Context, queue string, after uint64, max int) ([]journal.Entry, error) {
	page, err := r.Memory.Latest(ctx, queue, after, max)
	r.entries.Add(int64(len(page)))
	if max > 1 && after > 1000 && r.err != nil {
		return nil, r.err
	}
	return page, err
}

// conversations puts counts of n conversations into a bench, each for a user, with a hub that reads
// through a reading.
func conversations(t *testing.T, n int) (*bench, *reading) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	for i := range n {
		b.say(unread, fmt.Sprint("k", i), "x", fmt.Sprint("u:", i%1000))
	}
	r := &reading{Memory: b.log}
	b.hub.Close()
	b.hub = hub.New(r, hub.Config{Queues: []hub.Queue{{Name: unread, Keyed: true, Conflate: true}}})
	t.Cleanup(b.hub.Close)
	r.entries.Store(0)
	return b, r
}

// Of each snapshot one in a thousand entries is delivered. All of them are found, in order, and
// many subscriptions cost little more than reading the queue once or twice.
func TestSparseSnapshotsAreReadTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys, users = 20_000, 50
		b, r := conversations(t, keys)
		var feeds []*hub.Feed
		for i := range users {
			f := b.feed()
			f.SetTokens([]string{fmt.Sprint("u:", 500+i)})
			f.Subscribe(unread, plain{name: "s"}, hub.Options{Own: true, Snapshot: true})
			feeds = append(feeds, f)
		}
		got := make([][]string, users)
		for i, f := range feeds {
			got[i] = drain(t, f)
		}
		// A count that is replaced while it is looked for comes once, as live.
		b.say(unread, "k19500", "x", "u:500")
		for i, f := range feeds {
			got[i] = append(got[i], settled(t, f)...)
			var want []string
			for p := 501 + i; p <= keys; p += 1000 {
				want = append(want, fmt.Sprint("s ", p))
			}
			if i == 0 && !slices.Equal(got[0], want) { // it may have been found before it was replaced
				want = append(want[:len(want)-1], fmt.Sprint("s ", keys+1))
			} else if i == 0 {
				want = append(want, fmt.Sprint("s ", keys+1))
			}
			wantFrames(t, want, got[i])
		}
		if n := r.entries.Load(); n > 4*keys {
			t.Errorf("%d entries were read for snapshots of %d, want at most four times as many", n, keys)
		}
	})
}

// A search ends with its subscription; other audiences begin another; an error is that of Next.
func TestSearchIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := conversations(t, 3000)
		own := hub.Options{Own: true, Snapshot: true}
		f := b.feed()
		f.SetTokens([]string{"u:700"})
		c, _ := f.Subscribe(unread, plain{name: "s"}, own)
		wantFrames(t, nil, drain(t, f))
		f.Unsubscribe(c)
		wantFrames(t, nil, settled(t, f))

		f.Subscribe(unread, plain{name: "t"}, own)
		wantFrames(t, nil, drain(t, f))
		f.SetTokens([]string{"u:701"})
		wantFrames(t, []string{"t 702", "t 1702", "t 2702"}, settled(t, f))

		r.err = errors.New("no such page")
		broken := b.feed()
		broken.SetTokens([]string{"u:700"})
		broken.Subscribe(unread, plain{name: "s"}, own)
		wantFrames(t, nil, drain(t, broken))
		synctest.Wait()
		if _, _, err := step(broken); !errors.Is(err, r.err) {
			t.Errorf("Next: %v, want %v", err, r.err)
		}
	})
}

// A window holds for what was searched too.
func TestSearchKeepsToTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := conversations(t, 5000)
		f := b.feed()
		f.SetTokens([]string{"u:700"})
		c, _ := f.Subscribe(unread, plain{name: "s"}, hub.Options{Own: true, Snapshot: true, Track: true, Window: 2})
		wantFrames(t, []string{"s 701", "s 1701"}, settled(t, f))
		f.Ack(c, 1701, true)
		wantFrames(t, []string{"s 2701", "s 3701"}, settled(t, f))
		f.Ack(c, 3701, true)
		b.say(unread, "new", "x", "u:700")
		wantFrames(t, []string{"s 4701", "s 5001"}, settled(t, f))
	})
}
