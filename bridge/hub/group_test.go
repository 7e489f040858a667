package hub_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// A member is a feed that is in the group now and then, as a session's is.
type member struct {
	feed    *hub.Feed
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
	frames  []string // of the group's last Next
}

func (c *crowd) leave(m *member) {
	c.group.Leave(m.feed, !m.missing)
	if m.missing {
		m.pending = c.frames
	}
	m.joined, m.missing = false, false
}

// next has the group append, and writes that to some members; the others leave with it.
func (c *crowd) next() {
	out, _, err := c.group.Next(nil, c.random.IntN(3000))
	if err != nil {
		c.t.Fatal(err)
	}
	c.frames = parse(out)
	written := 0
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
			m.got = append(m.got, c.frames...)
			written++
		}
	}
	c.group.Wrote(written)
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

// Whoever is in the group when, each gets every entry once and in order, and the counts add up.
func TestGroup(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 3))
		b := newBench(t, hub.Config{RingEntries: 16}, journal.MemoryOptions{})
		b.publishMany(5, message)
		c := &crowd{t: t, random: random}
		for i := range 6 {
			m := &member{feed: b.feed()}
			o := hub.Options{NoConflate: true}
			if i > 3 {
				o.Resume = b.resume(2) // a replay must not count as live in the group
			}
			m.feed.Subscribe(message, plain{name: "m"}, o)
			m.feed.Subscribe(unread, plain{name: "u"}, o)
			c.members = append(c.members, m)
		}
		if _, ok := c.members[0].feed.Shape(); !ok {
			t.Fatal("the feed has no shape")
		}
		c.group = c.members[0].feed.NewGroup(func() {})
		joins := 0
		for range 3000 {
			m := c.members[random.IntN(len(c.members))]
			switch n := random.IntN(10); {
			case n < 3:
				b.publish(unread+" a", message)
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
	resumed, live := slices.Clone(c.members[5].got), c.members[0].got
	if len(resumed) < 3 || len(resumed) != len(live)+3 {
		t.Fatalf("%d frames and %d, want three more", len(resumed), len(live))
	}
	for i, m := range c.members {
		want := live
		if i > 3 {
			want = append([]string{"m 3", "m 4", "m 5"}, live...)
		}
		wantFrames(t, want, m.got)
	}
	for queue, counts := range b.hub.Counts() {
		published := counts.Published
		if queue == message {
			published -= 5
		}
		if counts.Delivered != 6*published || counts.LeftBehind+counts.Conflated != 0 {
			t.Errorf("%s: %+v, want six deliveries each of %d", queue, counts, published)
		}
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
	g := feeds[0].NewGroup(func() {})
	for _, f := range feeds {
		if !g.Join(f) {
			t.Fatal("Join is false")
		}
	}
	b.publishMany(20, unread+" a")
	for more, last := true, ""; more; {
		var out []byte
		var err error
		if out, more, err = g.Next(nil, 1<<16); err != nil {
			t.Fatal(err)
		}
		if frames := parse(out); len(frames) > 0 {
			last = frames[len(frames)-1]
		}
		g.Wrote(2)
		if len(out) > 0 {
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
	if _, ok := first.Shape(); ok {
		t.Error("a format that nobody shares has a shape")
	}
	same := subscribe(hub.Options{}, "m")
	g := first.NewGroup(func() {})
	defer g.Close()
	one, ok1 := first.Shape()
	two, ok2 := same.Shape()
	if !ok1 || !ok2 || one != two {
		t.Error("the same subscriptions have different shapes")
	}
	for name, f := range map[string]*hub.Feed{
		"another format":    subscribe(hub.Options{}, "n"),
		"more":              subscribe(hub.Options{}, "m", "n"),
		"none":              subscribe(hub.Options{}),
		"acknowledgements":  subscribe(hub.Options{Track: true}, "m"),
		"a replay":          subscribe(hub.Options{Resume: b.resume(1)}, "m"),
		"a first format":    subscribe(hub.Options{Resume: b.resume(2), First: func(bool) hub.Format { return plain{name: "first"} }}, "m"),
		"no shape of any":   b.feed(),
		"frames on the way": func() *hub.Feed { f := subscribe(hub.Options{}, "m"); b.publish(message); f.Next(nil, 1<<16); return f }(),
	} {
		g.Next(nil, 1<<16)
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
