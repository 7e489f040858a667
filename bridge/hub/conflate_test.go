package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

func TestSnapshot(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 2}, journal.MemoryOptions{})
	b.publish(unread+" a", unread+" b", message, unread+" a", channel+" x", unread+" c")
	f := b.feed()
	_, complete := f.Subscribe(unread, plain{name: "u"}, hub.Options{Snapshot: true})
	if complete {
		t.Error("complete without a resume")
	}
	b.publish(unread+" b", unread+" d") // b's entry at 2 is the newest no more
	wantFrames(t, []string{"u 4", "u 6", "u 7", "u 8"}, drain(t, f))
	want := hub.Counts{Published: 6, Delivered: 2, Replayed: 2}
	if d := cmp.Diff(want, b.hub.Counts()[unread]); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	b.publish(message, message)
	f := b.feed()
	f.Subscribe(channel, plain{name: "c"}, hub.Options{Snapshot: true})
	if p := f.Position(); p != 0 {
		t.Errorf("Position before the snapshot = %d, want 0", p)
	}
	wantFrames(t, nil, drain(t, f))
	if p := f.Position(); p != 2 {
		t.Errorf("Position after the snapshot = %d, want 2", p)
	}
}

// With a resume the snapshot comes only on a gap.
func TestSnapshotAndResume(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	b.publish(unread+" a", unread+" b", unread+" a")
	f := b.feed()
	_, complete := f.Subscribe(unread, plain{name: "r"}, hub.Options{Snapshot: true, Resume: b.resume(2)})
	if !complete {
		t.Error("the resume is not complete")
	}
	wantFrames(t, []string{"r 3"}, drain(t, f))
	_, complete = f.Subscribe(unread, plain{name: "g"}, hub.Options{Snapshot: true, Resume: &hub.Resume{Epoch: "other", Position: 2}})
	if complete {
		t.Error("the resume of another epoch is complete")
	}
	wantFrames(t, []string{"g 2", "g 3"}, drain(t, f))
}

func TestSnapshotInPages(t *testing.T) {
	const keys = 1000
	b := newBench(t, hub.Config{RingEntries: 4}, journal.MemoryOptions{})
	for i := range keys {
		b.publish(fmt.Sprint(channel, " ", i))
	}
	f := b.feed()
	c, _ := f.Subscribe(channel, plain{name: "c"}, hub.Options{Snapshot: true, Track: true, Window: 7})
	var got []string
	for i := 0; ; i++ {
		page := drain(t, f)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		if i == 10 {
			b.publish(channel+" 2", channel+" 500", channel+" 999") // one that was sent, two that were not
		}
		if last := lastPosition(t, page); !f.Ack(c, last, true) {
			t.Fatalf("Ack(%d) failed", last)
		}
	}
	want := slices.Concat(run("c", 1, 500), run("c", 502, 999), run("c", 1001, 1003))
	wantFrames(t, want, got)
}

func lastPosition(t *testing.T, frames []string) (p uint64) {
	t.Helper()
	if _, err := fmt.Sscan(strings.Fields(frames[len(frames)-1])[1], &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// While a snapshot waits for its window the other subscriptions go on.
func TestSnapshotBehindWindow(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 2}, journal.MemoryOptions{})
	b.publish(channel+" a", channel+" b")
	f := b.feed()
	f.Subscribe(channel, plain{name: "c"}, hub.Options{Snapshot: true, Track: true, Window: 1})
	f.Subscribe(message, plain{name: "m"}, hub.Options{})
	wantFrames(t, []string{"c 1"}, drain(t, f))
	b.publishMany(5, message)
	wantFrames(t, run("m", 3, 7), drain(t, f))
	if p := f.Position(); p != 1 {
		t.Errorf("Position = %d, want 1: the snapshot's rest was not written", p)
	}
}

// lagging publishes n rounds of counts of three conversations and a message each.
func lagging(b *bench, n int) {
	for range n {
		b.publish(unread+" a", unread+" b", unread+" c", message)
	}
}

func TestConflation(t *testing.T) {
	const ring = 100
	for name, test := range map[string]struct {
		rounds     int // four positions each
		noConflate bool
		want       []string
	}{
		"a healthy subscription": {rounds: 10, want: rounds(10, 0)},
		"half the ring waits":    {rounds: 16, want: rounds(16, 0)}, // 48 of 50
		"more than half":         {rounds: 17, want: rounds(17, 17)},
		"below the ring":         {rounds: 500, want: rounds(500, 500)},
		"forbidden, in the ring": {rounds: 17, noConflate: true, want: rounds(17, 0)},
		"forbidden, below":       {rounds: 500, noConflate: true, want: rounds(500, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, hub.Config{RingEntries: ring}, journal.MemoryOptions{})
			f := b.feed()
			f.Subscribe(unread, plain{name: "u"}, hub.Options{NoConflate: test.noConflate})
			lagging(b, test.rounds)
			wantFrames(t, test.want, drain(t, f))
			lagging(b, 1) // it keeps up again
			wantFrames(t, []string{
				fmt.Sprint("u ", 4*test.rounds+1), fmt.Sprint("u ", 4*test.rounds+2), fmt.Sprint("u ", 4*test.rounds+3),
			}, drain(t, f))
			f.Close()
			counts := b.hub.Counts()[unread]
			want := hub.Counts{Published: int64(3 * (test.rounds + 1)), Delivered: int64(len(test.want) + 3)}
			want.Conflated = want.Published - want.Delivered
			if d := cmp.Diff(want, counts); d != "" {
				t.Errorf("counts (-want +got):\n%s", d)
			}
		})
	}
}

// rounds are the frames of n rounds, of which the first are overtaken up to the last of them.
func rounds(n, conflated int) []string {
	var all []string
	for i := max(0, conflated-1); i < n; i++ {
		all = append(all, run("u", 4*i+1, 4*i+3)...)
	}
	return all
}

// A long replay leaves out all that is overtaken, however far away the newer entry is; other queues
// are whole.
func TestConflationInReplay(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 100}, journal.MemoryOptions{})
	b.publish(unread + " early") // never again
	lagging(b, 400)
	b.publish(unread + " late")
	f := b.feed()
	f.Subscribe(unread, plain{name: "u"}, hub.Options{Resume: b.resume(0)})
	f.Subscribe(message, plain{name: "m"}, hub.Options{Resume: b.resume(1500)})
	var want []string
	want = append(want, "u 1")
	for p := 1501; p < 1598; p += 4 {
		want = append(want, fmt.Sprint("m ", p))
	}
	want = append(want, "u 1598", "u 1599", "u 1600", "m 1601", "u 1602")
	wantFrames(t, want, drain(t, f))
}

// What was overtaken before the hub began is known from the log.
func TestConflationAfterRestart(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 100}, journal.MemoryOptions{})
	lagging(b, 50)
	again := hub.New(b.log, hub.Config{Queues: []hub.Queue{{Name: message}, {Name: unread, Conflate: true}, {Name: channel}}})
	defer again.Close()
	f := again.NewFeed(waker(nil))
	defer f.Close()
	f.Subscribe(unread, plain{name: "u"}, hub.Options{Resume: b.resume(0)})
	wantFrames(t, rounds(50, 50), drain(t, f))
}

// Entries without a key are overtaken by none.
func TestConflationWithoutKey(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 4}, journal.MemoryOptions{})
	f := b.feed()
	f.Subscribe(unread, plain{name: "u"}, hub.Options{})
	b.publishMany(30, unread)
	wantFrames(t, run("u", 1, 30), drain(t, f))
}
