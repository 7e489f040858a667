package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// say publishes an entry whose body is what filters select by.
func (b *bench) say(queue, key, body string, audience ...string) {
	b.t.Helper()
	batch := journal.Batch{Entries: []journal.Entry{{Queue: queue, Key: key, Body: []byte(body), Audience: audience}}}
	if err := b.writer.Append(b.t.Context(), batch); err != nil {
		b.t.Fatal(err)
	}
}

func by(values ...string) *hub.Filter { return &hub.Filter{Name: "body", Values: values} }

// A filter selects live entries and those of a replay, from the ring and from the log below it, and
// what it leaves out counts as not addressed.
func TestFilterLiveAndInReplays(t *testing.T) {
	for _, ring := range []int{2, 100} {
		t.Run(fmt.Sprint("ring of ", ring), func(t *testing.T) {
			b := newBench(t, hub.Config{RingEntries: ring}, journal.MemoryOptions{})
			for i := range 9 {
				b.say(message, "", string("abc"[i%3]))
			}
			replay, live := b.feed(), b.feed()
			if _, complete := replay.Subscribe(message, plain{name: "r"}, hub.Options{Resume: b.resume(2), Filter: by("b")}); !complete {
				t.Error("the replay is not complete")
			}
			live.Subscribe(message, plain{name: "l"}, hub.Options{Filter: by("c", "b", "c")})
			wantFrames(t, []string{"r 5", "r 8"}, drain(t, replay))
			for i := range 6 {
				b.say(message, "", string("abc"[i%3]))
			}
			wantFrames(t, []string{"r 11", "r 14"}, drain(t, replay))
			wantFrames(t, []string{"l 11", "l 12", "l 14", "l 15"}, drain(t, live))
			// What nobody gets is behind them all the same: a session that ends resumes after it.
			b.say(message, "", "a")
			wantFrames(t, nil, drain(t, replay))
			wantFrames(t, nil, drain(t, live))
			if p := replay.Position(); p < 14 {
				t.Errorf("Position = %d, want 14 or more", p)
			}
			replay.Close()
			live.Close()
			if c := b.hub.Counts()[message]; c.Delivered != 6 || c.NotAddressed != 8 || c.LeftBehind != 0 || c.Replayed != 2 {
				t.Errorf("counts %+v, want 6 delivered, 8 not addressed, 2 replayed", c)
			}
		})
	}
}

func TestFilterInSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, hub.Config{}, journal.MemoryOptions{})
		for i := range 300 {
			b.say(unread, fmt.Sprint("k", i), fmt.Sprint("v", i))
		}
		f := b.feed()
		f.Subscribe(unread, plain{name: "s"}, hub.Options{Snapshot: true, Filter: by("v7", "v250", "no such")})
		wantFrames(t, []string{"s 8", "s 251"}, settled(t, f))
		b.say(unread, "k7", "v7")
		b.say(unread, "k8", "v8")
		wantFrames(t, []string{"s 301"}, drain(t, f))
	})
}

// A window is for what is sent: what a filter leaves out takes no room in it.
func TestFilterTakesNoRoomInTheWindow(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	f := b.feed()
	c, _ := f.Subscribe(message, plain{name: "w"}, hub.Options{Filter: by("b"), Track: true, Window: 2})
	for i := range 9 {
		b.say(message, "", string("abc"[i%3]))
	}
	wantFrames(t, []string{"w 2", "w 5"}, drain(t, f))
	if f.Ack(c, 3, false) {
		t.Error("a message that was never sent is acknowledged")
	}
	f.Ack(c, 2, false)
	wantFrames(t, []string{"w 8"}, drain(t, f))
}

// An entry must be for the client's audience and of its filter.
func TestFilterAndAudience(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	own, all := b.feed(), b.feed()
	for _, f := range []*hub.Feed{own, all} {
		f.SetTokens([]string{"u:a"})
	}
	own.Subscribe(message, plain{name: "o"}, hub.Options{Own: true, Filter: by("x")})
	all.Subscribe(message, plain{name: "a"}, hub.Options{Filter: by("x")})
	b.say(message, "", "x")
	b.say(message, "", "x", "u:a")
	b.say(message, "", "x", "u:b")
	b.say(message, "", "y", "u:a")
	wantFrames(t, []string{"o 2"}, drain(t, own))
	wantFrames(t, []string{"a 1", "a 2"}, drain(t, all))
}

// In a filtered subscription that lags, counts conflate as in any other.
func TestFilterConflates(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 8}, journal.MemoryOptions{})
	f := b.feed()
	f.Subscribe(unread, plain{name: "u"}, hub.Options{Filter: by("x")})
	for range 10 {
		b.say(unread, "k", "x")
		b.say(unread, "other", "y")
	}
	wantFrames(t, []string{"u 19"}, drain(t, f))
}
