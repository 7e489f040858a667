package hub_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

const (
	message = "/queue/message"
	unread  = "/queue/unread-count"
	channel = "/queue/channel/connected"
)

// plain makes frames of one line: the subscription's name, the position and the payload.
type plain struct {
	name    string
	encoded *atomic.Int64 // how many frames were encoded; may be nil
}

func (p plain) AppendFrame(dst []byte, e *journal.Entry) []byte {
	if p.encoded != nil {
		p.encoded.Add(1)
	}
	return fmt.Appendf(dst, "%s %d %s\n", p.name, e.Position, e.Body)
}

// A waker is told that a feed wakes; nil: nobody is.
type waker func()

func (w waker) Wake() {
	if w != nil {
		w()
	}
}

func (w waker) Serve() { w.Wake() }

// A bench is a hub over a log in memory.
type bench struct {
	t      testing.TB
	log    *journal.Memory
	writer journal.Writer
	hub    *hub.Hub
}

func newBench(t testing.TB, c hub.Config, o journal.MemoryOptions) *bench {
	// The body itself is what filters select by.
	filters := map[string]func([]byte) []byte{"body": func(body []byte) []byte { return body }}
	c.Queues = []hub.Queue{
		{Name: message, Filters: filters}, {Name: unread, Keyed: true, Conflate: true, Filters: filters}, {Name: channel, Keyed: true},
	}
	log := journal.NewMemory(o)
	w, err := log.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, log: log, writer: w, hub: hub.New(log, c)}
	t.Cleanup(func() {
		b.hub.Close()
		log.Close()
	})
	return b
}

// publish appends one batch. An entry is written as "queue" or "queue key"; its payload is its
// number in the batch.
func (b *bench) publish(entries ...string) {
	b.t.Helper()
	var batch journal.Batch
	for i, s := range entries {
		queue, key, _ := strings.Cut(s, " ")
		batch.Entries = append(batch.Entries, journal.Entry{Queue: queue, Key: key, Body: strconv.AppendInt(nil, int64(i), 10)})
	}
	if err := b.writer.Append(b.t.Context(), batch); err != nil {
		b.t.Fatalf("Append: %v", err)
	}
}

func (b *bench) publishMany(n int, entry string) {
	b.t.Helper()
	for range n {
		b.publish(entry)
	}
}

func (b *bench) feed() *hub.Feed {
	f := b.hub.NewFeed(waker(nil))
	b.t.Cleanup(f.Close)
	return f
}

func (b *bench) resume(position uint64) *hub.Resume {
	return &hub.Resume{Epoch: b.hub.Epoch(position), Position: position}
}

// drain takes all that waits and returns it as "name position" each.
func drain(t testing.TB, f *hub.Feed) []string {
	t.Helper()
	var all []string
	for more := true; more; {
		var got []string
		var err error
		if got, more, err = step(f); err != nil {
			t.Fatalf("Next: %v", err)
		}
		all = append(all, got...)
	}
	return all
}

func step(f *hub.Feed) (frames []string, more bool, err error) {
	out, more, err := f.Next(nil, 64<<10)
	f.Wrote()
	return parse(out), more, err
}

// parse returns "name position" for every frame.
func parse(out []byte) []string {
	var all []string
	for line := range bytes.Lines(out) {
		name, position, _ := strings.Cut(string(line), " ")
		position, _, _ = strings.Cut(position, " ")
		all = append(all, name+" "+position)
	}
	return all
}

func run(name string, from, to int) []string {
	var all []string
	for p := from; p <= to; p++ {
		all = append(all, fmt.Sprint(name, " ", p))
	}
	return all
}

func wantFrames(t testing.TB, want, got []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("frames (-want +got):\n%s", d)
	}
}

func TestOrderAcrossQueues(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	f := b.feed()
	f.Subscribe(unread, plain{name: "u"}, hub.Options{})
	f.Subscribe(message, plain{name: "m"}, hub.Options{})
	f.Subscribe(message, plain{name: "n"}, hub.Options{})
	b.publish(message, unread+" a", channel+" a", unread+" b", message)
	wantFrames(t, []string{"m 1", "n 1", "u 2", "u 4", "m 5", "n 5"}, drain(t, f))
}

func TestUnknownQueuePanics(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	if b.hub.Has("/queue/other") || !b.hub.Has(message) {
		t.Error("Has is wrong")
	}
	if b.hub.Keyed(message) || b.hub.Keyed("/queue/other") || !b.hub.Keyed(channel) {
		t.Error("Keyed is wrong")
	}
	defer func() {
		if recover() == nil {
			t.Error("Subscribe to an unknown queue did not panic")
		}
	}()
	b.feed().Subscribe("/queue/other", plain{}, hub.Options{})
}

// A rerun log is one that was closed after position 5 and opened again: it gives out positions
// under another epoch since.
type rerun struct{ *journal.Memory }

func (r rerun) Epoch(position uint64) string {
	if position <= 5 {
		return "before"
	}
	return "after"
}

// TestResumeAcrossRuns resumes from what a log has given out before and after it was opened again,
// and from what a copy of it may have given out.
func TestResumeAcrossRuns(t *testing.T) {
	for _, test := range []struct {
		from     hub.Resume
		complete bool
		want     []string
	}{
		{hub.Resume{Epoch: "before", Position: 3}, true, run("c", 4, 9)},
		{hub.Resume{Epoch: "before", Position: 5}, true, run("c", 6, 9)},
		{hub.Resume{Epoch: "after", Position: 6}, true, run("c", 7, 9)},
		{hub.Resume{Epoch: "after", Position: 9}, true, nil},
		{hub.Resume{Epoch: "before", Position: 6}, false, nil}, // the copy was made when the log ended at 5 or later, and run on
		{hub.Resume{Epoch: "before", Position: 9}, false, nil},
		{hub.Resume{Epoch: "after", Position: 5}, false, nil},
		{hub.Resume{Epoch: "after", Position: 10}, false, nil},
		{hub.Resume{Epoch: "the copy's", Position: 7}, false, nil},
		{hub.Resume{}, false, nil},
	} {
		log := rerun{journal.NewMemory(journal.MemoryOptions{})}
		w, err := log.Lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, log: log.Memory, writer: w, hub: hub.New(log, hub.Config{Queues: []hub.Queue{{Name: message}}, RingEntries: 4})}
		b.publishMany(9, message)
		f := b.feed()
		_, complete := f.Subscribe(message, plain{name: "c"}, hub.Options{Resume: &test.from})
		if complete != test.complete {
			t.Errorf("from %s-%d: complete = %v, want %v", test.from.Epoch, test.from.Position, complete, test.complete)
		}
		wantFrames(t, test.want, drain(t, f))
		b.hub.Close()
	}
}

func TestResume(t *testing.T) {
	for name, test := range map[string]struct {
		ring, keep, published int // keep: entries the log keeps, 0 for all
		epoch                 string
		from                  uint64
		complete              bool
		want                  []string
	}{
		"within the ring":         {published: 9, from: 5, complete: true, want: run("c", 6, 9)},
		"the newest":              {published: 9, from: 9, complete: true},
		"everything":              {published: 9, from: 0, complete: true, want: run("c", 1, 9)},
		"below the ring":          {ring: 4, published: 900, from: 100, complete: true, want: run("c", 101, 900)},
		"just below the ring":     {ring: 4, published: 9, from: 4, complete: true, want: run("c", 5, 9)},
		"at the ring's first":     {ring: 4, published: 9, from: 5, complete: true, want: run("c", 6, 9)},
		"beyond the end":          {published: 9, from: 10},
		"far beyond the end":      {published: 9, from: 1<<64 - 1},
		"another epoch":           {published: 9, from: 5, epoch: "other"},
		"trimmed":                 {ring: 4, keep: 100, published: 900, from: 100},
		"the last that is kept":   {ring: 4, keep: 100, published: 900, from: 800, complete: true, want: run("c", 801, 900)},
		"the first that is gone":  {ring: 4, keep: 100, published: 900, from: 799},
		"in the ring, not logged": {ring: 512, keep: 100, published: 900, from: 700},
	} {
		t.Run(name, func(t *testing.T) {
			size := int64(len(message) + 1 + 128)
			b := newBench(t, hub.Config{RingEntries: test.ring}, journal.MemoryOptions{MaxBytes: int64(test.keep) * size})
			b.publishMany(test.published, message)
			at := b.resume(test.from)
			if test.epoch != "" {
				at.Epoch = test.epoch
			}
			f := b.feed()
			var first []bool
			_, complete := f.Subscribe(message, plain{name: "c"}, hub.Options{Resume: at, First: func(complete bool) hub.Format {
				first = append(first, complete)
				return plain{name: "first"}
			}})
			if complete != test.complete || !cmp.Equal(first, []bool{test.complete}) {
				t.Errorf("complete = %v, First was told %v, want %v", complete, first, test.complete)
			}
			got := drain(t, f)
			b.publish(message)
			want := append(test.want, fmt.Sprint("c ", test.published+1))
			want[0] = "first" + strings.TrimPrefix(want[0], "c")
			wantFrames(t, want, append(got, drain(t, f)...))
		})
	}
}

// A feed whose one cursor is below its ring must not take its other cursors over what lies in
// theirs.
func TestReplayBesideRing(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 4}, journal.MemoryOptions{})
	b.publish(message, channel+" a", message)
	f := b.feed()
	f.Subscribe(channel, plain{name: "c"}, hub.Options{Resume: b.resume(1)})
	f.Subscribe(message, plain{name: "m"}, hub.Options{})
	b.publish(channel + " b")
	b.publishMany(10, message)
	b.publish(channel+" c", message)
	want := append([]string{"c 2", "c 4"}, run("m", 5, 14)...)
	wantFrames(t, append(want, "c 15", "m 16"), drain(t, f))
}

func TestReplayOfLargeEntriesKeepsToLimit(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 1}, journal.MemoryOptions{})
	for range 20 {
		entry := journal.Entry{Queue: message, Body: bytes.Repeat([]byte("x"), 10<<10)}
		if err := b.writer.Append(t.Context(), journal.Batch{Entries: []journal.Entry{entry}}); err != nil {
			t.Fatal(err)
		}
	}
	f := b.feed()
	f.Subscribe(message, plain{name: "m"}, hub.Options{Resume: b.resume(0)})
	for n := 0; n < 20; {
		out, _, err := f.Next(nil, 32<<10)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > 48<<10 {
			t.Fatalf("Next gave %d bytes, asked for about %d", len(out), 32<<10)
		}
		f.Wrote()
		n += bytes.Count(out, []byte("\n"))
	}
}

func TestBehind(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 4}, journal.MemoryOptions{MaxBytes: 10 * int64(len(message)+1+128)})
	f := b.feed()
	f.Subscribe(message, plain{name: "m"}, hub.Options{})
	b.publishMany(3, message)
	wantFrames(t, run("m", 1, 3), drain(t, f))
	b.publishMany(900, message)
	if _, _, err := step(f); err != hub.ErrBehind {
		t.Errorf("Next: %v, want ErrBehind", err)
	}
	if p := f.Position(); p != 3 {
		t.Errorf("Position = %d, want 3", p)
	}
}

func TestUnsubscribe(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	f := b.feed()
	m, _ := f.Subscribe(message, plain{name: "m"}, hub.Options{})
	f.Subscribe(unread, plain{name: "u"}, hub.Options{})
	b.publish(message, unread+" a")
	out, _, err := f.Next(nil, 1<<16)
	if err != nil || bytes.Count(out, []byte("\n")) != 2 {
		t.Fatalf("Next gave %q, %v, want two frames", out, err)
	}
	f.Unsubscribe(m) // its frame is on its way
	b.publish(message, unread+" a")
	f.Wrote()
	wantFrames(t, []string{"u 4"}, drain(t, f))
	want := hub.Counts{Published: 2, Delivered: 1}
	if d := cmp.Diff(want, b.hub.Counts()[message]); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
}

// A subscription counts from its beginning to its end, whoever writes for it.
func TestSubscriptions(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	want := func(messages, counts int64) {
		t.Helper()
		got := b.hub.Subscriptions()
		if got[message] != messages || got[unread] != counts || len(got) != 3 {
			t.Errorf("got %v, want %d and %d", got, messages, counts)
		}
	}
	want(0, 0)
	f, other := b.feed(), b.feed()
	first, _ := f.Subscribe(message, plain{name: "a"}, hub.Options{})
	f.Subscribe(message, plain{name: "b"}, hub.Options{})
	other.Subscribe(unread, plain{name: "c"}, hub.Options{})
	want(2, 1)
	g := other.NewGroup(waker(nil))
	want(2, 1)
	g.Close()
	b.publish(message)
	drain(t, f)
	f.Unsubscribe(first)
	want(1, 1)
	f.Close()
	f.Close()
	want(0, 1)
	other.Close()
	want(0, 0)
}

func TestCountsAfterClose(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	b.publish(message, message)
	f := b.feed()
	f.Subscribe(message, plain{name: "m"}, hub.Options{Resume: b.resume(1)})
	left, _ := f.Subscribe(message, plain{name: "n"}, hub.Options{})
	b.publish(message, message, message)
	drain(t, f)
	b.publish(message)
	f.Next(nil, 1<<16) // never written
	f.Unsubscribe(left)
	f.Close()
	b.publish(message)
	want := hub.Counts{Published: 7, Delivered: 6, Replayed: 1, LeftBehind: 2}
	if d := cmp.Diff(want, b.hub.Counts()[message]); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
}

func TestWindow(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 4}, journal.MemoryOptions{})
	f := b.feed()
	c, _ := f.Subscribe(message, plain{name: "w"}, hub.Options{Track: true, Window: 2})
	f.Subscribe(channel, plain{name: "c"}, hub.Options{})
	b.publishMany(3, message)
	b.publish(channel + " a")
	wantFrames(t, []string{"w 1", "w 2", "c 4"}, drain(t, f))
	if f.Ack(c, 3, false) {
		t.Error("Ack(3) of what was never sent succeeded")
	}
	if !f.Ack(c, 2, false) {
		t.Error("Ack(2) failed")
	}
	if f.Ack(c, 2, false) {
		t.Error("the second Ack(2) succeeded")
	}
	wantFrames(t, []string{"w 3"}, drain(t, f))
	b.publishMany(20, message) // up to 24; the ring holds 21 to 24
	b.publish(channel + " b")
	wantFrames(t, []string{"c 25"}, drain(t, f))
	if !f.Ack(c, 3, true) {
		t.Error("Ack(3) failed")
	}
	wantFrames(t, []string{"w 5", "w 6"}, drain(t, f)) // below the ring
	if p := f.Position(); p != 6 {
		t.Errorf("Position = %d, want 6: the window holds back what comes after", p)
	}
	if !f.Ack(c, 6, true) || !f.Ack(c, 5, true) {
		t.Error("an acknowledgement after a cumulative one that covers it failed")
	}
	wantFrames(t, []string{"w 7", "w 8"}, drain(t, f))
}

// Without a window the positions remembered are bounded, and what is forgotten counts as
// acknowledged.
func TestTrackWithoutWindow(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	f := b.feed()
	c, _ := f.Subscribe(message, plain{name: "w"}, hub.Options{Track: true})
	for range hub.MaxWindow + 1 {
		b.publish(message)
		drain(t, f)
	}
	for position, again := range map[uint64]bool{1: true, hub.MaxWindow / 2: true, hub.MaxWindow/2 + 1: false, hub.MaxWindow + 1: false} {
		if !f.Ack(c, position, false) {
			t.Errorf("Ack(%d) failed", position)
		}
		if got := f.Ack(c, position, false); got != again {
			t.Errorf("the second Ack(%d) = %v, want %v: the older half is forgotten", position, got, again)
		}
	}
	if f.Ack(c, hub.MaxWindow+2, false) || f.Ack(c, 0, false) {
		t.Error("an acknowledgement of what was never sent succeeded")
	}
}

func TestPosition(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	b.publish(message, message)
	f := b.feed()
	want := func(position uint64, when string) {
		t.Helper()
		if got := f.Position(); got != position {
			t.Errorf("Position %s = %d, want %d", when, got, position)
		}
	}
	want(0, "without subscriptions")
	f.Subscribe(message, plain{name: "m"}, hub.Options{})
	want(2, "live")
	f.Subscribe(message, plain{name: "r"}, hub.Options{Resume: b.resume(1)})
	want(1, "before the replay")
	f.Next(nil, 1<<16)
	want(1, "before the write")
	f.Wrote()
	want(2, "after the write")
	b.publish(unread+" a", message, unread+" a")
	want(2, "with an entry waiting")
	drain(t, f)
	want(4, "at the end")
}

func TestSharedEncoding(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	var encoded atomic.Int64
	var feeds []*hub.Feed
	for range 10 {
		f := b.feed()
		f.Subscribe(message, plain{"same", &encoded}, hub.Options{})
		feeds = append(feeds, f)
	}
	for i := range 30 { // more kinds than are kept, two subscriptions each
		f := b.feed()
		f.Subscribe(message, plain{fmt.Sprint("kind", i/2), &encoded}, hub.Options{})
		feeds = append(feeds, f)
	}
	alone := b.feed()
	alone.Subscribe(message, plain{"alone", &encoded}, hub.Options{})
	b.publish(message)
	for _, f := range append(feeds, alone) {
		if got := drain(t, f); len(got) != 1 {
			t.Fatalf("%d frames, want 1", len(got))
		}
	}
	// One for the ten and for each kind that found room, one for every other subscription.
	if got, want := encoded.Load(), int64(1+7+2*8+1); got != want {
		t.Errorf("the entry was encoded %d times, want %d", got, want)
	}
}

func TestRingBytes(t *testing.T) {
	b := newBench(t, hub.Config{RingBytes: 3}, journal.MemoryOptions{})
	b.publishMany(20, message) // a byte each
	f := b.feed()
	f.Subscribe(message, plain{name: "m"}, hub.Options{Resume: b.resume(2)})
	wantFrames(t, run("m", 3, 20), drain(t, f))
}

func TestWake(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	woken, otherWoken := make(chan struct{}, 10), make(chan struct{}, 10)
	f := b.hub.NewFeed(waker(func() { woken <- struct{}{} }))
	other := b.hub.NewFeed(waker(func() { otherWoken <- struct{}{} }))
	defer f.Close()
	defer other.Close()
	f.Subscribe(message, plain{name: "m"}, hub.Options{})
	other.Subscribe(unread, plain{name: "u"}, hub.Options{})
	b.publish(message)
	<-woken
	select {
	case <-otherWoken:
		t.Error("a feed without a subscription to the queue was woken")
	default:
	}
}

// A tally counts how a feed is woken.
type tally struct{ woken, served *atomic.Int64 }

func (t tally) Wake()  { t.woken.Add(1) }
func (t tally) Serve() { t.served.Add(1) }

// Publishing has time for one feed where there are few, whatever it has published, and leaves the
// others to their owners.
func TestServe(t *testing.T) {
	for _, tt := range []struct{ feeds, woken, served int64 }{{1, 0, 1}, {3, 2, 1}} {
		b := newBench(t, hub.Config{}, journal.MemoryOptions{})
		all := tally{new(atomic.Int64), new(atomic.Int64)}
		for range tt.feeds {
			f := b.hub.NewFeed(all)
			t.Cleanup(f.Close)
			f.Subscribe(message, plain{name: "m"}, hub.Options{})
		}
		b.publish(message, message)
		if woken, served := all.woken.Load(), all.served.Load(); woken != tt.woken || served != tt.served {
			t.Errorf("%d feeds: woken %d, served %d; want %d, %d", tt.feeds, woken, served, tt.woken, tt.served)
		}
	}
}

func (b *bench) publishTo(queue, key string, audience ...string) {
	b.t.Helper()
	entry := journal.Entry{Queue: queue, Key: key, Audience: audience, Body: []byte("x")}
	if err := b.writer.Append(b.t.Context(), journal.Batch{Entries: []journal.Entry{entry}}); err != nil {
		b.t.Fatal(err)
	}
}

// An entry with an audience reaches only who is of it: live, in a replay from the ring and from the
// log, and in a snapshot.
func TestAudience(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 4}, journal.MemoryOptions{})
	publish := func() {
		b.publishTo(unread, "1 all")
		b.publishTo(unread, "1 ann", "u:ann")
		b.publishTo(unread, "1 others", "g:others", "u:bob")
	}
	publish()
	of := map[string][]int{"ann": {0, 1}, "bob": {0, 2}, "nobody": {0}} // which of the three
	for name, which := range of {
		for _, way := range []string{"live", "replay", "snapshot", "own"} {
			t.Run(name+" "+way, func(t *testing.T) {
				before := b.log.Bounds().Last - 3
				o := map[string]hub.Options{
					"live":     {},
					"replay":   {Resume: b.resume(before)},
					"snapshot": {Snapshot: true},
					"own":      {Resume: b.resume(before), Own: true},
				}[way]
				f := b.feed()
				f.SetTokens([]string{"u:" + name})
				f.Subscribe(unread, plain{name: "u"}, o)
				want := []string{}
				for round := range 2 {
					got := drain(t, f)
					for _, n := range which {
						if (round > 0 || way != "live") && (n > 0 || way != "own") {
							want = append(want, fmt.Sprint("u ", before+1+uint64(3*round+n)))
						}
					}
					wantFrames(t, want, append([]string{}, got...))
					want = want[:0]
					publish()
				}
				f.Close()
			})
		}
	}
	for range 5 { // a page or more below the ring
		publish()
	}
	f := b.feed()
	f.SetTokens([]string{"g:others"})
	last := b.log.Bounds().Last
	f.Subscribe(unread, plain{name: "u"}, hub.Options{Resume: b.resume(last - 12), NoConflate: true})
	var want []string
	for p := last - 11; p <= last; p++ {
		if p%3 != 2 {
			want = append(want, fmt.Sprint("u ", p))
		}
	}
	wantFrames(t, want, drain(t, f))
}

// A write counts once, with the oldest live entry in it; a replay does not count.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, hub.Config{}, journal.MemoryOptions{})
		publish := func() {
			entry := journal.Entry{Queue: message, Time: time.Now(), Body: []byte("x")}
			if err := b.writer.Append(t.Context(), journal.Batch{Entries: []journal.Entry{entry}}); err != nil {
				t.Fatal(err)
			}
		}
		publish()
		time.Sleep(time.Hour)
		one, other := b.feed(), b.feed()
		one.Subscribe(message, plain{name: "m"}, hub.Options{Resume: b.resume(0)})
		other.Subscribe(message, plain{name: "m"}, hub.Options{})
		drain(t, one)
		publish()
		time.Sleep(20 * time.Millisecond)
		publish()
		drain(t, one) // 20ms
		drain(t, other)
		g := one.NewGroup(waker(nil))
		if !g.Join(one) || !g.Join(other) {
			t.Fatal("Join is false")
		}
		publish()
		time.Sleep(2 * time.Second)
		if _, err := g.Next(1 << 16); err != nil {
			t.Fatal(err)
		}
		g.Wrote([]*hub.Feed{one}) // 2s
		g.Leave(one, true)
		g.Leave(other, false)
		time.Sleep(time.Second)
		other.Wrote() // 3s
		g.Close()
		got := b.hub.Latency()
		want := map[time.Duration]uint64{10 * time.Millisecond: 0, 25 * time.Millisecond: 2, time.Second: 2, 2500 * time.Millisecond: 3, 5 * time.Second: 4}
		for end, n := range want {
			if got.Buckets[end] != n {
				t.Errorf("up to %v: %d writes, want %d", end, got.Buckets[end], n)
			}
		}
		if got.Count != 4 || got.Sum != 5040*time.Millisecond {
			t.Errorf("%d writes in %v, want 4 in 5.04s", got.Count, got.Sum)
		}
	})
}

// A subscription to a queue that was quiet for so long that the log has trimmed everything since,
// but nothing of this queue, is not behind when more comes at once than the ring holds.
func TestQuietIsNotBehind(t *testing.T) {
	const keep = 100
	b := newBench(t, hub.Config{RingEntries: 4}, journal.MemoryOptions{MaxBytes: keep * int64(len(message)+1+128)})
	f, other := b.feed(), b.feed()
	f.Subscribe(channel, plain{name: "c"}, hub.Options{})
	other.Subscribe(channel, plain{name: "c"}, hub.Options{})
	b.publish(channel)
	wantFrames(t, run("c", 1, 1), drain(t, f))
	b.publishMany(3*keep, message)
	b.publish(channel, channel, channel, channel, channel, channel)
	wantFrames(t, run("c", 302, 307), drain(t, f))
	if _, _, err := step(other); err != hub.ErrBehind { // it lacks the first
		t.Errorf("Next: %v, want ErrBehind", err)
	}
}
