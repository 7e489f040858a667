package hub_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// A member is a feed that is in the group now and then, as a session's is.
type member struct {
	feed    *hub.Feed
	tokens  []string
	filter  []string // bodies of messages that it selects; nil: all
	joined  bool
	missing bool     // in the group, and not written what it appended last
	pending []string // appended by its own Next, or left with; not written yet
	got     []string
}

func (m *member) wrote() {
	m.feed.Wrote()
	m.got = append(m.got, m.pending...)
	m.pending = nil
}

// A crowd is a group with all who were ever in it.
type crowd struct {
	t       *testing.T
	random  *rand.Rand
	group   *hub.Group
	members []*member
	all     []published // beyond the first five
}

type published struct {
	frame    string
	audience []string
	queue    string
	body     string
}

// publish publishes a message and a count, each for a random audience.
func (c *crowd) publish(b *bench) {
	var batch journal.Batch
	for _, queue := range []string{unread, message} {
		audience := [][]string{nil, nil, {"u:0"}, {"g:even"}, {"g:even", "u:0", "u:1", "u:5"}, {"u:nobody"}}[c.random.IntN(6)]
		body := []string{"x", "y", "z"}[c.random.IntN(3)]
		batch.Entries = append(batch.Entries, journal.Entry{Queue: queue, Key: "a", Audience: audience, Body: []byte(body)})
		c.all = append(c.all, published{fmt.Sprint(queue[len("/queue/"):][:1], " ", len(c.all)+6), audience, queue, body})
	}
	if err := b.writer.Append(c.t.Context(), batch); err != nil {
		c.t.Fatal(err)
	}
}

// of returns the frames that are for the member.
func (c *crowd) of(m *member) []string {
	var frames []string
	for _, p := range c.all {
		if p.queue == message && m.filter != nil && !slices.Contains(m.filter, p.body) {
			continue
		}
		if p.audience == nil || slices.ContainsFunc(p.audience, func(token string) bool { return slices.Contains(m.tokens, token) }) {
			frames = append(frames, p.frame)
		}
	}
	return frames
}

func (c *crowd) leave(m *member) {
	c.group.Leave(m.feed, !m.missing)
	if m.missing {
		m.pending = parse(c.group.Frames(m.feed))
	}
	m.joined, m.missing = false, false
}

// next has the group append, and writes that to some members; the others leave with it.
func (c *crowd) next() {
	if _, err := c.group.Next(c.random.IntN(3000)); err != nil {
		c.t.Fatal(err)
	}
	var written []*hub.Feed
	for _, m := range c.members {
		m.missing = m.joined
	}
	for _, m := range c.members {
		switch {
		case !m.joined:
		case c.random.IntN(4) == 0:
			c.leave(m)
		default:
			m.missing = false
			m.got = append(m.got, parse(c.group.Frames(m.feed))...)
			written = append(written, m.feed)
		}
	}
	c.group.Wrote(written)
	c.group.Release()
}

func (c *crowd) join(m *member) {
	out, _, err := c.group.Catch(m.feed, nil, c.random.IntN(3000))
	if err != nil {
		c.t.Fatal(err)
	}
	m.pending = parse(out)
	m.wrote()
	m.joined = c.group.Join(m.feed)
}

func (c *crowd) step(m *member) {
	if m.pending != nil {
		m.wrote()
	}
	out, _, err := m.feed.Next(nil, c.random.IntN(3000))
	if err != nil {
		c.t.Fatal(err)
	}
	m.pending = parse(out)
}

// Clients choose what their subscriptions have in common, and so how many groups there are: one
// that has nothing to write keeps nothing of what it has written.
func TestIdleGroupsAreSmall(t *testing.T) {
	const groups, size = 100, 1 << 20
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	var all []*hub.Group
	for i := range groups {
		f, other := b.feed(), b.feed()
		for _, f := range []*hub.Feed{f, other} {
			f.SetTokens([]string{"u:a"})
			f.Subscribe(message, plain{name: fmt.Sprint(i)}, hub.Options{})
		}
		g := f.NewGroup(waker(nil))
		defer g.Close()
		if !g.Join(f) || !g.Join(other) {
			t.Fatal("a feed does not join")
		}
		all = append(all, g)
	}
	var batch journal.Batch
	for _, audience := range [][]string{nil, {"u:a"}} {
		batch.Entries = append(batch.Entries, journal.Entry{Queue: message, Audience: audience, Body: make([]byte, size)})
	}
	if err := b.writer.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	before := heap()
	for _, g := range all {
		for more := true; more; {
			var err error
			if more, err = g.Next(64 << 10); err != nil {
				t.Fatal(err)
			}
			g.Release()
		}
	}
	// Of each entry the ring keeps a few frames.
	if kept := heap() - before; kept > 32*size {
		t.Errorf("%d groups keep %d MiB of two entries of 1 MiB", groups, kept>>20)
	}
}

func heap() int64 {
	var m runtime.MemStats
	for range 2 { // what lies in pools survives the first
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Whoever is in the group when, each gets every entry once and in order, and the counts add up.
func TestGroup(t *testing.T) { testGroup(t, make([][]string, 6)) }

// The same where each selects some of the messages.
func TestGroupWithFilters(t *testing.T) {
	testGroup(t, [][]string{{"x"}, {"y"}, {"y", "x"}, {"nothing"}, {"x", "y", "z"}, {"z"}})
}

func testGroup(t *testing.T, filters [][]string) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 3))
		b := newBench(t, hub.Config{RingEntries: 16}, journal.MemoryOptions{})
		b.publishMany(5, message)
		c := &crowd{t: t, random: random}
		for i := range 6 {
			m := &member{feed: b.feed(), filter: filters[i], tokens: []string{[]string{"g:even", "g:odd"}[i%2], fmt.Sprint("u:", i)}}
			m.feed.SetTokens(m.tokens)
			o := hub.Options{NoConflate: true}
			if i > 3 {
				o.Resume = b.resume(2) // a replay must not count as live in the group
			}
			filtered := o
			if m.filter != nil {
				filtered.Filter = &hub.Filter{Name: "body", Values: m.filter}
			}
			m.feed.Subscribe(message, plain{name: "m"}, filtered)
			m.feed.Subscribe(unread, plain{name: "u"}, o)
			c.members = append(c.members, m)
		}
		if _, ok := c.members[0].feed.Profile(); !ok {
			t.Fatal("the feed has no profile")
		}
		c.group = c.members[0].feed.NewGroup(waker(nil))
		joins := 0
		for range 3000 {
			m := c.members[random.IntN(len(c.members))]
			switch n := random.IntN(10); {
			case n < 3:
				c.publish(b)
			case n < 5:
				c.next()
			case n < 6 && m.joined:
				c.leave(m)
			case !m.joined && n < 8 && m.pending == nil:
				if c.join(m); m.joined {
					joins++
				}
			case !m.joined:
				c.step(m)
			}
		}
		for _, m := range c.members {
			if m.joined {
				c.leave(m)
			}
			if m.pending != nil {
				m.wrote()
			}
			m.got = append(m.got, drain(t, m.feed)...)
			m.feed.Close()
		}
		c.group.Close()
		if joins < 20 {
			t.Errorf("seed %d: only %d joins", seed, joins)
		}
		checkCrowd(t, b, c)
	}
}

func checkCrowd(t *testing.T, b *bench, c *crowd) {
	t.Helper()
	var owed int
	var replayed int64
	for i, m := range c.members {
		want := c.of(m)
		owed += len(want)
		if i > 3 && m.filter == nil { // which selects none of these
			replayed += 3
			want = append([]string{"m 3", "m 4", "m 5"}, want...)
		}
		wantFrames(t, want, m.got)
	}
	var sum hub.Counts
	for _, counts := range b.hub.Counts() {
		sum.Published += counts.Published
		sum.Delivered += counts.Delivered
		sum.Replayed += counts.Replayed
		sum.NotAddressed += counts.NotAddressed
		sum.LeftBehind += counts.LeftBehind + counts.Conflated
	}
	all := int64(len(c.all))
	if want := (hub.Counts{Published: all + 5, Delivered: int64(owed), NotAddressed: 6*all - int64(owed), Replayed: replayed}); sum != want {
		t.Errorf("counts %+v, want %+v", sum, want)
	}
}

// A group that lags conflates for all its members, and each of its entries is counted for each.
func TestGroupConflates(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 8}, journal.MemoryOptions{})
	var feeds []*hub.Feed
	for range 3 {
		f := b.feed()
		f.Subscribe(unread, plain{name: "u"}, hub.Options{})
		feeds = append(feeds, f)
	}
	g := feeds[0].NewGroup(waker(nil))
	for _, f := range feeds {
		if !g.Join(f) {
			t.Fatal("Join is false")
		}
	}
	b.publishMany(20, unread+" a")
	for more, last := true, ""; more; {
		var err error
		if more, err = g.Next(1 << 16); err != nil {
			t.Fatal(err)
		}
		if frames := parse(g.Frames(feeds[0])); len(frames) > 0 {
			last = frames[len(frames)-1]
		}
		g.Wrote(feeds[:2])
		if g.Any() {
			g.Leave(feeds[2], false) // its last entry is never written
			feeds[2].Close()
		}
		if !more && last != "u 20" {
			t.Errorf("the last frame is %q, want u 20", last)
		}
	}
	for _, f := range feeds[:2] {
		g.Leave(f, true)
		f.Close()
	}
	g.Close()
	want := hub.Counts{Published: 20, Delivered: 2, Conflated: 57, LeftBehind: 1}
	if got := b.hub.Counts()[unread]; got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestJoinRefuses(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	b.publish(message, message)
	subscribe := func(o hub.Options, names ...string) *hub.Feed {
		f := b.feed()
		for _, name := range names {
			f.Subscribe(message, plain{name: name}, o)
		}
		return f
	}
	first := subscribe(hub.Options{}, "m")
	if _, ok := first.Profile(); ok {
		t.Error("a format that nobody shares has a profile")
	}
	same := subscribe(hub.Options{}, "m")
	g := first.NewGroup(waker(nil))
	defer g.Close()
	one, ok1 := first.Profile()
	two, ok2 := same.Profile()
	if !ok1 || !ok2 || one != two {
		t.Error("the same subscriptions have different profiles")
	}
	for name, f := range map[string]*hub.Feed{
		"another format":    subscribe(hub.Options{}, "n"),
		"more":              subscribe(hub.Options{}, "m", "n"),
		"none":              subscribe(hub.Options{}),
		"acknowledgements":  subscribe(hub.Options{Track: true}, "m"),
		"a replay":          subscribe(hub.Options{Resume: b.resume(1)}, "m"),
		"a first format":    subscribe(hub.Options{Resume: b.resume(2), First: func(bool) hub.Format { return plain{name: "first"} }}, "m"),
		"no profile at all": b.feed(),
		"frames on the way": func() *hub.Feed { f := subscribe(hub.Options{}, "m"); b.publish(message); f.Next(nil, 1<<16); return f }(),
	} {
		g.Next(1 << 16)
		if g.Join(f) {
			t.Errorf("%s: Join is true", name)
		}
	}
	drain(t, same)
	if !g.Join(same) {
		t.Error("the same at the same place: Join is false")
	}
	g.Leave(same, true)
}

// How a subscription stands is told alike from within the group and by itself.
func TestStatus(t *testing.T) {
	b := newBench(t, hub.Config{RingEntries: 8}, journal.MemoryOptions{})
	b.publish(unread+" a", message)
	f := b.feed()
	f.SetTokens([]string{"u:ann"})
	f.Subscribe(unread, plain{name: "u"}, hub.Options{Resume: b.resume(0)})
	f.Subscribe(message, plain{name: "m"}, hub.Options{Track: true, Window: 1})
	want := func(when string, queues ...hub.Status) {
		t.Helper()
		if d := cmp.Diff(queues, f.Status()); d != "" {
			t.Errorf("%s (-want +got):\n%s", when, d)
		}
		lag := map[string]int64{}
		f.Lag(lag)
		for _, q := range queues {
			if lag[q.Queue] != q.Waiting {
				t.Errorf("%s: the lag in %s is %d, want %d", when, q.Queue, lag[q.Queue], q.Waiting)
			}
		}
	}
	want("before the replay", hub.Status{Queue: unread, Behind: true}, hub.Status{Queue: message})
	drain(t, f)
	b.publish(message, message)
	b.publishTo(unread, "x", "u:bob")
	b.publishTo(unread, "y", "u:ann")
	drain(t, f)
	want("live", hub.Status{Queue: unread, Outcomes: hub.Outcomes{Delivered: 1, NotAddressed: 1}},
		hub.Status{Queue: message, Waiting: 1, InFlight: 1, Outcomes: hub.Outcomes{Delivered: 1}})

	one, other := b.feed(), b.feed()
	for _, f := range []*hub.Feed{one, other} {
		f.SetTokens([]string{"u:ann"})
		f.Subscribe(unread, plain{name: "u"}, hub.Options{})
	}
	b.publish(unread + " a")
	drain(t, one)
	drain(t, other)
	g := one.NewGroup(waker(nil))
	if !g.Join(one) || !g.Join(other) {
		t.Fatal("Join is false")
	}
	b.publish(unread + " b")
	b.publishTo(unread, "y", "u:ann")
	b.publishTo(unread, "x", "u:bob")
	if _, err := g.Next(1 << 16); err != nil {
		t.Fatal(err)
	}
	g.Wrote([]*hub.Feed{one})
	b.publish(unread + " c")
	inside := []hub.Status{{Queue: unread, Waiting: 1, Outcomes: hub.Outcomes{Delivered: 3, NotAddressed: 1}}}
	if d := cmp.Diff(inside, g.Status(one)); d != "" {
		t.Errorf("in the group (-want +got):\n%s", d)
	}
	lag := map[string]int64{unread: 0}
	if g.Lag(one, lag); lag[unread] != 1 {
		t.Errorf("in the group: the lag is %d, want 1", lag[unread])
	}
	g.Leave(one, true)
	g.Leave(other, false)
	g.Close()
	if d := cmp.Diff(inside, one.Status()); d != "" {
		t.Errorf("when it has left (-want +got):\n%s", d)
	}
	unwritten := []hub.Status{{Queue: unread, Waiting: 3, Outcomes: hub.Outcomes{Delivered: 1, NotAddressed: 1}}}
	if d := cmp.Diff(unwritten, other.Status()); d != "" {
		t.Errorf("when it has left with two that are not written (-want +got):\n%s", d)
	}
}
