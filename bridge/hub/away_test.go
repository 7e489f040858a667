package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// A farLog is on a network: nothing is at hand, reading takes a while, and it may be away.
type farLog struct {
	*journal.Memory
	away  atomic.Bool
	reads atomic.Int64 // that were waited for
}

const farTime = 10 * time.Millisecond

func (l *farLog) reach(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(farTime):
	}
	l.reads.Add(1)
	if l.away.Load() {
		return fmt.Errorf("%w: no route", journal.ErrAway)
	}
	return nil
}

func (l *farLog) Read(ctx context.Context, after uint64, max int) ([]journal.Entry, error) {
	if err := l.reach(ctx); err != nil {
		return nil, err
	}
	return l.Memory.Read(ctx, after, max)
}

func (l *farLog) Latest(ctx context.Context, queue string, after uint64, max int) ([]journal.Entry, error) {
	if err := l.reach(ctx); err != nil {
		return nil, err
	}
	return l.Memory.Latest(ctx, queue, after, max)
}

// A farFeed reads from a hub over a farLog.
type farFeed struct {
	*hub.Feed
	log   *farLog
	hub   *hub.Hub
	bench *bench
	woken chan struct{}
}

func newFarFeed(t *testing.T, entries int) *farFeed {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	f := &farFeed{log: &farLog{Memory: b.log}, bench: b, woken: make(chan struct{}, 1)}
	f.hub = hub.New(f.log, hub.Config{Queues: []hub.Queue{{Name: message}, {Name: unread, Keyed: true}}, RingEntries: 4})
	b.publishMany(entries, message)
	f.Feed = f.hub.NewFeed(waker(f.wake))
	return f
}

func (f *farFeed) wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

func (f *farFeed) close() {
	f.Feed.Close()
	f.hub.Close()
}

// all takes what waits, and waits until it is woken for more, until there are n frames or an error.
func (f *farFeed) all(t *testing.T, n int) (all []string, err error) {
	t.Helper()
	for {
		began := time.Now()
		out, more, err := f.Next(nil, 1<<20)
		if took := time.Since(began); took > 0 {
			t.Errorf("Next has waited for %v", took)
		}
		f.Wrote()
		all = append(all, lines(out)...)
		switch {
		case err != nil || len(all) >= n:
			return all, err
		case !more:
			<-f.woken
		}
	}
}

func lines(out []byte) (all []string) {
	for len(out) > 0 {
		var name, body string
		var position int
		if _, err := fmt.Sscanf(string(out), "%s %d %s\n", &name, &position, &body); err != nil {
			return append(all, err.Error())
		}
		all = append(all, fmt.Sprint(name, " ", position))
		out = out[slices.Index(out, '\n')+1:]
	}
	return all
}

// Next waits neither for a replay nor for a snapshot of a log on a network.
func TestFarLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarFeed(t, 300)
		defer f.close()
		if _, complete := f.Subscribe(message, plain{name: "m"}, hub.Options{Resume: f.bench.resume(0)}); !complete {
			t.Errorf("the resume is not complete")
		}
		got, err := f.all(t, 300)
		if err != nil {
			t.Fatal(err)
		}
		wantFrames(t, run("m", 1, 300), got)

		for n := range 200 {
			f.bench.publish(fmt.Sprint(unread, " ", n))
		}
		f.Subscribe(unread, plain{name: "u"}, hub.Options{Snapshot: true})
		got, err = f.all(t, 200)
		if err != nil {
			t.Fatal(err)
		}
		wantFrames(t, run("u", 301, 500), got)
	})
}

// A search in a snapshot waits for the network too, and so does what it has found.
func TestFarSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarFeed(t, 0)
		defer f.close()
		for n := range 300 {
			e := journal.Entry{Queue: unread, Key: fmt.Sprint(n), Body: []byte("0"), Audience: []string{"u:other"}}
			if n%100 == 50 {
				e.Audience = []string{"u:ada"}
			}
			if err := f.bench.writer.Append(t.Context(), journal.Batch{Entries: []journal.Entry{e}}); err != nil {
				t.Fatal(err)
			}
		}
		f.SetTokens([]string{"u:ada"})
		f.Subscribe(unread, plain{name: "u"}, hub.Options{Snapshot: true})
		got, err := f.all(t, 3)
		if err != nil {
			t.Fatal(err)
		}
		wantFrames(t, []string{"u 51", "u 151", "u 251"}, got)
	})
}

// A session outlives that the log is away for less than a minute.
func TestAwayLog(t *testing.T) {
	for _, test := range []struct {
		name string
		away time.Duration
		want error
	}{
		{"for half a minute", 30 * time.Second, nil},
		{"for two minutes", 2 * time.Minute, hub.ErrAway},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFarFeed(t, 20)
				defer f.close()
				f.Subscribe(message, plain{name: "m"}, hub.Options{Resume: f.bench.resume(0)})
				f.log.away.Store(true)
				began := time.Now()
				time.AfterFunc(test.away, func() { f.log.away.Store(false) })
				got, err := f.all(t, 20)
				took := time.Since(began)
				if !errors.Is(err, test.want) {
					t.Fatalf("after %v: %v, want %v", took, err, test.want)
				}
				if test.want == nil {
					wantFrames(t, run("m", 1, 20), got)
				}
				if took > time.Minute+2*time.Second || took < min(test.away, time.Minute) {
					t.Errorf("it took %v", took)
				}
				if n := f.log.reads.Load(); n > int64(took/time.Second)+2 {
					t.Errorf("the log was asked %d times in %v", n, took)
				}
				time.Sleep(test.away) // for the function above
			})
		})
	}
}

// A feed that is closed, or a hub, has nobody wait for the log.
func TestFarFeedIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFarFeed(t, 20)
		f.Subscribe(message, plain{name: "m"}, hub.Options{Resume: f.bench.resume(0)})
		f.log.away.Store(true)
		if out, more, err := f.Next(nil, 1<<20); len(out) > 0 || more || err != nil {
			t.Fatalf("Next = %q, %v, %v", out, more, err)
		}
		time.Sleep(5 * time.Second)
		began := time.Now()
		f.close()
		if took := time.Since(began); took > farTime {
			t.Errorf("Close took %v", took)
		}
	})
}
