package hub_test

import (
	"fmt"
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// One entry at a time to every feed: a round is what a hub and its sessions do for it but the
// write.
func BenchmarkFanOut(b *testing.B) {
	for _, feeds := range []int{100, 1000, 10_000} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("feeds=%d/batch=%d", feeds, batch), func(b *testing.B) { fanOut(b, feeds, batch) })
		}
	}
}

func fanOut(b *testing.B, feeds, batch int) {
	bench := newBench(b, hub.Config{}, journal.MemoryOptions{MaxBytes: 1 << 20})
	var all []*hub.Feed
	for range feeds {
		f := bench.feed()
		f.Subscribe(message, plain{name: "same"}, hub.Options{})
		all = append(all, f)
	}
	body := make([]byte, 400)
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		entries := make([]journal.Entry, batch)
		for i := range entries {
			entries[i] = journal.Entry{Queue: message, Body: body}
		}
		if err := bench.writer.Append(b.Context(), journal.Batch{Entries: entries}); err != nil {
			b.Fatal(err)
		}
		for _, f := range all {
			out, _, err := f.Next(buffer[:0], 64<<10)
			if err != nil || len(out) == 0 {
				b.Fatalf("Next gave %d bytes, %v", len(out), err)
			}
			f.Wrote()
			buffer = out
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*feeds*batch), "ns/delivery")
}

// A long replay, as after a day away.
func BenchmarkReplay(b *testing.B) {
	const entries = 10_000
	bench := newBench(b, hub.Config{}, journal.MemoryOptions{})
	bench.publishMany(entries, message)
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		f := bench.hub.NewFeed(waker(nil))
		f.Subscribe(message, plain{name: "r"}, hub.Options{Resume: bench.resume(0)})
		for f.Position() < entries {
			out, _, err := f.Next(buffer[:0], 64<<10)
			if err != nil {
				b.Fatal(err)
			}
			f.Wrote()
			buffer = out
		}
		f.Close()
	}
}

// One entry at a time to a group: what a broadcast does for all its members but the writes. With a
// filter each member selects something of its own, one of them what comes.
func BenchmarkGroup(b *testing.B) {
	for _, members := range []int{100, 1000, 10_000} {
		for name, audience := range map[string][]string{"everybody": nil, "one": {"u:7"}, "nobody": {"u:none"}, "every second": {"g:even"}} {
			b.Run(fmt.Sprintf("members=%d/for=%s", members, name), func(b *testing.B) { benchmarkGroup(b, members, audience, "") })
		}
		for _, body := range []string{"7", "none"} {
			b.Run(fmt.Sprintf("members=%d/filter=%s", members, body), func(b *testing.B) { benchmarkGroup(b, members, nil, body) })
		}
	}
}

func benchmarkGroup(b *testing.B, members int, audience []string, filtered string) {
	bench := newBench(b, hub.Config{}, journal.MemoryOptions{MaxBytes: 1 << 20})
	var group *hub.Group
	feeds := make([]*hub.Feed, members)
	for i := range feeds {
		feeds[i] = bench.feed()
		feeds[i].SetTokens([]string{fmt.Sprint("u:", i), []string{"g:even", "g:odd"}[i%2]})
		var o hub.Options
		if filtered != "" {
			o.Filter = &hub.Filter{Name: "body", Values: []string{string(padded(fmt.Sprint(i)))}}
		}
		feeds[i].Subscribe(message, plain{name: "same"}, o)
		if group == nil {
			group = feeds[i].NewGroup(waker(nil))
		}
		if !group.Join(feeds[i]) {
			b.Fatal("Join is false")
		}
	}
	body := padded(filtered)
	b.ReportAllocs()
	var bytes int
	for b.Loop() {
		entry := journal.Entry{Queue: message, Audience: audience, Body: body}
		if err := bench.writer.Append(b.Context(), journal.Batch{Entries: []journal.Entry{entry}}); err != nil {
			b.Fatal(err)
		}
		if _, err := group.Next(64 << 10); err != nil {
			b.Fatal(err)
		}
		if group.Everybody() {
			for _, f := range feeds {
				bytes += len(group.Frames(f))
			}
			group.Wrote(feeds)
		} else {
			for f := range group.Addressed() {
				bytes += len(group.Frames(f))
				group.Wrote([]*hub.Feed{f})
			}
		}
		group.Release()
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "B/event")
	for _, f := range feeds {
		group.Leave(f, true)
	}
	group.Close()
}

// padded is a body of the usual size.
func padded(text string) []byte { return append([]byte(text), make([]byte, 400-len(text))...) }
