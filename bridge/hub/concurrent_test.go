package hub_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// Publishers, and clients that subscribe, stop in the middle and resume: each must see every entry
// of its queue once, from its first subscription to the end. The rings are so small that most of it
// is a replay.
func TestConcurrent(t *testing.T) {
	const (
		clients = 24
		batches = 400
	)
	for _, ring := range []int{4, 64, 4096} {
		t.Run(fmt.Sprint("ring ", ring), func(t *testing.T) {
			b := newBench(t, hub.Config{RingEntries: ring}, journal.MemoryOptions{})
			b.publish(message, unread+" a", channel+" a") // so that no client begins at 0
			done := make(chan struct{})
			var running sync.WaitGroup
			for i := range clients {
				queue := []string{message, unread, channel}[i%3]
				running.Go(func() { client(t, b, queue, uint64(i), done) })
			}
			for i := range batches {
				b.publish(message, unread+fmt.Sprint(" ", i%7), message, channel+" a")
			}
			close(done)
			running.Wait()
			for queue, c := range b.hub.Counts() {
				if c.Conflated > 0 {
					t.Errorf("%s: %d conflated", queue, c.Conflated)
				}
			}
		})
	}
}

// client checks that positions of the queue come without a gap, a duplicate or out of order.
func client(t *testing.T, b *bench, queue string, seed uint64, done <-chan struct{}) {
	random := rand.New(rand.NewPCG(seed, 1))
	var last uint64
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true // one more subscription takes the rest
		default:
		}
		o := hub.Options{NoConflate: true}
		if last > 0 {
			o.Resume = b.resume(last)
		}
		f := b.hub.NewFeed(waker(nil))
		if _, complete := f.Subscribe(queue, plain{name: "c"}, o); last > 0 && !complete {
			t.Errorf("%s: the resume from %d is a gap", queue, last)
		}
		for range random.IntN(20) + 1 {
			for _, p := range take(t, f) {
				checkNext(t, queue, last, p)
				last = p
			}
		}
		for ended {
			got := take(t, f)
			if len(got) == 0 && f.Position() == b.log.Bounds().Last {
				break
			}
			for _, p := range got {
				checkNext(t, queue, last, p)
				last = p
			}
		}
		f.Close()
	}
}

func take(t *testing.T, f *hub.Feed) []uint64 {
	frames, _, err := step(f)
	if err != nil {
		t.Errorf("Next: %v", err)
	}
	return positions(frames)
}

func positions(frames []string) (all []uint64) {
	for _, s := range frames {
		var name string
		var p uint64
		fmt.Sscan(s, &name, &p)
		all = append(all, p)
	}
	return all
}

// checkNext knows where the entries of a queue lie: three first ones, then batches of message,
// unread, message, channel.
func checkNext(t *testing.T, queue string, last, got uint64) {
	if last == 0 {
		return
	}
	want := last + 1
	for queueAt(want) != queue {
		want++
	}
	if got != want {
		t.Errorf("%s: %d came after %d, want %d", queue, got, last, want)
	}
}

func queueAt(position uint64) string {
	if position <= 3 {
		return []string{message, unread, channel}[position-1]
	}
	return []string{message, unread, message, channel}[(position-4)%4]
}

// A client that conflates, under load: per key the last count always comes, and counts never go
// back.
func TestConcurrentConflation(t *testing.T) {
	const batches, keys = 3000, 5
	b := newBench(t, hub.Config{RingEntries: 8}, journal.MemoryOptions{})
	var running sync.WaitGroup
	for i := range 4 {
		woken := make(chan struct{}, 1)
		f := b.hub.NewFeed(waker(func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		}))
		defer f.Close()
		f.Subscribe(unread, plain{name: "u"}, hub.Options{Snapshot: i%2 == 0})
		running.Go(func() {
			var last uint64
			for newest := map[uint64]uint64{}; ; {
				for more := true; more; {
					var frames []string
					frames, more, _ = step(f)
					for _, p := range positions(frames) {
						if p <= last {
							t.Errorf("%d came after %d", p, last)
						}
						last = p
						newest[p%keys] = p
					}
				}
				if last == batches {
					for p := uint64(batches - keys + 1); p <= batches; p++ {
						if newest[p%keys] != p {
							t.Errorf("key %d: the last that came is %d, want %d", p%keys, newest[p%keys], p)
						}
					}
					return
				}
				<-woken
			}
		})
	}
	for i := 1; i <= batches; i++ {
		b.publish(fmt.Sprint(unread, " ", i%keys))
	}
	running.Wait()
}

// Promise 6: every entry is in exactly one count of each subscription that it was published to.
func TestCountsAddUp(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 2))
		b := newBench(t, hub.Config{RingEntries: 16}, journal.MemoryOptions{})
		var owed int64 // entries times subscriptions
		subscribed := make([]*hub.Cursor, 8)
		feeds := make([]*hub.Feed, 4) // two subscriptions each
		for i := range feeds {
			feeds[i] = b.feed()
		}
		for range 3000 {
			i := random.IntN(len(subscribed))
			f, c := feeds[i/2], &subscribed[i]
			switch n := random.IntN(10); {
			case n < 4:
				b.publish(unread+fmt.Sprint(" ", random.IntN(3)), message)
				for _, c := range subscribed {
					if c != nil {
						owed++
					}
				}
			case n < 6 && *c == nil:
				o := hub.Options{Track: i%2 == 0, Window: i % 4 * 10, NoConflate: i%3 == 0, Snapshot: i%4 == 0}
				if i%5 == 0 {
					o.Resume = b.resume(b.log.Bounds().Last / 2)
				}
				*c, _ = f.Subscribe(unread, plain{name: "u"}, o)
			case n < 7 && *c != nil:
				f.Unsubscribe(*c)
				*c = nil
			case n < 9:
				if _, _, err := f.Next(nil, random.IntN(3000)); err != nil {
					t.Fatal(err)
				}
				if random.IntN(5) > 0 {
					f.Wrote()
				}
			case *c != nil:
				f.Ack(*c, b.log.Bounds().Last-uint64(random.IntN(40)), true)
			}
		}
		for _, f := range feeds {
			f.Close()
		}
		c := b.hub.Counts()[unread]
		if sum := c.Delivered + c.Conflated + c.LeftBehind; sum != owed {
			t.Errorf("seed %d: %d outcomes of %d deliveries owed: %+v", seed, sum, owed, c)
		}
		if c.Delivered == 0 || c.Conflated == 0 || c.LeftBehind == 0 || c.Replayed == 0 {
			t.Errorf("seed %d: the test does not reach every outcome: %+v", seed, c)
		}
	}
}
